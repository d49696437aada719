"""Who is let in no more: the settings' lists, and a file that is read again when it changes."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

from mmid_relay.metrics import REVOCATIONS_STALE
from mmid_relay.settings import Devices, SettingsInvalid, is_name
from mmid_relay.small_file import require_regular_file

_log = logging.getLogger(__name__)

# How often the file is looked at, at most. Asking the file system for each request is no need.
_LOOK_S = 1.0
_FILE_LIMIT = 8 * 1024 * 1024

_Stamp = tuple[int, int, int, int]


class Revocations:
    """Names and key ids that are refused.

    A file that cannot be read, or has a line that is neither, changes nothing: what was revoked
    stays so, and the log and a metric say that the file is not in force.

    Args:
        devices: the lists, and the file's path.
        now: monotonic clock, s.

    Raises:
        SettingsInvalid: the file cannot be read at the start.
    """

    def __init__(self, devices: Devices, now: Callable[[], float] = time.monotonic) -> None:
        self._names, self._keys = devices.revoked, devices.revoked_keys
        self._file = Path(devices.revoked_file) if devices.revoked_file else None
        self._now = now
        self._looked_at = now()
        self._stamp: _Stamp | None = None
        self._complaint: tuple[str, _Stamp | None] | None = None
        self._from_file: frozenset[str] = frozenset()
        REVOCATIONS_STALE.set(0)
        if self._file:
            try:
                self._stamp = _stamp(self._file)
                self._from_file = _read(self._file)
            except (OSError, ValueError) as error:
                raise SettingsInvalid(f"devices.revoked_file: {_why(error)}") from None

    def holds(self, name: str, key_id: str) -> bool:
        """Return whether a device, or the key that its token was made with, is refused."""
        if self._file and self._now() - self._looked_at >= _LOOK_S:
            self._look(self._file)
        return (
            name in self._names
            or key_id in self._keys
            or name in self._from_file
            or f"key:{key_id}" in self._from_file
        )

    def _look(self, file: Path) -> None:
        self._looked_at = self._now()
        stamp = None
        try:
            stamp = _stamp(file)
            if stamp == self._stamp:
                return
            self._from_file = _read(file)
        except (OSError, ValueError) as error:
            # What is no list stays none until it is written anew. What could not be read may be
            # read a second later: there was no descriptor left.
            self._stamp = stamp if isinstance(error, ValueError) else None
            self._complain(_why(error), stamp)
            return
        self._stamp, self._complaint = stamp, None
        REVOCATIONS_STALE.set(0)
        _log.info("devices.revoked_file was read again: %d lines", len(self._from_file))

    def _complain(self, why: str, stamp: _Stamp | None) -> None:
        REVOCATIONS_STALE.set(1)
        if self._complaint != (why, stamp):  # once for each state of the file
            self._complaint = why, stamp
            _log.error("devices.revoked_file: %s; what was read before stays in force", why)


def _stamp(file: Path) -> _Stamp:
    """Return what changes when a file is written, replaced, or may be read at last."""
    status = require_regular_file(file)  # a pipe would hold all requests until somebody writes
    # The change time alone tells of a new mode, and of a copy that keeps the time of its source.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _read(file: Path) -> frozenset[str]:
    """Return the lines of a file, all or nothing."""
    with file.open(encoding="utf-8") as lines:
        text = lines.read(_FILE_LIMIT + 1)
    if len(text) > _FILE_LIMIT:
        raise ValueError("it is longer than 8 MiB")
    entries = set()
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if not entry:
            continue
        if not is_name(entry.removeprefix("key:")):
            raise ValueError(f"line {number} is neither a device's name nor key:ID")
        entries.add(entry)
    return frozenset(entries)


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no text"
    return os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)

"""The support bundle: what somebody who cannot reach the board needs to help it.

One ``tar.gz`` of small texts. Each passes through ``redact`` when all secrets
of this board are known to it: those of the settings and of the record.
"""

import io
import json
import os
import platform
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmid import __version__
from mmid.child import Child
from mmid.cli.doctor.apart import run_to_end, why
from mmid.cli.doctor.examination import examine
from mmid.cli.doctor.machine import Installation, output_of
from mmid.cli.mmid.storage import load_record
from mmid.errors import InvalidArgument, MmidError, StorageFailed
from mmid.hal_linux.storage import describe
from mmid.secrets import Secret, redact
from mmid.session.license.record import DeviceRecord
from mmid.settings import Settings
from mmid.settings.loading import fork_loading

_JOURNAL_LINES = 5000
_LONGEST_TEXT = 4 << 20  # characters; the end of a longer one is kept

# What a command prints, by the name of the file that it is kept in.
_COMMANDS = {
    "journal.txt": f"journalctl --unit=mmid --lines={_JOURNAL_LINES} --no-pager --output=short-iso",
    "unit.txt": "systemctl cat mmid.service",
    "unit-state.txt": "systemctl show mmid.service",
    "kernel.txt": "journalctl --dmesg --boot --lines=500 --no-pager --output=short-monotonic",
}

# What the kernel says of sound, flash and memory; a board may lack some of it.
_KERNEL_FILES = (
    "/etc/os-release",
    "/proc/uptime",
    "/proc/meminfo",
    "/proc/asound/cards",
    "/proc/asound/pcm",
    "/proc/mtd",
    "/proc/partitions",
)


def write_bundle(path: Path, config: Path | None, bus: str, machine: Installation) -> list[str]:
    """Collect everything and write it; return the names of what is in it.

    Each text is written before the next is collected, and what takes much memory is a process of
    its own for as long: on a small board the daemon runs beside it. It forks, so this process
    must have no other thread.

    Args:
        path: the file to make, which must not exist; only its owner may read it.
        config: the settings file; None for the default one.
        bus: where mmid is on D-Bus.
        machine: where this machine keeps its accounts and units.

    Raises:
        InvalidArgument: the file exists or cannot be made.
    """
    try:
        # O_EXCL: root writes it, and must not follow a link that somebody laid at this place.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be made: {error.strerror}") from error
    try:
        names = []
        known = _Known(config)
        with (
            os.fdopen(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode="w:gz") as archive,
        ):
            for name, text in _collect(known, config, bus, machine):
                _add(archive, f"mmid-support/{name}", redact(text)[-_LONGEST_TEXT:])
                names.append(name)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return names


class _Known:
    """Settings and record of this board, as far as they can be read.

    It is held until the bundle is written: what it holds is what ``redact`` knows.
    """

    def __init__(self, config: Path | None) -> None:
        self.settings: Settings | None = None
        self.record: DeviceRecord | None = None
        self.problem = ""
        try:
            self.settings = fork_loading(config).finish()
            self.record = load_record(self.settings.storage)
        except MmidError as error:
            self.problem = str(error)


def _collect(
    known: _Known, config: Path | None, bus: str, machine: Installation
) -> Iterator[tuple[str, str]]:
    yield "about.json", _json(_about())
    yield "doctor.jsonl", "\n".join(_json(asdict(one)) for one in examine(config, bus, machine))
    for name, told in _daemon_says(bus).items():
        yield name, _json(told)
    settings = known.settings
    yield "settings.json", _json(asdict(settings) if settings else {"problem": known.problem})
    if settings is not None:
        yield "storage.json", _json(list(_copies(settings)))
    for name, command in _COMMANDS.items():
        yield name, output_of(command)
    for file in map(Path, _KERNEL_FILES):
        with suppress(OSError):
            yield f"system/{file.name}", file.read_text(errors="replace")


def _about() -> dict[str, str]:
    return {
        "mmid": __version__,
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _daemon_says(bus: str) -> dict[str, Any]:
    """Properties, black box and timeline by the name of a file, or why there are none."""

    def answer() -> int:
        import asyncio  # noqa: PLC0415 - the fork alone needs both

        from mmid.cli.doctor.daemon import whole_story  # noqa: PLC0415

        sys.stdout.write(_json(asyncio.run(whole_story(bus))))
        return 0

    ended = run_to_end(lambda: Child.fork(answer))
    if ended.status != 0:
        return {"status.json": {"problem": why(ended)}}
    told: dict[str, Any] = json.loads(ended.output)
    return told


def _copies(settings: Settings) -> Iterator[dict[str, Any]]:
    try:
        yield from map(asdict, describe(settings.storage.target, settings.storage.key))
    except StorageFailed as error:
        yield {"problem": str(error)}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_plain)


def _plain(value: object) -> bool | str:
    """Return what JSON has no word for as text; of a secret only whether it is set."""
    return bool(value) if isinstance(value, Secret) else str(value)


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode(errors="backslashreplace")  # a file's name may be no UTF-8
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = len(data), int(time.time()), 0o600
    archive.addfile(member, io.BytesIO(data))

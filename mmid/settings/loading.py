"""Have the settings read in a short-lived process, and take over the result.

pydantic needs 10 MiB that neither the daemon nor a tool should hold, so
``mmid.settings.load`` runs in a child. Start it first, import what else is needed
while it works, then ``finish``: both go side by side. The tables come over a pipe, so
no secret is in an argument, in the environment or in a file.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from mmid.errors import SettingsInvalid
from mmid.secrets import Secret, redact
from mmid.settings import Settings

__all__ = ["LONGEST_S", "Loading", "from_plain", "not_in_time", "start_loading"]

# A slow board needs two or three seconds; a file that is a pipe never ends.
LONGEST_S = 30.0


class Loading:
    """Settings on their way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def finish(self, timeout_s: float = LONGEST_S) -> Settings:
        """Wait for the child and return what it read.

        Raises:
            SettingsInvalid: what the child found wrong, or that it did not end in time.
        """
        with self._process as process:
            try:
                output, complaint = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                raise not_in_time(timeout_s) from None
        if process.returncode:
            # The last line of a traceback too is the one that says what it was.
            lines = complaint.strip().splitlines() or [f"exit status {process.returncode}"]
            raise SettingsInvalid(redact(lines[-1]))
        return from_plain(json.loads(output))

    def abandon(self) -> None:
        """Nobody wants them any more: ``finish``, in whichever thread it waits, ends at once."""
        self._process.kill()


def not_in_time(timeout_s: float) -> SettingsInvalid:
    """Say that the settings were waited for in vain."""
    return SettingsInvalid(
        f"the settings were not read within {timeout_s:g} s; look at what the "
        "files and the drop-in directory are"
    )


def start_loading(config: Path | None) -> Loading:
    """Start reading.

    Args:
        config: the TOML file; None is the default one.

    ``-P`` keeps the directory that somebody happens to be in off the import path.
    """
    command = [sys.executable, "-P", "-m", "mmid.settings.load"]
    command += ["--config", str(config)] if config else []
    return Loading(
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    )


def from_plain(tables: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Build ``Settings`` from validated plain tables, as ``mmid.settings.load`` prints them."""
    made: dict[str, Any] = {}
    for table in fields(Settings):
        kind: Any = table.type
        values = dict(tables.get(table.name, {}))
        for key in fields(kind):
            if key.type is Secret and key.name in values:
                values[key.name] = Secret(values[key.name])
        made[table.name] = kind(**values)
    return Settings(**made)

"""Runs the tools of mmid as an operator does: as processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmid.hal_linux.storage import open_store
from mmid.session.license.record import DeviceRecord

ROOT = Path(__file__).parents[2]

HOLD = """\
import sys
from mmid.hal_linux.storage.store_lock import hold_store
with hold_store(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


class Tool:
    """The command ``mmid`` with settings of its own, and the record it works on.

    Attributes:
        program: what the interpreter is started with.
    """

    def __init__(self, directory: Path) -> None:
        self.target = f"file:{directory}/device.bin"
        self.config = directory / "mmid.toml"
        self.write_settings()
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MMID_")}
        self.environment = {**ours, "PYTHONPATH": str(ROOT)}
        self.program: Sequence[object] = ("-m", "mmid.cli.mmid")

    def write_settings(self, text: str = "") -> None:
        """Add to the settings."""
        base = f'[storage]\ntarget = "{self.target}"\n[clock]\nrequire_sync = false\n'
        self.config.write_text(base + text)

    def __call__(
        self, *arguments: object, stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            [sys.executable, *map(str, (*self.program, *arguments, "--config", self.config))],
            env={**self.environment, **environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert "Traceback" not in result.stderr
        return result

    def json(self, *arguments: object, status: int = 0, **environment: str) -> Any:
        """Run with ``--json`` and return the one object that is printed."""
        result = self(*arguments, "--json", **environment)
        assert result.returncode == status, result
        return json.loads(result.stdout)

    @property
    def record(self) -> DeviceRecord | None:
        """What is stored now."""
        payload = open_store(self.target).load()
        return None if payload is None else DeviceRecord.decode(payload)

    @record.setter
    def record(self, record: DeviceRecord) -> None:
        open_store(self.target).save(record.encode())

    @contextmanager
    def held_by_a_daemon(self) -> Iterator[None]:
        """Have another process own the record meanwhile, as the daemon does."""
        command = [sys.executable, "-c", HOLD, self.target]
        with subprocess.Popen(
            command, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            try:
                yield
            finally:
                holder.kill()


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    """The only line of the complaint, with nothing on standard output."""
    (line,) = result.stderr.splitlines()
    assert result.stdout == ""
    assert line.startswith("mmid: ")
    return line

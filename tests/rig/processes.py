"""Starts the real programs and ends them; their output goes to a file."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# Generous: a start takes well under a second, but CI machines stall.
START_S = 30.0
STOP_S = 20.0

# The same for an interpreter that is emulated, with other work going on.
EMULATED_START_S = 120.0


def python(module: str, *arguments: str | Path, interpreter: str = sys.executable) -> list[str]:
    """Return the command line that runs a module of this checkout."""
    return [interpreter, "-m", module, *map(str, arguments)]


class Process:
    """A child whose standard error goes to a file.

    Args:
        command: the command line.
        log: file that standard error is appended to.
        environment: variables to add to ours.
    """

    def __init__(
        self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = command
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._child: asyncio.subprocess.Process | None = None
        self.log = log

    @property
    def pid(self) -> int:
        """The process id while it runs."""
        assert self._child is not None
        return self._child.pid

    @property
    def ended(self) -> bool:
        """It has ended."""
        return self._child is not None and self._child.returncode is not None

    async def start(self, stdin: int = asyncio.subprocess.DEVNULL) -> None:
        """Start it."""
        with self.log.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment,
                cwd=REPOSITORY,
            )

    async def communicate(self, given: bytes) -> bytes:
        """Start it, give it its standard input, and return its standard output when it has ended.

        It is killed if the caller is cancelled.
        """
        await self.start(stdin=asyncio.subprocess.PIPE)
        assert self._child is not None
        try:
            output, _ = await self._child.communicate(given)
        finally:
            if self._child.returncode is None:
                self._child.kill()
                await self._child.wait()
            self._close()
        return output

    async def first_line(self, timeout_s: float = START_S) -> str:
        """Wait for the line by which it says that it is ready."""
        assert self._child is not None
        assert self._child.stdout is not None
        async with asyncio.timeout(timeout_s):
            line = await self._child.stdout.readline()
        if not line:
            raise AssertionError(f"{self._command} ended: {self.log_text()[-2000:]}")
        return line.decode().rstrip("\n")

    async def wait(self) -> int:
        """Wait until it ends by itself; return its exit status."""
        assert self._child is not None
        return await self._child.wait()

    async def stop(self, signum: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit status."""
        assert self._child is not None
        if self._child.returncode is None:
            self._child.send_signal(signum)
        try:
            async with asyncio.timeout(STOP_S):
                status = await self._child.wait()
        except TimeoutError:
            self._child.kill()
            await self._child.wait()
            raise
        self._close()
        return status

    def log_text(self) -> str:
        """Return what it wrote to standard error so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _close(self) -> None:
        transport = getattr(self._child, "_transport", None)
        if transport is not None:
            transport.close()

"""Runs a short-lived process: what is heavy, or may crash or hang, lives in one and goes with it.

Question and answer go through pipes, because everybody may read a command line; records
cross them as JSON. This is on the ground floor because settings, session, hal_linux and
cli each have such a child, and none of them may import another.
"""

import os
import select
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from subprocess import DEVNULL, PIPE
from types import UnionType
from typing import Any, NoReturn, Self

from mmid.frozen import frozen
from mmid.memory_priority import give_way
from mmid.secrets import Secret, redact

# More than any child has to say: the rest is read, so that it can end, and dropped.
_MOST_BYTES = 4 << 20
_PIECE_BYTES = 1 << 16

# How long a cancelled wait goes on until the killed child is reaped.
_REAP_S = 1.0


def python(*arguments: str | Path) -> list[str | Path]:
    """Return the command that runs this Python, without the current directory to import from."""
    return [sys.executable, "-P", *arguments]


@frozen
class Ended:
    """How a child ended, and what it printed until then.

    Attributes:
        status: its exit status, negative for a signal; None if it was killed because it took
            too long.
        output: what it wrote to standard output.
        complaint: what it wrote to standard error.
    """

    status: int | None
    output: bytes
    complaint: bytes

    @property
    def last_words(self) -> str:
        """The last line of the complaint, redacted: of a traceback it is the one that tells."""
        lines = self.complaint.decode(errors="replace").split("\n")
        return redact(next((line.strip() for line in reversed(lines) if line.strip()), ""))


def to_plain(value: Any) -> Any:
    """Return a record as JSON has it, with its secrets in clear: for a pipe and nothing else."""
    if is_dataclass(value):
        return {row.name: to_plain(getattr(value, row.name)) for row in fields(value)}
    return value.reveal() if isinstance(value, Secret) else value


def from_plain(kind: Any, plain: Any) -> Any:
    """Return the value of this type that ``to_plain`` was called with; what is left out is default.

    Both ends of a pipe are of one release, so the form needs no version.
    """
    if isinstance(kind, UnionType):  # such as ``Secret | None``
        kind = kind.__args__[0]
    if plain is not None and is_dataclass(kind):
        types = {row.name: row.type for row in fields(kind)}
        values = {name: from_plain(types.get(name), value) for name, value in plain.items()}
        return kind(**values)  # type: ignore[operator]  # it is a class
    made_of_text = isinstance(kind, type) and issubclass(kind, Secret | StrEnum)
    return kind(plain) if made_of_text and plain is not None else plain


class Child:
    """A process that is asked one thing; start it, do something else, then ``finish``.

    Where the board has no memory left it is ended before the process that asks.

    Args:
        process: what ``run`` or ``fork`` started.
        question: what it reads from standard input.
    """

    def __init__(self, process: "subprocess.Popen[bytes] | _Fork", question: bytes = b"") -> None:
        self._process = process
        self._question = question

    @classmethod
    def run(cls, command: Sequence[str | Path], question: bytes = b"") -> Self:
        """Start a program.

        Args:
            command: the program and its arguments; no secret is among them.
            question: what it reads from standard input.

        Raises:
            OSError: there is no such program, or no memory or process number for it.
        """
        stdin = PIPE if question else DEVNULL
        process = subprocess.Popen(command, stdin=stdin, stdout=PIPE, stderr=PIPE)
        give_way(process.pid)
        return cls(process, question)

    @classmethod
    def fork(cls, function: Callable[[], int]) -> Self:
        """Start a function of this program, which prints and returns the exit status.

        It is there at once, where a new Python begins with 40 ms of imports; but only a
        process that has no other thread yet may fork.
        """
        return cls(_Fork(function))

    def finish(self, timeout_s: float) -> Ended:
        """Wait for its end; it is dead and reaped when this returns, in time or not."""
        process, output, complaint = self._process, bytearray(), bytearray()
        deadline = time.monotonic() + timeout_s
        status: int | None = None
        try:
            self._converse(output, complaint, deadline)
            # It may have closed its outputs and live on.
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            status = None
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
            process.wait()
        return Ended(status, bytes(output), bytes(complaint))

    async def finished(self, timeout_s: float) -> Ended:
        """Do as ``finish``, beside the event loop; who is cancelled leaves no child behind."""
        import asyncio  # noqa: PLC0415 - a tool without a loop need not load it

        # Shielded, because a thread cannot be cancelled: the child is killed, and the thread ends.
        finishing = asyncio.get_running_loop().run_in_executor(None, self.finish, timeout_s)
        try:
            return await asyncio.shield(finishing)
        except asyncio.CancelledError:
            self.abandon()
            await asyncio.wait({finishing}, timeout=_REAP_S)
            raise

    def abandon(self) -> None:
        """Kill it: ``finish``, in whichever thread it waits, returns at once."""
        self._process.kill()

    def _converse(self, output: bytearray, complaint: bytearray, deadline: float) -> None:
        """Ask, and listen until both outputs are closed.

        Raises:
            subprocess.TimeoutExpired: they were not before the deadline.
        """
        process, unsent = self._process, memoryview(self._question)
        with selectors.DefaultSelector() as selector:
            for pipe, heard in ((process.stdout, output), (process.stderr, complaint)):
                assert pipe is not None  # noqa: S101 - they are pipes
                selector.register(pipe, selectors.EVENT_READ, heard)
            if process.stdin is not None:
                selector.register(process.stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise subprocess.TimeoutExpired("the child", left_s)
                for key, _ in selector.select(left_s):
                    if key.data is None:
                        unsent = _write(key.fd, unsent)
                        over = not unsent
                    else:
                        over = not _read(key.fd, key.data)
                    if over:
                        selector.unregister(key.fileobj)
                        key.fileobj.close()  # type: ignore[union-attr]


def _read(pipe: int, heard: bytearray) -> bool:
    """Read a piece; return whether there may be another."""
    piece = os.read(pipe, _PIECE_BYTES)
    heard += piece[: _MOST_BYTES - len(heard)]
    return bool(piece)


def _write(pipe: int, unsent: memoryview) -> memoryview:
    """Write what certainly finds room; return what is left, nothing if nobody listens."""
    try:
        return unsent[os.write(pipe, unsent[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        return unsent[:0]


class _Fork:
    """A copy of this process that runs one function; as ``subprocess.Popen`` for ``Child``."""

    stdin = None

    def __init__(self, function: Callable[[], int]) -> None:
        output, its_output = os.pipe()
        complaint, its_complaint = os.pipe()
        self.returncode: int | None = None  # as Popen has it
        self._number = os.fork()
        if self._number == 0:
            _live_as_fork(function, its_output, its_complaint)
        os.close(its_output)
        os.close(its_complaint)
        self.stdout, self.stderr = os.fdopen(output, "rb", 0), os.fdopen(complaint, "rb", 0)

    def wait(self, timeout: float | None = None) -> int:  # noqa: ARG002 - it has closed its pipes
        """Reap it, which was killed or is at its end; return its exit status."""
        if self.returncode is None:
            try:
                _, status = os.waitpid(self._number, 0)
                self.returncode = os.waitstatus_to_exitcode(status)
            except ChildProcessError:  # whoever started us has SIGCHLD ignored, and so have we
                self.returncode = 0
        return self.returncode

    def kill(self) -> None:
        """Kill it, unless it was reaped: its number may be another's by then."""
        if self.returncode is None:
            os.kill(self._number, signal.SIGKILL)


def _live_as_fork(function: Callable[[], int], output: int, complaint: int) -> NoReturn:
    """Run the function, and end without a trace of what this process was forked from."""
    status = 1
    give_way(os.getpid())
    try:
        sys.stdout = os.fdopen(output, "w", encoding="utf-8")
        # Python's own has the same errors=: a complaint may quote a file's name that is no UTF-8.
        sys.stderr = os.fdopen(complaint, "w", encoding="utf-8", errors="backslashreplace")
        status = function()
    except Exception:  # noqa: BLE001 - the last line of the traceback is told by the parent
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):  # nobody listens any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)

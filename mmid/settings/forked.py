"""Have the settings read in a fork of this process, while it imports the daemon.

At the start the process is small, has one thread and all that reading needs, so a
fork is there at once, where a new Python would begin with 40 ms of imports. What the
fork imports (TOML, pydantic if something was changed) goes with it. Once the daemon
runs it has threads and may not fork: a reload has ``mmid.settings.child``.
"""

import json
import os
import select
import signal
import time
from pathlib import Path
from typing import NoReturn

from mmid.errors import SettingsInvalid
from mmid.secrets import redact
from mmid.settings import Settings
from mmid.settings.child import LONGEST_S, from_plain, not_in_time

__all__ = ["Forked", "fork_loading"]


class Forked:
    """Settings on their way, from a process that has nothing else to say.

    Args:
        process: its number.
        pipe: what it writes its answer to; closed by ``finish``.
    """

    def __init__(self, process: int, pipe: int) -> None:
        self._process = process
        self._pipe = pipe

    def finish(self, timeout_s: float = LONGEST_S) -> Settings:
        """Wait for the answer and return the settings.

        Raises:
            SettingsInvalid: what was found wrong, or that there was no answer in time.
        """
        try:
            answer = self._answer(timeout_s)
        except BaseException:
            os.kill(self._process, signal.SIGKILL)
            raise
        finally:
            os.close(self._pipe)
            status = self._reap()
        if not answer:
            raise SettingsInvalid(f"the settings could not be read: exit status {status}")
        found = json.loads(answer)
        if "wrong" in found:
            raise SettingsInvalid(found["wrong"])
        return from_plain(found["tables"])

    def _reap(self) -> int:
        try:
            _, ended = os.waitpid(self._process, 0)
        except ChildProcessError:  # whoever started us has SIGCHLD ignored, and so have we
            return 0
        return os.waitstatus_to_exitcode(ended)

    def _answer(self, timeout_s: float) -> bytes:
        """Read to the end of the pipe."""
        deadline, answer = time.monotonic() + timeout_s, b""
        while select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            more = os.read(self._pipe, 1 << 16)
            if not more:
                return answer
            answer += more
        raise not_in_time(timeout_s)


def fork_loading(config: Path | None) -> Forked:
    """Start reading; what was found good at the last start is not judged again.

    Only for a process that has no other thread yet.

    Args:
        config: the TOML file; None is the default one.
    """
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        _tell(writing, config)
    os.close(writing)
    return Forked(process, reading)


def _tell(pipe: int, config: Path | None) -> NoReturn:
    """Answer, and end without a trace of what this process was forked from."""
    try:
        with os.fdopen(pipe, "w", encoding="utf-8") as file:
            json.dump(_read(config), file)
    finally:
        os._exit(0)


def _read(config: Path | None) -> dict[str, object]:
    from mmid.settings.proven import load_proven  # noqa: PLC0415 - the fork alone needs it

    try:
        return {"tables": load_proven(config)}
    except SettingsInvalid as error:
        return {"wrong": str(error)}
    except Exception as error:  # noqa: BLE001 - told where the settings are waited for
        return {"wrong": redact(f"the settings could not be read: {error!r}")}

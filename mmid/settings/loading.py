"""Have the settings read in a short-lived process, and take over the result.

pydantic needs 10 MiB that neither the daemon nor a tool should hold, so
``mmid.settings.proven`` runs in a child. Start it first, import what else is needed
while it works, then ``finish``: both go side by side. The tables come over a pipe, so
no secret is in an argument, in the environment or in a file.
"""

import json
import signal
from collections.abc import Callable
from pathlib import Path

from mmid.child import Child, Ended, from_plain, python
from mmid.errors import SettingsInvalid
from mmid.session.clouds import with_own_rates
from mmid.settings import Settings

# A slow board needs two or three seconds; a file that is a pipe never ends.
_LONGEST_S = 30.0


class Loading:
    """Settings on their way."""

    def __init__(self, child: Child) -> None:
        self._child = child

    def finish(self, timeout_s: float = _LONGEST_S) -> Settings:
        """Wait for the child and return what it read.

        Raises:
            SettingsInvalid: what the child found wrong, or that it did not end in time.
        """
        return _settings(self._child.finish(timeout_s), timeout_s)

    async def finished(self) -> Settings:
        """Do as ``finish``, beside the event loop."""
        return _settings(await self._child.finished(_LONGEST_S), _LONGEST_S)


def start_loading(config: Path | None, *, anew: bool = False) -> Loading:
    """Start reading.

    Args:
        config: the TOML file; None is the default one.
        anew: judge the settings even if they were judged before.

    Raises:
        SettingsInvalid: there is no memory or process number for it.
    """
    how = "anew" if anew else "proven"
    command = python("-m", "mmid.settings.proven", how, *([config] if config else []))
    return _started(lambda: Child.run(command))


def fork_loading(config: Path | None) -> Loading:
    """Start reading in a fork of this process, which must have no other thread yet.

    For ``mmid run``: without it a start after a change takes 3.9 times as long as the
    bare loop (docs/performance.md), where 3 is the goal. And for the doctor, beside which and
    the daemon another whole Python finds no room on a small board.

    Raises:
        SettingsInvalid: there is no memory or process number for it.
    """

    def read() -> int:
        from mmid.settings import proven  # noqa: PLC0415 - the fork alone needs it

        return proven.main(config)

    return _started(lambda: Child.fork(read))


def _started(start: Callable[[], Child]) -> Loading:
    try:
        return Loading(start())
    except OSError as error:
        raise SettingsInvalid(
            f"no process can read the settings: {error.strerror}",
            advice="Look at what uses the board's memory and processes.",
        ) from None


def _settings(child: Ended, timeout_s: float) -> Settings:
    """Return what the child found, or raise what it found wrong."""
    if child.status is None:
        raise SettingsInvalid(
            f"the settings were not read within {timeout_s:g} s; look at what the "
            "files and the drop-in directory are",
            advice="A file that is a pipe never ends; a board that is busy takes its time.",
        )
    if child.status == -signal.SIGKILL:
        raise SettingsInvalid(
            "the process that reads the settings was killed, as the kernel does when the board "
            "has no memory left",
            advice="Look at what uses the board's memory.",
        )
    if child.status:
        raise SettingsInvalid(
            child.last_words or f"the settings could not be read: exit status {child.status}"
        )
    return with_own_rates(from_plain(Settings, json.loads(child.output)))

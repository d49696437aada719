"""Silence is explained: a sound of the board's own for a press that cannot be answered.

Played by a player as replies are, at the same volume; never over a reply, and a press silences it.
"""

import asyncio
import logging
from collections.abc import Callable
from enum import StrEnum
from math import inf
from pathlib import Path

from mmid.errors import (
    AudioDeviceFailed,
    AudioFormatRefused,
    Busy,
    InvalidArgument,
    MmidError,
    Unsupported,
)
from mmid.events import Error, Event, SpeechPrepare, SpeechRestart, SpeechStart, TtsStart
from mmid.hal import Player
from mmid.settings import PromptFiles
from mmid.status import LicenseState, Status

_log = logging.getLogger(__name__)

_LONGEST_S = 10.0
_RATES_HZ = range(4000, 192_001)
# Who presses again and again has heard it.
_EVERY_S = 30.0

# Errors of a turn that are the caller's own, or heal: the reply may still come.
_NO_LOSS = frozenset({"busy", "not-talking", "tool", "network-slow"})


class Occasion(StrEnum):
    """Why there is nothing to hear; each is a key of the settings."""

    OFFLINE = "offline"
    LICENSE = "license"
    ERROR = "error"


class PromptPlayer:
    """Plays prompts; is its player's listener.

    Args:
        files: where they are, and which is for what.
        status: says whether the board is let in.
        open_player: makes a player of samples of a rate.
        replying: whether a reply is heard.
        tell: makes an error known that no caller is told.
    """

    def __init__(
        self,
        files: PromptFiles,
        status: Status,
        *,
        open_player: Callable[[int], Player],
        replying: Callable[[], bool],
        tell: Callable[[MmidError], None],
    ) -> None:
        self._files = files
        self._status = status
        self._open_player = open_player
        self._replying = replying
        self._tell = tell
        self._player: Player | None = None
        self._played_at: dict[Occasion, float] = {}
        self._unanswered = False
        self._explaining: set[asyncio.Task[None]] = set()

    async def play(self, name: str) -> None:
        """Play a file of the directory.

        Raises:
            Unsupported: there is no directory.
            InvalidArgument: it is no name of a file there, or no sound of at most 10 s.
            Busy: a reply or another prompt is heard.
            AudioDeviceFailed: the loudspeaker cannot be opened.
        """
        if not self._files.directory:
            raise Unsupported("prompts.directory is not set")
        if Path(name).name != name or name.startswith("."):
            raise InvalidArgument(f"{name[:80]!r} is no name of a file in prompts.directory")
        rate_hz, samples = await asyncio.to_thread(read_prompt, Path(self._files.directory, name))
        if self._replying() or self._player is not None:
            raise Busy("the loudspeaker is in use")
        player = self._player = self._open_player(rate_hz)
        try:
            player.start(self)
        except AudioDeviceFailed:
            self._player = None
            raise
        player.write(samples)
        player.finish()

    def silence(self) -> None:
        """Somebody talks, or a reply begins: it explains nothing any more."""
        for task in self._explaining:
            task.cancel()
        player, self._player = self._player, None
        if player is not None:
            player.flush()

    def refused(self) -> None:
        """A press was refused because no cloud is connected."""
        let_in = self._status.license_state not in {
            LicenseState.REFUSED,
            LicenseState.UNPROVISIONED,
        }
        self._explain(Occasion.OFFLINE if let_in else Occasion.LICENSE)

    def hear(self, event: Event) -> None:
        """Explain a speech that is not answered."""
        match event:
            case SpeechStart() | SpeechRestart():
                self._unanswered = True
            case TtsStart() | SpeechPrepare():
                self._unanswered = False
            case Error(code) if self._unanswered and code not in _NO_LOSS:
                self._unanswered = False
                self._explain(Occasion.ERROR)

    def _explain(self, occasion: Occasion) -> None:
        name: str = getattr(self._files, occasion.value)
        now = asyncio.get_running_loop().time()
        if not name or now < self._played_at.get(occasion, -inf) + _EVERY_S:
            return
        task = asyncio.create_task(self._explained(occasion, name), name="mmid-prompt")
        self._explaining.add(task)
        task.add_done_callback(self._explaining.discard)

    async def _explained(self, occasion: Occasion, name: str) -> None:
        try:
            await self.play(name)
        except MmidError as error:
            _log.warning("the prompt %s was not played: %s", name, error)
        else:
            self._played_at[occasion] = asyncio.get_running_loop().time()

    # --- what the player says -------------------------------------------------------------

    def player_started(self) -> None:
        """It is heard."""

    def player_finished(self) -> None:
        self._player = None

    def player_failed(self, error: AudioDeviceFailed) -> None:
        self._player = None
        self._tell(error)

    def player_refused(self, error: AudioFormatRefused) -> None:
        self._tell(error)


def read_prompt(path: Path) -> tuple[int, bytes]:
    """Return the rate in Hz and the samples of a WAV file of 16-bit mono.

    Raises:
        InvalidArgument: it cannot be read, is no such file, or is longer than 10 s.
    """
    import wave  # noqa: PLC0415 - few boards have prompts

    try:
        with wave.open(str(path), "rb") as file:
            rate_hz, frames = file.getframerate(), file.getnframes()
            if (file.getnchannels(), file.getsampwidth()) != (1, 2) or rate_hz not in _RATES_HZ:
                raise InvalidArgument(f"{path} is no WAV of 16-bit mono")
            if frames > _LONGEST_S * rate_hz:
                raise InvalidArgument(f"{path} is longer than {_LONGEST_S:g} s")
            return rate_hz, file.readframes(frames)
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}") from None
    except (wave.Error, EOFError):
        raise InvalidArgument(f"{path} is no WAV of 16-bit mono") from None

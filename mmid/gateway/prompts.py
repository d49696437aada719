"""Silence is explained: a sound of the board's own for a press that cannot be answered.

Played by the player of the replies, as one of them: at the same volume, and heard by the echo
canceller, too. Never over a reply, and a press silences it.
"""

import asyncio
import logging
from array import array
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
from mmid.events import (
    REPLY_MAY_COME,
    Error,
    Event,
    SpeechPrepare,
    SpeechRestart,
    SpeechStart,
    TtsStart,
)
from mmid.hal import Player
from mmid.regular_file import require_regular_file
from mmid.settings import PromptFiles
from mmid.status import LicenseState, Status

_log = logging.getLogger(__name__)

_LONGEST_S = 10.0
_RATES_HZ = range(4000, 192_001)
# As many samples at the highest rate, and what a WAV may tell of itself beside them.
_LARGEST_BYTES = 8 << 20
# Who presses again and again has heard it.
_EVERY_S = 30.0


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
        player: the loudspeaker, which plays the replies.
        rate_hz: samples a second that it plays.
        tell: makes an error known that no caller is told.

    Attributes:
        playing: what the player plays is a prompt.
    """

    def __init__(
        self,
        files: PromptFiles,
        status: Status,
        *,
        player: Player,
        rate_hz: int,
        tell: Callable[[MmidError], None],
    ) -> None:
        self._files = files
        self._status = status
        self._player = player
        self._rate_hz = rate_hz
        self._tell = tell
        self.playing = False
        self._silenced = 0  # how often: what is still being read then is not played
        self._played_at: dict[Occasion, float] = {}
        self._unanswered = False
        self._explaining: set[asyncio.Task[None]] = set()

    async def play(self, name: str) -> None:
        """Play a file of the directory.

        Raises:
            Unsupported: there is no directory.
            InvalidArgument: it is no name of a file there, or no sound of at most 10 s.
            Busy: a reply or another prompt is heard, or somebody began to talk.
            AudioDeviceFailed: the loudspeaker cannot be opened.
        """
        if not self._files.directory:
            raise Unsupported("prompts.directory is not set")
        if Path(name).name != name or name.startswith("."):
            raise InvalidArgument(f"{name[:80]!r} is no name of a file in prompts.directory")
        silenced, path = self._silenced, Path(self._files.directory, name)
        samples = await asyncio.to_thread(lambda: _resampled(*read_prompt(path), self._rate_hz))
        if self._player.playing:
            raise Busy("the loudspeaker is in use")
        # While the file was read, or before: the microphone would hear it.
        if silenced != self._silenced or self._status.talker:
            raise Busy("somebody has begun to talk, or to be answered")
        self._player.start(self, samples=True)
        self.playing = True
        self._player.write(samples)
        self._player.finish()

    def silence(self) -> None:
        """Somebody talks, or a reply begins: it explains nothing any more."""
        self._silenced += 1
        if self.playing:
            self.playing = False
            self._player.flush()

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
            case Error(code) if self._unanswered and code not in REPLY_MAY_COME:
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
        except Busy:
            pass  # there is no silence to be explained any more
        except MmidError as error:
            _log.warning("the prompt %s was not played: %s", name, error)
        else:
            self._played_at[occasion] = asyncio.get_running_loop().time()

    # --- what the player says -------------------------------------------------------------

    def player_started(self) -> None:
        """It is heard."""

    def player_finished(self) -> None:
        self.playing = False

    def player_failed(self, error: AudioDeviceFailed) -> None:
        self.playing = False
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
        require_regular_file(path, _LARGEST_BYTES)
        with wave.open(str(path), "rb") as file:
            rate_hz, frames = file.getframerate(), file.getnframes()
            if (file.getnchannels(), file.getsampwidth()) != (1, 2) or rate_hz not in _RATES_HZ:
                raise InvalidArgument(f"{path} is no WAV of 16-bit mono")
            if frames > _LONGEST_S * rate_hz:
                raise InvalidArgument(f"{path} is longer than {_LONGEST_S:g} s")
            if len(samples := file.readframes(frames)) < 2 * frames:
                raise InvalidArgument(f"{path} is cut short: {len(samples)} bytes are left")
            return rate_hz, samples
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be read: {error.strerror}") from None
    except (wave.Error, EOFError):
        raise InvalidArgument(f"{path} is no WAV of 16-bit mono") from None


def _resampled(from_hz: int, samples: bytes, to_hz: int) -> bytes:
    """Return samples at the rate of the replies, which is the loudspeaker's.

    Straight lines are drawn between the samples. Where several fall on one, their mean is
    taken first: it dampens the tones that the lower rate cannot have.
    """
    if from_hz == to_hz:
        return samples
    numbers, several = array("h", samples), max(1, from_hz // to_hz)
    if several > 1:
        groups = zip(*(numbers[at::several] for at in range(several)), strict=False)
        numbers = array("h", (sum(group) // several for group in groups))
    step = from_hz / several / to_hz
    count = int(len(numbers) / step)
    numbers += numbers[-1:]  # what the last line is drawn to
    resampled = array("h")
    for number in range(count):
        place = number * step
        before = numbers[at := int(place)]
        resampled.append(round(before + (place - at) * (numbers[at + 1] - before)))
    return resampled.tobytes()

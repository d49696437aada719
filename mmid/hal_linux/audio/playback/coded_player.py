"""A loudspeaker that is fed what a codec made of the samples.

What arrives is decoded at once while little is left to play. Beyond that it
waits as it came, and a task decodes it, a little at a time, as the loudspeaker
plays: a reply of minutes neither holds the event loop up nor fills the memory,
of which its samples would take twelve times as much.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

from mmid.errors import AudioDeviceFailed
from mmid.hal import Decoder, PlayerListener
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.hal_linux.audio.ring import ByteRing

__all__ = ["CodedPlayer"]

_log = logging.getLogger(__name__)

# Half a second of 60 ms packets: about 2 ms of work on a desktop.
_PIECES_AT_ONCE = 8


class _Input(Enum):
    OPEN = auto()
    FINISHED = auto()  # some of it may still have to be decoded
    DRAINING = auto()  # the decoder gives what it held back
    CLOSED = auto()


class CodedPlayer:
    """A ``Player`` over another: decodes what that plays.

    Args:
        player: plays samples.
        decoder: makes samples of what is written here.
    """

    def __init__(self, player: AlsaPlayer, decoder: Decoder) -> None:
        self._player = player
        self._decoder = decoder
        self._listener: PlayerListener | None = None
        self._coded: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._fewer = asyncio.Event()  # set when a message was taken, and at the end
        self._pieces: Iterator[bytes] = iter(())
        self._input = _Input.CLOSED
        self._task: asyncio.Task[None] | None = None
        self._past_damage = 0

    @property
    def device(self) -> str:
        """The ALSA PCM name."""
        return self._player.device

    @property
    def playing(self) -> bool:
        """Whether it is between ``start`` and the end of the reply."""
        return self._player.playing

    @property
    def underruns(self) -> int:
        """How often the loudspeaker ran dry in the middle of a reply."""
        return self._player.underruns

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fed the device, in seconds; 0 if it need not."""
        return self._player.overdue_s

    def start(self, listener: PlayerListener) -> None:
        """Open the device for a new reply; a reply still playing is flushed first."""
        self._abandon()
        self._decoder.reset()
        self._past_damage = self._decoder.damaged
        self._listener = listener
        self._player.start(listener)
        self._input = _Input.OPEN

    def write(self, data: bytes) -> None:
        """Add what the cloud sent; after the reply's end it is not wanted."""
        if self._input is not _Input.OPEN or not self._player.playing:
            return
        if self._waiting_bytes + len(data) > ByteRing.LIMIT_BYTES:
            self._fail_overfull()
            return
        self._waiting_bytes += len(data)
        self._coded.append(data)
        self._go_on()

    async def wait_room(self) -> None:
        """Return once less than 4 MiB wait to be decoded: see ``Player``."""
        while self._waiting_bytes >= ByteRing.READ_AHEAD_BYTES:
            self._fewer.clear()
            await self._fewer.wait()

    def finish(self) -> None:
        """No more will come; the listener hears when all was heard."""
        if self._input is _Input.OPEN:
            self._input = _Input.FINISHED
            self._go_on()

    def flush(self) -> None:
        """Be silent within one period and forget what was buffered."""
        self._abandon()
        self._player.flush()

    def _go_on(self) -> None:
        """Decode a little now; leave the rest, if there is one, to the task."""
        if self._task is None and self._decode_some():
            self._task = asyncio.create_task(self._decode_rest(), name="mmid-decoder")

    async def _decode_rest(self) -> None:
        more = True
        while more and self._player.playing:
            await self._player.wait_low()
            await asyncio.sleep(0)  # the others' turn, even if there is always room
            more = self._decode_some()
        self._task = None

    def _decode_some(self) -> bool:
        """Decode a few pieces while little is left to play; return whether there are more."""
        for _ in range(_PIECES_AT_ONCE):
            if not self._player.low:
                break
            piece = next(self._pieces, None)
            if piece:
                self._player.write(piece)
            elif piece is None and not self._next_pieces():
                return False
        return True

    def _next_pieces(self) -> bool:
        """Turn to what was written next, or to what the decoder held back."""
        if self._coded:
            data = self._coded.popleft()
            self._waiting_bytes -= len(data)
            self._fewer.set()
            self._pieces = self._decoder.decode(data)
            return True
        if self._input is _Input.FINISHED:
            self._input = _Input.DRAINING
            self._pieces = self._decoder.finish()
            return True
        if self._input is _Input.DRAINING:
            self._input = _Input.CLOSED
            self._tell_damage()
            self._player.finish()
        return False

    def _abandon(self) -> None:
        """Forget what was not decoded yet."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._input = _Input.CLOSED
        self._coded.clear()
        self._waiting_bytes = 0
        self._fewer.set()
        self._pieces = iter(())

    def _tell_damage(self) -> None:
        damage = self._decoder.damaged - self._past_damage
        if damage:
            _log.warning("the reply was damaged in %d places, which were skipped", damage)

    def _fail_overfull(self) -> None:
        waiting, listener = self._waiting_bytes, self._listener
        self.flush()
        if listener is not None:
            listener.player_failed(
                AudioDeviceFailed(
                    f"the reply for {self.device!r} came faster than it can be decoded: {waiting} "
                    "bytes wait and the writer did not wait for room"
                )
            )

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

from mmid.errors import AudioDeviceFailed
from mmid.hal import Decoder, PlayerListener
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.hal_linux.audio.ring import ByteRing

__all__ = ["CodedPlayer"]

_log = logging.getLogger(__name__)

# Half a second of 60 ms packets: about 2 ms of work on a desktop.
_PIECES_AT_ONCE = 8


class CodedPlayer:
    """A ``Player`` over another: decodes what that plays.

    Args:
        player: plays samples.
        decoder: makes samples of what is written here.
        ahead_bytes: so many bytes of samples are decoded ahead of the loudspeaker;
            what the jitter buffer may ask for, if that is more.
    """

    def __init__(self, player: AlsaPlayer, decoder: Decoder, ahead_bytes: int) -> None:
        self._player = player
        self._decoder = decoder
        self._ahead_bytes = max(ahead_bytes, player.most_prefill_bytes)
        self._listener: PlayerListener | None = None
        self._coded: deque[bytes] = deque()
        self._coded_bytes = 0
        self._fewer = asyncio.Event()  # set when a message was taken, and at the end
        self._wanted = False  # more may be written
        self._pieces: Iterator[bytes | None] = iter(())
        self._task: asyncio.Task[None] | None = None

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
        self._listener = listener
        self._player.start(listener)
        self._wanted = True
        self._pieces = self._decoded(self._decoder.damaged)

    def write(self, data: bytes) -> None:
        """Add what the cloud sent; after the reply's end it is not wanted."""
        if not self._wanted or not self._player.playing:
            return
        if self._coded_bytes + len(data) > ByteRing.LIMIT_BYTES:
            self._fail_overfull()
            return
        self._coded_bytes += len(data)
        self._coded.append(data)
        self._go_on()

    async def wait_room(self) -> None:
        """Return once less than 4 MiB wait to be decoded: see ``Player``."""
        while self._coded_bytes >= ByteRing.READ_AHEAD_BYTES:
            self._fewer.clear()
            await self._fewer.wait()

    def finish(self) -> None:
        """No more will come; the listener hears when all was heard."""
        if self._wanted:
            self._wanted = False
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
            await self._player.wait_below(self._ahead_bytes)
            await asyncio.sleep(0)  # the others' turn, even if the loudspeaker is empty
            more = self._decode_some()
        self._task = None

    def _decode_some(self) -> bool:
        """Decode a few pieces while little is left to play; return whether there are more."""
        for _ in range(_PIECES_AT_ONCE):
            if self._player.waiting_bytes >= self._ahead_bytes:
                break
            piece = next(self._pieces, None)
            if piece is None:
                return False
            if piece:
                self._player.write(piece)
        return True

    def _decoded(self, damaged: int) -> Iterator[bytes | None]:
        """Yield the samples of a reply; None when what came so far is decoded.

        Args:
            damaged: how much of earlier replies was.
        """
        while self._wanted or self._coded:
            if not self._coded:
                yield None
                continue
            data = self._coded.popleft()
            self._coded_bytes -= len(data)
            self._fewer.set()
            yield from self._decoder.decode(data)
        yield from self._decoder.finish()
        if damaged := self._decoder.damaged - damaged:
            _log.warning("the reply was damaged in %d places, which were skipped", damaged)
        self._player.finish()

    def _abandon(self) -> None:
        """Forget what was not decoded yet."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._wanted = False
        self._coded.clear()
        self._coded_bytes = 0
        self._fewer.set()
        self._pieces = iter(())

    def _fail_overfull(self) -> None:
        waiting, listener = self._coded_bytes, self._listener
        self.flush()
        if listener is not None:
            listener.player_failed(
                AudioDeviceFailed(
                    f"the reply for {self.device!r} came faster than it can be decoded: {waiting} "
                    "bytes wait and the writer did not wait for room"
                )
            )

"""A reply in a codec; pcm is one, that of samples as they are.

What arrives is decoded at once while little is left to play. Beyond that it
waits as it came, and a task decodes it, a little at a time, as the loudspeaker
plays: a reply of minutes neither holds the event loop up nor fills the memory,
of which its samples would take twelve times as much.

A reply in another format than was asked for is silence, and is told once: played as
what it is not, it would be noise.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator

from mmid.errors import AudioFormatRefused
from mmid.hal import Decoder
from mmid.hal_linux.audio.codecs.formats import ASKED, HEAD_BYTES, foreign_format
from mmid.hal_linux.audio.playback.playout import Playout
from mmid.hal_linux.audio.ring import ByteRing

_log = logging.getLogger(__name__)

# Half a second of 60 ms packets: about 2 ms of work on a desktop.
_PIECES_AT_ONCE = 8

# Damage may cost more than sound: no further piece is begun when so much time was spent in
# a turn of the event loop.
_BUDGET_S = 0.004


class CodedReply:
    """Decodes one reply for its playout.

    Args:
        playout: plays the samples.
        decoder: makes samples of what is written here.
        ahead_bytes: so many bytes of samples are decoded ahead of the loudspeaker.
    """

    def __init__(self, playout: Playout, decoder: Decoder, ahead_bytes: int) -> None:
        decoder.reset()
        self._playout = playout
        self._decoder = decoder
        self._ahead_bytes = ahead_bytes
        self._coded: deque[bytes] = deque()
        self._coded_bytes = 0
        self._fewer = asyncio.Event()  # set when a message was taken, and at the end
        self._wanted = True  # more may be written
        self._rested_at = 0.0  # the time that was spent on decoding is made up for then
        self._pieces = self._decoded()
        self._task: asyncio.Task[None] | None = None

    @property
    def open(self) -> bool:
        """Whether the reply has not ended yet."""
        return self._playout.open

    @property
    def overdue_s(self) -> float:
        """How long ago it should have woken up, in seconds; 0 if it waits for more to play."""
        return self._playout.overdue_s

    def write(self, data: bytes) -> None:
        """Add what the cloud sent; after the reply's end it is not wanted."""
        if not self._wanted or not self.open:
            return
        waiting = self._coded_bytes + self._playout.ring.fill
        if waiting + len(data) > ByteRing.LIMIT_BYTES:
            self._playout.overflow(waiting)
            self._forget()
            return
        self._coded_bytes += len(data)
        self._coded.append(data)
        self._go_on()

    @property
    def full(self) -> bool:
        """Whether 4 MiB wait to be decoded, or to be played: see ``Player``."""
        return max(self._coded_bytes, self._playout.ring.fill) >= ByteRing.READ_AHEAD_BYTES

    async def wait_room(self) -> None:
        """Return once less than 4 MiB wait to be decoded, or to be played: see ``Player``."""
        while self._coded_bytes >= ByteRing.READ_AHEAD_BYTES:
            self._fewer.clear()
            await self._fewer.wait()
        await self._playout.ring.wait_below(ByteRing.READ_AHEAD_BYTES)

    def finish(self) -> None:
        """No more will come; the listener hears when all was heard."""
        if self._wanted:
            self._wanted = False
            self._rested_at = 0.0  # only once a reply: nobody has to wait a turn for the end
            self._go_on()

    def close(self) -> None:
        """Be silent now, and forget what was not decoded yet."""
        self._forget()
        self._playout.close()

    def _go_on(self) -> None:
        """Decode a little now; leave the rest, if there is one, to the task."""
        if self._task is None and self._decode_some():
            self._task = asyncio.create_task(self._decode_rest(), name="mmid-decoder")

    async def _decode_rest(self) -> None:
        more = True
        while more and self.open:
            await self._playout.ring.wait_below(self._ahead_bytes)
            await asyncio.sleep(0)  # the others' turn, even if the loudspeaker is empty
            self._rested_at = 0.0
            more = self._decode_some()
        self._task = None
        if not self.open:  # the device failed: nobody wants the rest
            self._forget()

    def _decode_some(self) -> bool:
        """Decode a few pieces while little is left to play; return whether there are more."""
        for _ in range(_PIECES_AT_ONCE):
            now = time.monotonic()
            # Many short messages may come in one turn: what the last of them took counts.
            spent_s = self._rested_at - now
            if spent_s > _BUDGET_S or self._playout.ring.fill >= self._ahead_bytes:
                break
            piece = next(self._pieces, None)
            if piece is None:  # nearly every message is one piece: the clock is not asked again
                return False
            took_s = time.monotonic() - now
            self._rested_at = max(now, self._rested_at) + 2 * took_s  # no rest while it decodes
            if piece:
                self._playout.write(piece)
        return True

    def _decoded(self) -> Iterator[bytes | None]:
        """Yield the samples of the reply; None when what came so far is decoded."""
        damaged = self._decoder.damaged  # of the replies before
        head, heard, foreign, told = b"", False, "", False
        while self._wanted or self._coded:
            if not self._coded:
                yield None
                continue
            data = self._coded.popleft()
            self._coded_bytes -= len(data)
            self._fewer.set()
            if len(head) < HEAD_BYTES:
                head += data[: HEAD_BYTES - len(head)]
                foreign = foreign or foreign_format(head, self._decoder.mode)
            for piece in [b""] if foreign else self._decoder.decode(data):
                heard = heard or bool(piece)
                yield piece
            if not told and (came := foreign or self._decoder.refused):
                told = True
                self._refuse(came)
        for piece in self._decoder.finish():
            heard = heard or bool(piece)
            yield piece
        if damaged := self._decoder.damaged - damaged:
            _log.warning("the reply was damaged in %d places, which were skipped", damaged)
            if not heard and not told:
                self._refuse("bytes of an unknown format")
        self._playout.finish()

    def _refuse(self, came: str) -> None:
        """Tell that what came cannot be played."""
        mode = self._decoder.mode
        self._playout.refuse(
            AudioFormatRefused(
                f"the reply has {came} where dialog.downstream_mode = {mode!r} asks for "
                f"{ASKED[mode]}; that is not played"
            )
        )

    def _forget(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._wanted = False
        self._coded.clear()
        self._pieces = iter(())
        self._coded_bytes = 0
        self._fewer.set()

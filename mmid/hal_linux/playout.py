"""One reply on its way through the loudspeaker, from the first sample to silence.

    BUFFERING --enough or finish--> PLAYING --all heard, flush, failure--> CLOSED
        ^---------ran dry--------------'

It runs on timers of the event loop (``recorder`` says why): one wake-up when
the device is half empty, none while there is nothing to do. What the network
brings goes into the ring; every turn moves from the ring to the device what
fits. The gain is applied at that last moment, so a new volume is heard at
most one device buffer later.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto

from mmid.errors import AudioDeviceFailed
from mmid.hal import PlayerListener
from mmid.hal_linux.alsa import FRAME_BYTES
from mmid.hal_linux.gain import SoftwareGain
from mmid.hal_linux.pcm import PlaybackPcm
from mmid.hal_linux.ring import ByteRing

__all__ = ["Playout"]

# Jitter of the network that is not heard, paid once as delay of the first sample.
_PREFILL_MS = 60

# Nearer wake-ups cost more than they bring.
_SHORTEST_WAIT_S = 0.002

# A timer may fire just before the last frame was heard.
_TIMER_SLACK_S = 0.0005

# Silence after the last sample, in periods. A card plays in whole periods and
# a rate converter keeps a rest back: without it the last word would be cut,
# or followed by what lay in the card's buffer before.
_TAIL_PERIODS = 2


class _Phase(Enum):
    BUFFERING = auto()
    PLAYING = auto()
    CLOSED = auto()


class _Input(Enum):
    OPEN = auto()
    FINISHED = auto()
    PADDED = auto()  # finished, and the silence behind it is in the ring


class Playout:
    """One reply.

    Args:
        pcm: the open device; closed when the reply ends.
        ring_bytes: where ``wait_room`` begins to wait.
        gain: applied to every sample.
        listener: told of start, end and failure, always from the event loop.

    Attributes:
        underruns: how often the device ran dry before the reply's end.
    """

    def __init__(
        self, pcm: PlaybackPcm, ring_bytes: int, gain: SoftwareGain, listener: PlayerListener
    ) -> None:
        self.underruns = 0
        self._pcm = pcm
        self._ring = ByteRing(ring_bytes)
        self._gain = gain
        self._listener = listener
        self._phase = _Phase.BUFFERING
        self._input = _Input.OPEN
        self._odd = b""  # the first half of a sample whose second half is still to come
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.Handle | None = None

    @property
    def open(self) -> bool:
        """Whether the reply has not ended yet."""
        return self._phase is not _Phase.CLOSED

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte; none are taken after the end or ``finish``."""
        if not self.open or self._input is not _Input.OPEN:
            return
        data = self._odd + data
        whole = len(data) - len(data) % FRAME_BYTES
        data, self._odd = data[:whole], data[whole:]
        if not self._ring.put(data):
            self._input = _Input.FINISHED  # nothing more can be taken, so nothing can hide it
            self._wake_in(0, self._fail_overfull)
        elif self._timer is None:
            self._wake_in(0, self._turn)

    async def wait_room(self) -> None:
        """Return once the ring holds less than its size, or no more samples are wanted."""
        await self._ring.wait_room()

    def finish(self) -> None:
        """Play out what was written, then end."""
        if self.open and self._input is _Input.OPEN:
            self._input = _Input.FINISHED
            self._ring.release()
            self._wake_in(0, self._turn)

    def close(self) -> None:
        """Be silent now; the listener hears nothing more."""
        if self.open:
            self._phase = _Phase.CLOSED
            if self._timer is not None:
                self._timer.cancel()
            self._ring.clear()
            self._ring.release()
            self._pcm.close()

    def _turn(self) -> None:
        self._timer = None
        try:
            self._advance()
        except AudioDeviceFailed as error:
            self._fail(error)

    def _advance(self) -> None:
        buffered = self._pcm.buffered()
        if self._phase is _Phase.PLAYING and buffered == 0 and self._ring.fill:
            if self._input is not _Input.PADDED:
                self.underruns += 1
            self._phase = _Phase.BUFFERING
        if self._phase is _Phase.BUFFERING and not self._enough():
            return  # the next write or finish comes back here
        if self._all_heard(buffered):
            self.close()
            self._listener.player_finished()
            return
        starts = not self._pcm.started
        self._move(self._pcm.buffer_frames - buffered)
        self._pad()
        self._schedule()
        if not self._pcm.started:
            return  # it takes nothing yet
        self._phase = _Phase.PLAYING
        if starts:
            self._listener.player_started()

    def _enough(self) -> bool:
        # A ring smaller than the prefill must not wait for what it cannot hold.
        prefill = self._pcm.rate_hz * _PREFILL_MS // 1000 * FRAME_BYTES
        return self._input is not _Input.OPEN or self._ring.fill >= min(prefill, self._ring.size)

    def _all_heard(self, buffered: int) -> bool:
        if self._input is _Input.OPEN or self._ring.fill:
            return False
        return buffered <= self._tail_frames

    @property
    def _tail_frames(self) -> int:
        """What is still in the device when the last sample was heard: silence."""
        padded = self._input is _Input.PADDED
        return (_TAIL_PERIODS - 1) * self._pcm.period_frames if padded else 0

    def _move(self, room_frames: int) -> None:
        """Move from the ring to the device what fits."""
        samples = self._ring.peek(room_frames * FRAME_BYTES)
        if samples:
            taken = self._pcm.write(self._gain.apply(samples))
            self._ring.discard(taken * FRAME_BYTES)

    def _pad(self) -> None:
        """Append the silence that pushes the last sample out; a file needs none."""
        if self._input is _Input.FINISHED and self._pcm.paced:
            self._input = _Input.PADDED
            self._ring.put(bytes(_TAIL_PERIODS * self._pcm.period_frames * FRAME_BYTES))
            self._move(self._pcm.buffer_frames - self._pcm.buffered())

    def _schedule(self) -> None:
        """Wake up when the device is half empty, or when the last sample was heard."""
        buffered = self._pcm.buffered()
        if self._ring.fill:
            frames = buffered - self._pcm.buffer_frames // 2
        elif self._input is not _Input.OPEN:
            frames = buffered - self._tail_frames
        else:
            return  # the next write or finish wakes it
        self._wake_in(
            max(_SHORTEST_WAIT_S, frames / self._pcm.rate_hz + _TIMER_SLACK_S), self._turn
        )

    def _wake_in(self, delay_s: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(delay_s, action)

    def _fail_overfull(self) -> None:
        self._fail(
            AudioDeviceFailed(
                f"the reply for {self._pcm.device!r} came faster than it can be kept: "
                f"{self._ring.fill} bytes wait and the writer did not wait for room"
            )
        )

    def _fail(self, error: AudioDeviceFailed) -> None:
        self.close()
        self._listener.player_failed(error)

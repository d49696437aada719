"""One reply on its way through the loudspeaker, from the first sample to silence.

    BUFFERING --enough, or finish--> PLAYING <--enough, or finish-- REFILLING
        ^  ^                          |  |  |                           ^
        |  '---------ran dry----------'  |  '-nearly dry-> STARVED -something came
        |                           device lost
        '------it is back------ AWAY <---'      any --all heard, flush, failure--> CLOSED

It runs on timers of the event loop (``recorder`` says why): a wake-up when the
device is nearly empty, five a second, none while there is nothing to do.

When the network stalls the stream is not stopped: silence goes in before the
device runs dry (STARVED, REFILLING), with a soft edge on either side. A card
that stops and starts clicks, and a rate converter in between keeps a rest. A
device that does not pace itself (a file) knows no time: it waits instead.

A device that goes away is opened again, quietly, for a few seconds; then the
reply goes on with the first sample that was not heard.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from math import inf

from mmid.errors import AudioDeviceFailed
from mmid.hal import PlayerListener
from mmid.hal_linux.audio.alsa import FRAME_BYTES, DeviceLost
from mmid.hal_linux.audio.playback.speaker import Speaker
from mmid.hal_linux.audio.ring import ByteRing

__all__ = ["Playout"]

# Nearer wake-ups cost more than they bring.
_SHORTEST_WAIT_S = 0.002

# A timer may fire just before the last frame was heard.
_TIMER_SLACK_S = 0.0005

# Silence after the last sample, in periods; ``Line.tail`` says why.
_TAIL_PERIODS = 2

# With less than this in the device and nothing to come, silence goes in: time
# enough for a loop that is late, and no more delay than that.
_LOW_PERIODS = 2


# The device is filled up again with this much left in it, or half of a small one:
# a loop on a busy board is late by tens of milliseconds.
_REFILL_S = 0.1


class _Phase(Enum):
    BUFFERING = auto()
    PLAYING = auto()
    STARVED = auto()
    REFILLING = auto()
    AWAY = auto()
    CLOSED = auto()


class Playout:
    """One reply.

    Args:
        speaker: opens the device, and again when it went away.
        low_bytes: a ring that holds less is ``low``.
        listener: told of start, end and failure, always from the event loop.

    Raises:
        AudioDeviceFailed: the device cannot be opened.
    """

    def __init__(self, speaker: Speaker, low_bytes: int, listener: PlayerListener) -> None:
        self._speaker = speaker
        self._loop = asyncio.get_running_loop()
        self._open_line()
        self._ring = ByteRing()
        self._low_bytes = low_bytes
        self._listener = listener
        self._phase = _Phase.BUFFERING
        self._finished = False  # nothing more will be written
        self._announced = False
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = inf
        self._may_hurry = False  # the timer only watches for the device to run dry

    @property
    def open(self) -> bool:
        """Whether the reply has not ended yet."""
        return self._phase is not _Phase.CLOSED

    @property
    def overdue_s(self) -> float:
        """How long ago it should have woken up, in seconds; 0 if it waits for more to play."""
        return max(0.0, self._loop.time() - self._due_at) if self.open else 0.0

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte; none are taken after the end or ``finish``."""
        if not self.open or self._finished:
            return
        if not self._ring.put(data):
            self._finished = True  # nothing more can be taken, so nothing can hide it
            self._wake_in(0, self._fail_overfull)
        elif self._timer is None or self._may_hurry or self._feeds_soon(self._timer):
            self._feed_now()

    @property
    def low(self) -> bool:
        """Whether so little is left to play that a decoder should go on."""
        return self._ring.fill < self._low_bytes

    async def wait_low(self) -> None:
        """Return once it is low, or no more samples are wanted."""
        await self._ring.wait_below(self._low_bytes)

    async def wait_room(self) -> None:
        """Return once the ring takes another message, or no more samples are wanted."""
        await self._ring.wait_below(ByteRing.READ_AHEAD_BYTES)

    def finish(self) -> None:
        """Play out what was written, then end."""
        if self.open and not self._finished:
            self._finished = True
            self._ring.release()
            if self._phase is not _Phase.AWAY:
                self._wake_in(0, self._turn)

    def close(self) -> None:
        """Be silent now; the listener hears nothing more."""
        if self.open:
            self._phase = _Phase.CLOSED
            self._stop_timer()
            self._ring.clear()
            self._ring.release()
            self._line.close()
            self._speaker.jitter.reply_ended()

    # --- playing --------------------------------------------------------------------------

    def _turn(self) -> None:
        self._timer = None
        try:
            self._advance()
        except AudioDeviceFailed as error:
            self._give_up(error)
        # An error that nobody foresaw does not come here: then it stays overdue.
        if self._timer is None:
            self._due_at = inf

    def _feed_now(self) -> None:
        """Have a turn; at once, if nothing can come of it that the listener must be told."""
        if self._phase is not _Phase.PLAYING or not self._announced:
            self._wake_in(0, self._turn)
            return
        self._stop_timer()
        try:
            self._advance()
        except AudioDeviceFailed as error:
            self._wake_in(0, partial(self._give_up, error))

    def _advance(self) -> None:
        buffered = self._line.buffered()
        self._notice_gap(buffered)
        if self._phase is not _Phase.PLAYING and not self._enough():
            if self._phase is not _Phase.BUFFERING:
                self._line.fill_up(2 * self._low_frames)
                self._watch()
            return  # the next write or finish comes back here
        if self._all_heard(buffered):
            self.close()
            self._listener.player_finished()
            return
        self._feed()

    def _feeds_soon(self, timer: asyncio.TimerHandle) -> bool:
        """Whether the device is fed soon: as the loop is awake now, it need not wake up again."""
        delay = timer.when() - self._loop.time()
        return self._phase is _Phase.PLAYING and 0 < delay < _REFILL_S

    def _notice_gap(self, buffered: int) -> None:
        """See whether the device has run dry, or will soon while nothing comes."""
        waits = bool(self._ring.frames)
        if self._phase is _Phase.STARVED and waits:
            self._speaker.ran_dry()
            self._phase = _Phase.REFILLING
        elif self._phase is _Phase.PLAYING:
            self._speaker.outage.end()
            if waits and buffered == 0:
                self._speaker.ran_dry()
                self._line.fade_in()
                self._phase = _Phase.BUFFERING
            elif not waits and not self._finished and buffered <= self._low_frames:
                self._phase = _Phase.STARVED if self._line.pcm.paced else self._phase

    def _feed(self) -> None:
        line = self._line
        line.feed(self._ring)
        if self._finished and not self._ring.frames and line.pcm.paced:
            line.hush(self._tail_frames)
        self._schedule()
        if not line.pcm.started:
            return  # it takes nothing yet
        self._phase = _Phase.PLAYING
        if not self._announced:
            self._announced = True
            self._listener.player_started()

    def _enough(self) -> bool:
        # A decoder stops where the ring is no longer low: what is beyond would never come.
        fill_ms = self._speaker.jitter.fill_ms
        prefill = self._line.pcm.rate_hz * fill_ms // 1000 * FRAME_BYTES
        return self._finished or self._ring.fill >= min(prefill, self._low_bytes)

    def _all_heard(self, buffered: int) -> bool:
        return self._finished and not self._ring.frames and buffered <= self._line.tail

    def _open_line(self) -> None:
        self._line = self._speaker.open()
        pcm = self._line.pcm
        self._tail_frames = _TAIL_PERIODS * pcm.period_frames
        self._low_frames = min(_LOW_PERIODS * pcm.period_frames, pcm.buffer_frames // 2)
        self._refill_frames = min(int(_REFILL_S * pcm.rate_hz), pcm.buffer_frames // 2)

    def _schedule(self) -> None:
        """Wake up to fill the device again, or when it is nearly dry, or all was heard."""
        line = self._line
        padded = not line.pcm.paced or line.silent_for(self._tail_frames)
        if self._ring.frames or (self._finished and not padded):
            self._wake_at(self._refill_frames)
        elif self._finished:
            self._wake_at(line.tail)
        elif line.pcm.paced:
            self._watch()
        # else the next write or finish wakes it

    def _watch(self) -> None:
        """Wake up before the device runs dry, or when something comes."""
        self._wake_at(self._low_frames)
        self._may_hurry = True

    def _wake_at(self, buffered: int) -> None:
        """Wake up when the device holds no more than that."""
        seconds = (self._line.frames - buffered) / self._line.pcm.rate_hz
        self._wake_in(max(_SHORTEST_WAIT_S, seconds + _TIMER_SLACK_S), self._turn)

    def _wake_in(self, delay_s: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(delay_s, action)
        self._due_at = self._timer.when()
        self._may_hurry = False

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due_at = None, inf

    # --- failing --------------------------------------------------------------------------

    def _give_up(self, error: AudioDeviceFailed) -> None:
        """End the reply, or wait for a device that went away."""
        if isinstance(error, DeviceLost):
            self._lose(error)
        else:
            self._fail(error)

    def _lose(self, error: DeviceLost) -> None:
        """Keep what was not heard, and wait for the device."""
        self._ring.put_back(self._line.unheard())
        self._line.close()
        self._speaker.lost(error)
        if self._phase is _Phase.PLAYING:
            self._speaker.ran_dry()
        self._phase = _Phase.AWAY
        self._wait_for_device(error)

    def _wait_for_device(self, error: AudioDeviceFailed) -> None:
        delay = self._speaker.outage.next_delay(self._loop.time())
        if delay is None:
            self._fail(error)
        else:
            self._wake_in(delay, self._come_back)

    def _come_back(self) -> None:
        try:
            self._open_line()
        except AudioDeviceFailed as error:
            self._wait_for_device(error)
            return
        self._phase = _Phase.BUFFERING
        self._turn()

    def _fail_overfull(self) -> None:
        self._fail(
            AudioDeviceFailed(
                f"the reply for {self._line.pcm.device!r} came faster than it can be kept: "
                f"{self._ring.fill} bytes wait and the writer did not wait for room"
            )
        )

    def _fail(self, error: AudioDeviceFailed) -> None:
        self.close()
        self._listener.player_failed(error)

"""One reply on its way through the loudspeaker, from the first sample to silence.

    BUFFERING --time, or finish--> PLAYING <--time, or finish-- REFILLING
        ^  ^                        |  |  |                         ^
        |  '--------ran dry---------'  |  '-nearly dry-> STARVED -something came
        |                         device lost
        '------it is back---- AWAY <---'      any --all heard, flush, failure--> CLOSED

When it is time to start, and to start again after a gap, the jitter buffer says. All of
it runs on timers of the event loop (``recorder`` says why): a wake-up when the device is
nearly empty, five a second, none while there is nothing to do.

When the network stalls the stream is not stopped: silence goes in before the
device runs dry (STARVED, REFILLING), with a soft edge on either side. A card
that stops and starts clicks, and alsa-lib's rate converter keeps the last samples
until more come. A device that does not pace itself (a file) gets no silence: nobody
hears the gap, and the file holds the reply and nothing else.

A device that goes away is opened again, quietly, for a few seconds; then the
reply goes on with the first sample that was not heard.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from math import inf

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal import PlayerListener
from mmid.hal_linux.audio.alsa import DeviceLost
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm
from mmid.hal_linux.audio.ring import ByteRing

# A wake-up for less than this much sound costs more than it brings.
_SHORTEST_WAIT_S = 0.002

# A timer may fire just before the last frame was heard.
_TIMER_SLACK_S = 0.0005

# The device is filled up again with this much and a period left in it, or half of a small
# one: a loop on a busy board is late by tens of milliseconds.
_REFILL_S = 0.08


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
        device: opened now, and again when it went away.
        gain: the volume.
        jitter: when playing starts; it learns from how the reply arrives.
        listener: told of start, end and failure, always from the event loop.

    Attributes:
        ring: what waits for the device. Once no more is wanted, it lets nobody wait for room.

    Raises:
        AudioDeviceFailed: the device cannot be opened.
    """

    def __init__(
        self,
        device: SoundDevice,
        gain: SoftwareGain,
        jitter: JitterBuffer,
        listener: PlayerListener,
    ) -> None:
        self._device = device
        self._jitter = jitter
        self._listener = listener
        self._gain = gain
        self._pcm = PlaybackPcm(device.open_pcm(), gain)
        self.ring = ByteRing()
        self._phase = _Phase.BUFFERING
        self._finished = False  # nothing more will be written
        self._announced = False  # the listener knows that it started
        self._timer: asyncio.TimerHandle | None = None
        self._watching = False  # what comes may be reason to wake up before the timer does

    @property
    def open(self) -> bool:
        """Whether the reply has not ended yet."""
        return self._phase is not _Phase.CLOSED

    @property
    def overdue_s(self) -> float:
        """How long ago it should have woken up, in seconds; 0 if it waits for more to play."""
        if self._timer is None:
            return 0.0
        return max(0.0, asyncio.get_running_loop().time() - self._timer.when())

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte; none are taken after the end or ``finish``."""
        if self._phase is _Phase.CLOSED or self._finished:
            return
        if not self.ring.put(data):
            self.overflow(self.ring.fill)
            return
        now = asyncio.get_running_loop().time()
        self._jitter.arrived(now, len(data))
        if self._timer is None or self._watching or self._feeds_soon(self._timer.when() - now):
            if self._phase is _Phase.PLAYING:  # a turn of the loop more would cost as much again
                self._turn()
            else:  # the listener may hear that it started, and not from in here
                self._wake_in(0, self._turn)

    def overflow(self, waiting: int) -> None:
        """End the reply: the writer does not wait, and so many bytes do."""
        self._fail(
            AudioDeviceFailed(
                f"the reply for {self._device.device!r} came faster than it can be kept: "
                f"{waiting} bytes wait and the writer did not wait for room"
            )
        )

    def refuse(self, error: AudioFormatRefused) -> None:
        """Tell the listener of sound that cannot be played; the reply goes on."""
        self._listener.player_refused(error)

    def finish(self) -> None:
        """Play out what was written, then end."""
        if self.open and not self._finished:
            self._finished = True
            self.ring.release()
            if self._phase is not _Phase.AWAY:
                self._wake_in(0, self._turn)

    def close(self) -> None:
        """Be silent now; the listener hears nothing more."""
        if self.open:
            self._phase = _Phase.CLOSED
            self._stop_timer()
            self.ring.clear()
            self.ring.release()
            self._pcm.close()
            self._jitter.reply_ended()

    # --- playing --------------------------------------------------------------------------

    def _turn(self) -> None:
        timer = self._timer  # it has fired, or is not needed any more
        try:
            self._advance()
        except DeviceLost as error:
            self._lose(error)
        except AudioDeviceFailed as error:
            self._fail(error)
        # An error that nobody foresaw does not come here: then the reply stays overdue,
        # which the watchdog sees.
        if self._timer is timer:
            self._stop_timer()

    def _advance(self) -> None:
        buffered = self._pcm.buffered()
        self._notice_gap(buffered)
        if self._phase is not _Phase.PLAYING and (wait_s := self._wait_s()) > 0:
            self._wait(wait_s)
            return  # the next write or finish comes back here, too
        if self._finished and not self.ring.frames and buffered <= self._pcm.tail:
            self.close()
            self._listener.player_finished()
            return
        self._feed()

    def _feeds_soon(self, delay_s: float) -> bool:
        """Whether the device is fed soon: as the loop is awake now, it need not wake up again."""
        return self._phase is _Phase.PLAYING and 0 < delay_s < _REFILL_S

    def _wait_s(self) -> float:
        """Return how long to wait before what waits is played; infinite if nothing waits."""
        if self._finished:
            return 0.0
        if not self.ring.frames:
            return inf
        opened = self._pcm.opened
        start = self._jitter.start_at(self.ring.fill, opened.period_frames / opened.rate_hz)
        # Silence in the device sounds before it.
        return start - self._pcm.frames / opened.rate_hz - asyncio.get_running_loop().time()

    def _wait(self, wait_s: float) -> None:
        """Wake up then, or when something comes; if the device runs, keep it fed meanwhile."""
        if self._phase is not _Phase.BUFFERING:
            self._pcm.bridge(self._pcm.low_frames)
            wait_s = min(wait_s, self._seconds_until(self._pcm.low_frames, self._pcm.left_frames))
        if wait_s < inf:
            self._wake_in(max(_SHORTEST_WAIT_S, wait_s), self._turn)
        self._watching = True

    def _notice_gap(self, buffered: int) -> None:
        """See whether the device has run dry, or will soon while nothing comes."""
        waits = bool(self.ring.frames)
        if self._phase is _Phase.STARVED and waits:
            self._ran_dry()
            self._phase = _Phase.REFILLING
        elif self._phase is _Phase.PLAYING:
            self._device.works()
            if waits and buffered == 0:
                self._ran_dry()
                self._pcm.fade_next()
                self._phase = _Phase.BUFFERING
            elif not waits and not self._finished and self._pcm.left_frames <= self._pcm.low_frames:
                self._phase = _Phase.STARVED if self._pcm.paced else self._phase

    def _ran_dry(self) -> None:
        self._jitter.ran_dry()
        self._device.count_xruns()

    def _feed(self) -> None:
        self._pcm.feed(self.ring)
        if self._finished and not self.ring.frames and self._pcm.paced:
            self._pcm.pad()
        self._schedule()
        if self._phase is _Phase.PLAYING or not self._pcm.started:
            return  # nothing new, or it takes nothing yet
        self._phase = _Phase.PLAYING
        if not self._announced:
            self._announced = True
            self._listener.player_started()

    def _schedule(self) -> None:
        """Wake up to fill the device again, or when it is nearly dry, or all was heard."""
        pcm, opened = self._pcm, self._pcm.opened
        if self.ring.frames or (self._finished and not pcm.padded):
            low = int(_REFILL_S * opened.rate_hz) + opened.period_frames
            wait_s = self._seconds_until(min(low, opened.buffer_frames // 2), pcm.frames)
        elif self._finished:
            wait_s = self._seconds_until(pcm.tail, pcm.frames)
        elif pcm.paced:
            wait_s = self._seconds_until(pcm.low_frames, pcm.left_frames)
        else:
            return  # the next write or finish wakes it
        self._wake_in(wait_s, self._turn)
        self._watching = not (self.ring.frames or self._finished)

    def _seconds_until(self, frames: int, now_frames: int) -> float:
        """Return in how many seconds the device holds no more than that; now ``now_frames``."""
        seconds = (now_frames - frames) / self._pcm.opened.rate_hz
        return max(_SHORTEST_WAIT_S, seconds + _TIMER_SLACK_S)

    def _wake_in(self, delay_s: float, action: Callable[[], None]) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        # Each piece of a reply comes here: ``call_later`` would take a quarter more.
        self._timer = loop.call_at(loop.time() + delay_s, action)
        self._watching = False

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    # --- failing --------------------------------------------------------------------------

    def _lose(self, error: DeviceLost) -> None:
        """Keep what was not heard, and wait for the device."""
        self.ring.put_back(self._pcm.unheard())
        self._pcm.close()
        self._device.failed(error)
        if self._phase is _Phase.PLAYING:
            self._device.count_xruns()
        self._phase = _Phase.AWAY
        self._wait_for_device(error)

    def _wait_for_device(self, error: AudioDeviceFailed) -> None:
        delay = self._device.next_try_s()
        if delay is None:
            self._fail(error)
        else:
            self._wake_in(delay, self._come_back)

    def _come_back(self) -> None:
        try:
            self._pcm = PlaybackPcm(self._device.open_pcm(), self._gain)
        except AudioDeviceFailed as error:
            self._wait_for_device(error)
            return
        self._phase = _Phase.BUFFERING
        self._turn()

    def _fail(self, error: AudioDeviceFailed) -> None:
        """Give up, in a turn of its own: the listener must not hear of it from within ``write``."""
        self._finished = True  # part of it is missing: no later write must be taken

        def give_up() -> None:
            self.close()
            self._listener.player_failed(error)

        self._wake_in(0, give_up)

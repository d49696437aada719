"""The microphone: an ALSA PCM read by timers of the event loop.

Not by poll descriptors: those wake at every period of the card, and some
plug-ins have none that can be polled. A timer wakes when the frames of the
next chunk will be there, so steady speech costs ten wake-ups a second with
every kind of device, and there is no timer while nobody records.

A device that goes away in mid-speech is opened again, quietly, for a few
seconds: the speech goes on with a gap, which counts as an overrun.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from mmid.errors import AudioDeviceFailed
from mmid.hal import RecorderListener
from mmid.hal_linux.audio.alsa import FRAME_BYTES, DeviceLost
from mmid.hal_linux.audio.capture.level import level_percent
from mmid.hal_linux.audio.capture.pcm import CapturePcm
from mmid.hal_linux.audio.capture.pieces import Pieces
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.outage import Outage

__all__ = ["AlsaRecorder"]

# The cloud's cadence. 20 ms all the way would cost three times the CPU.
_CHUNK_MS = 100

# Nearer wake-ups cost more than the samples they fetch are worth.
_SHORTEST_WAIT_S = 0.002

# The card's clock may be a little slower than ours. A timer fires late, by up to a
# millisecond, and never early: more would only be added to every press.
_TIMER_SLACK_S = 0.0001


class AlsaRecorder:
    """A ``Recorder`` over an ALSA capture PCM.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period, and the length of the first chunk.
    """

    def __init__(self, device: str, rate_hz: int, period_ms: int) -> None:
        self._device = SoundDevice(
            device, lambda terms: CapturePcm(device, rate_hz, period_ms, terms)
        )
        self._period_ms = period_ms
        self._recording: _Recording | None = None

    @property
    def device(self) -> str:
        """The ALSA PCM name."""
        return self._device.name

    @property
    def format(self) -> str:
        """What was negotiated, or why the device does not work; empty until first opened."""
        return self._device.format

    def observe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` whenever ``format`` or ``overruns`` has changed."""
        self._device.on_change = on_change

    @property
    def recording(self) -> bool:
        """Whether it is between ``start`` and ``stop``."""
        return self._recording is not None and self._recording.open

    @property
    def overruns(self) -> int:
        """How often samples were lost because nobody fetched them in time."""
        return self._device.xruns

    @property
    def level(self) -> int:
        """How loud the latest chunk is, 0 to 100; worked out only when somebody asks."""
        return level_percent(self._recording.latest) if self.recording and self._recording else 0

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fetched samples, in seconds; 0 if it need not."""
        return self._recording.overdue_s if self.recording and self._recording else 0.0

    def start(self, listener: RecorderListener) -> None:
        """Open the device; the first sample is the one at this moment."""
        self.stop()
        self._recording = None
        self._recording = _Recording(self._device, self._period_ms, listener)

    def stop(self) -> None:
        """Hand the listener what was captured up to now, and close the device."""
        if self._recording is not None:
            self._recording.stop()


class _Recording:
    """One recording, from ``start`` to ``stop`` or a failure."""

    def __init__(
        self, device: SoundDevice[CapturePcm], period_ms: int, listener: RecorderListener
    ) -> None:
        self.open = True
        self.latest = b""
        self._device = device
        self._listener = listener
        self._outage = Outage()
        self._away = False
        self._pending = Pieces()
        self._pcm = self._opened()
        self._wanted = self._pcm.rate_hz * period_ms // 1000 * FRAME_BYTES
        self._chunk_bytes = self._pcm.rate_hz * _CHUNK_MS // 1000 * FRAME_BYTES
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._wait_s(), self._tick)

    @property
    def overdue_s(self) -> float:
        """How long ago it should have woken up, in seconds; each wake-up sees to the next."""
        return max(0.0, self._loop.time() - self._timer.when())

    def stop(self) -> None:
        """Close, and deliver what was recorded up to now."""
        if not self.open:
            return
        if not self._away:
            with suppress(AudioDeviceFailed):  # it ends here anyway
                self._fetch()
        self._close()
        self._deliver_rest()

    def _opened(self) -> CapturePcm:
        pcm = self._device.open()
        try:
            pcm.start()
        except AudioDeviceFailed as error:
            pcm.close()
            self._device.failed(error)
            raise
        return pcm

    def _tick(self) -> None:
        try:
            self._fetch(self._missing)
        except DeviceLost as error:
            self._away = True
            self._pcm.close()
            self._device.failed(error)
            self._device.count_xruns()
            self._wait_for_device(error)
            return
        except AudioDeviceFailed as error:
            self._fail(error)
            return
        # The listener may stop the recording while it hears this: then nothing is pending.
        while self._pending.size >= self._wanted:
            self._deliver(self._wanted)
            self._wanted = self._chunk_bytes
        if self.open:
            self._timer = self._loop.call_later(self._wait_s(), self._tick)

    def _fetch(self, missing: int | None = None) -> None:
        before = self._pcm.overruns
        try:
            heard = self._pcm.read(self._pending, missing)
        finally:
            if self._pcm.overruns != before:
                self._device.count_xruns(self._pcm.overruns - before)
        if heard:
            self._outage.end()

    def _wait_for_device(self, error: AudioDeviceFailed) -> None:
        delay = self._outage.next_delay(self._loop.time())
        if delay is None:
            self._fail(error)
        else:
            self._timer = self._loop.call_later(delay, self._come_back)

    def _come_back(self) -> None:
        try:
            self._pcm = self._opened()
        except AudioDeviceFailed as error:
            self._wait_for_device(error)
        else:
            self._away = False
            self._timer = self._loop.call_later(self._wait_s(), self._tick)

    @property
    def _missing(self) -> int:
        """How many frames the next chunk still lacks."""
        return (self._wanted - self._pending.size) // FRAME_BYTES

    def _wait_s(self) -> float:
        to_come = self._missing - self._pcm.held_back
        return max(_SHORTEST_WAIT_S, to_come / self._pcm.rate_hz + _TIMER_SLACK_S)

    def _deliver(self, count: int) -> None:
        self.latest = self._pending.take(count)
        self._listener.recorder_audio(self.latest)

    def _deliver_rest(self) -> None:
        while self._pending.size:
            self._deliver(self._chunk_bytes)

    def _fail(self, error: AudioDeviceFailed) -> None:
        self._device.failed(error)
        self._close()
        self._deliver_rest()
        self._listener.recorder_failed(error)

    def _close(self) -> None:
        self.open = False
        self._timer.cancel()
        self._pcm.close()

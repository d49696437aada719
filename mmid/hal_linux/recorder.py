"""The microphone: an ALSA PCM read by timers of the event loop.

Not by poll descriptors: those wake at every period of the card, and some
plug-ins have none that can be polled. A timer wakes when the frames of the
next chunk will be there, so steady speech costs ten wake-ups a second with
every kind of device, and there is no timer while nobody records.
"""

import asyncio
from contextlib import suppress

from mmid.errors import AudioDeviceFailed
from mmid.hal import RecorderListener
from mmid.hal_linux.alsa import FRAME_BYTES
from mmid.hal_linux.pcm import CapturePcm

__all__ = ["AlsaRecorder"]

# The cloud's cadence. 20 ms all the way would cost three times the CPU.
_CHUNK_MS = 100

# Nearer wake-ups cost more than the samples they fetch are worth.
_SHORTEST_WAIT_S = 0.002

# A timer may fire just before the last frame is complete.
_TIMER_SLACK_S = 0.0005


class AlsaRecorder:
    """A ``Recorder`` over an ALSA capture PCM.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period, and the length of the first chunk.
    """

    def __init__(self, device: str, rate_hz: int, period_ms: int) -> None:
        self._device = device
        self._rate_hz = rate_hz
        self._period_ms = period_ms
        self._recording: _Recording | None = None
        self._past_overruns = 0

    @property
    def device(self) -> str:
        """The ALSA PCM name."""
        return self._device

    @property
    def recording(self) -> bool:
        """Whether it is between ``start`` and ``stop``."""
        return self._recording is not None and self._recording.open

    @property
    def overruns(self) -> int:
        """How often samples were lost because nobody fetched them in time."""
        now = self._recording.overruns if self._recording else 0
        return self._past_overruns + now

    def start(self, listener: RecorderListener) -> None:
        """Open the device; the first sample is the one at this moment."""
        self.stop()
        self._past_overruns = self.overruns
        self._recording = None
        pcm = CapturePcm(self._device, self._rate_hz, self._period_ms)
        self._recording = _Recording(pcm, self._period_ms, listener)

    def stop(self) -> None:
        """Hand the listener what was captured up to now, and close the device."""
        if self._recording is not None:
            self._recording.stop()


class _Recording:
    """One recording, from ``start`` to ``stop`` or a failure."""

    def __init__(self, pcm: CapturePcm, period_ms: int, listener: RecorderListener) -> None:
        self.open = True
        self._pcm = pcm
        self._listener = listener
        self._pending = bytearray()
        self._wanted = pcm.rate_hz * period_ms // 1000 * FRAME_BYTES
        self._loop = asyncio.get_running_loop()
        try:
            pcm.start()
        except AudioDeviceFailed:
            pcm.close()
            raise
        self._timer = self._loop.call_later(self._wait_s(), self._tick)

    @property
    def overruns(self) -> int:
        return self._pcm.overruns

    def stop(self) -> None:
        """Close, and deliver what was recorded up to now."""
        if not self.open:
            return
        with suppress(AudioDeviceFailed):  # it ends here anyway
            self._pending += self._pcm.read()
        self._close()
        self._deliver_rest()

    def _tick(self) -> None:
        try:
            self._pending += self._pcm.read()
        except AudioDeviceFailed as error:
            self._close()
            self._deliver_rest()
            self._listener.recorder_failed(error)
            return
        # The listener may stop the recording while it hears this: then nothing is pending.
        while len(self._pending) >= self._wanted:
            self._deliver(self._wanted)
            self._wanted = self._chunk_bytes
        if self.open:
            self._timer = self._loop.call_later(self._wait_s(), self._tick)

    @property
    def _chunk_bytes(self) -> int:
        return self._pcm.rate_hz * _CHUNK_MS // 1000 * FRAME_BYTES

    def _wait_s(self) -> float:
        missing = (self._wanted - len(self._pending)) // FRAME_BYTES
        return max(_SHORTEST_WAIT_S, missing / self._pcm.rate_hz + _TIMER_SLACK_S)

    def _deliver(self, count: int) -> None:
        data = bytes(self._pending[:count])
        del self._pending[:count]
        self._listener.recorder_audio(data)

    def _deliver_rest(self) -> None:
        while self._pending:
            self._deliver(self._chunk_bytes)

    def _close(self) -> None:
        self.open = False
        self._timer.cancel()
        self._pcm.close()

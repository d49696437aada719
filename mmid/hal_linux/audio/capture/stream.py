"""One recording: an ALSA PCM read by timers of the event loop.

Not by poll descriptors: those wake at every period of the card, and some
plug-ins have none that can be polled. A timer wakes when the frames of the
next chunk will be there, so steady speech costs ten wake-ups a second with
every kind of device, and there is no timer while nobody records.

A device that goes away in mid-speech is opened again, quietly, for a few
seconds: the speech goes on with a gap, which counts as an overrun.
"""

import asyncio
import time
from collections.abc import Callable

from mmid.errors import AudioDeviceFailed
from mmid.hal import RecorderListener
from mmid.hal_linux.audio.alsa import FRAME_BYTES, DeviceLost
from mmid.hal_linux.audio.capture.pcm import CapturePcm
from mmid.hal_linux.audio.device import SoundDevice

# Clouds take speech in frames of about this length. 20 ms, the usual period of a card,
# would cost three times the CPU.
CHUNK_MS = 100

# When the card is a little late: a wake-up for a frame or two costs more than it brings.
_SHORTEST_WAIT_S = 0.002

# The card's clock may be a little slower than ours. A timer fires late, by up to a
# millisecond, and never early: more would only be added to every press.
_TIMER_SLACK_S = 0.0001


class CaptureStream:
    """One recording, for as long as the device is open, or to a failure."""

    def __init__(self, device: SoundDevice, period_ms: int, listener: RecorderListener) -> None:
        self.open = True
        self.latest = b""
        self.position = time.monotonic(), 0
        self._fetched = 0  # bytes
        self._device = device
        self._listener = listener
        self._away = False
        self._pending = bytearray()  # recorded, not yet a chunk
        self._pcm = self._start_pcm()
        self._chunk_bytes = self._bytes_of(period_ms)  # of the next chunk; the first is short
        self._timer = self._wake_for_chunk()

    @property
    def overdue_s(self) -> float:
        """How long ago it should have woken up, in seconds; each wake-up sees to the next."""
        late_s = asyncio.get_running_loop().time() - self._timer.when()
        return max(0.0, late_s) if self.open else 0.0

    def hand_over(self) -> None:
        """Deliver what the device has given up to now."""
        self._fetch_last()
        self.deliver(len(self._pending))

    def go_on(self, duration_ms: int) -> None:
        """Record on; the next chunk is so long, as there is another reader or one less."""
        self._timer.cancel()
        self._chunk_bytes = self._bytes_of(duration_ms)
        if self._away:
            self._timer = asyncio.get_running_loop().call_later(0, self._come_back)
        else:
            self._timer = self._wake_for_chunk()

    def wait_for_rest(self, then: Callable[[int], None]) -> None:
        """Wait until the device has given what was recorded up to now.

        Args:
            then: gets how many of the pending bytes that is; what was said later is behind them.
        """
        held = self._pcm.held_frames if self._fetch_last() else 0
        opened = self._pcm.opened
        longest_s = 2 * _SHORTEST_WAIT_S + opened.period_frames / opened.rate_hz
        deadline = asyncio.get_running_loop().time() + longest_s
        self._look_for_rest(len(self._pending) + held * FRAME_BYTES, deadline, then)

    def deliver(self, count: int) -> None:
        """Deliver so many of the bytes that are pending, or all."""
        # In chunks of the usual length: the first one, a period, may still be to come.
        while (size := min(count, len(self._pending), self._bytes_of(CHUNK_MS))) > 0:
            count -= size
            self._deliver(size)

    def close(self) -> None:
        """Close the device, and forget what was not delivered. Safe to call again."""
        self._pending.clear()
        self._timer.cancel()
        if self.open:
            self.open = False
            self._pcm.close()

    def _look_for_rest(self, count: int, deadline: float, then: Callable[[int], None]) -> None:
        """End with so many bytes pending; with less if the device fails or the time is up."""

        def look() -> None:
            alive = self._fetch_last()
            self._look_for_rest(count, deadline if alive else 0.0, then)

        self._timer.cancel()
        if len(self._pending) < count and asyncio.get_running_loop().time() < deadline:
            self._timer = self._wake_for(count, look)
        else:
            then(count)

    def _fetch_last(self) -> bool:
        """Fetch what there is; a device that fails now is no matter, for the end is here."""
        if self._away:
            return False
        try:
            self._fetch()
        except AudioDeviceFailed:
            return False
        return True

    def _start_pcm(self) -> CapturePcm:
        pcm = CapturePcm(self._device.open_pcm())
        try:
            pcm.start()
        except AudioDeviceFailed as error:
            pcm.close()
            self._device.failed(error)
            raise
        return pcm

    def _bytes_of(self, duration_ms: int) -> int:
        return self._pcm.opened.rate_hz * duration_ms // 1000 * FRAME_BYTES

    def _wake_for_chunk(self) -> asyncio.TimerHandle:
        """Wake up when the frames that the next chunk lacks will be there."""
        return self._wake_for(self._chunk_bytes, self._tick)

    def _wake_for(self, wanted_bytes: int, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Wake up when so much will be pending, or sooner if the device cannot keep as much."""
        frames = (wanted_bytes - len(self._pending)) // FRAME_BYTES
        delay = max(_SHORTEST_WAIT_S, self._pcm.wait_s(frames) + _TIMER_SLACK_S)
        loop = asyncio.get_running_loop()
        return loop.call_at(loop.time() + delay, action)  # ``call_later`` takes a quarter more

    def _tick(self) -> None:
        fired = self._timer
        try:
            self._fetch()
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
        while len(self._pending) >= self._chunk_bytes:
            self._deliver(self._chunk_bytes)
            self._chunk_bytes = self._bytes_of(CHUNK_MS)
        if self.open:
            if self._timer is not fired:  # a listener that left armed it, for others are there
                self._timer.cancel()
            self._timer = self._wake_for_chunk()

    def _fetch(self) -> None:
        before, pending = self._pcm.overruns, len(self._pending)
        try:
            if self._pcm.read(self._pending):
                self._device.works()
        finally:
            asked, there = self._pcm.asked
            self.position = asked, self._fetched // FRAME_BYTES + there
            self._fetched += len(self._pending) - pending
            if self._pcm.overruns != before:
                self._device.count_xruns(self._pcm.overruns - before)

    def _wait_for_device(self, error: AudioDeviceFailed) -> None:
        delay = self._device.next_try_s()
        if delay is None:
            self._fail(error)
        else:
            self._timer = asyncio.get_running_loop().call_later(delay, self._come_back)

    def _come_back(self) -> None:
        try:
            self._pcm = self._start_pcm()
        except AudioDeviceFailed as error:
            self._wait_for_device(error)
        else:
            self._away = False
            self._timer = self._wake_for_chunk()

    def _deliver(self, count: int) -> None:
        self.latest = bytes(self._pending[:count])
        del self._pending[:count]
        self._listener.recorder_audio(self.latest)

    def _fail(self, error: AudioDeviceFailed) -> None:
        self._device.failed(error)
        rest = bytes(self._pending)
        self.close()
        self._pending += rest
        self.deliver(len(rest))
        self._listener.recorder_failed(error)

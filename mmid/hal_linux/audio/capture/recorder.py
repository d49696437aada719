"""The microphone: lends one recording to a speech and to the taps beside it.

Whoever comes first has the device opened, whoever leaves last has it closed.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mmid.errors import AudioDeviceFailed
from mmid.hal import Encoder, RecorderListener
from mmid.hal_linux.audio.alsa import FRAME_BYTES, Direction, PcmRequest
from mmid.hal_linux.audio.capture.branches import Branches
from mmid.hal_linux.audio.capture.coded_listener import CodedListener
from mmid.hal_linux.audio.capture.stream import CHUNK_MS, CaptureStream
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.samples import level_percent

if TYPE_CHECKING:
    from mmid.hal_linux.audio.echo.cancellation import EchoCancellation

# The loop may be late by this much before a syllable is lost.
_BUFFER_MS = 500

# As much as a press may want of what was said before it.
LONGEST_PREROLL_MS = 2000


class AlsaRecorder(SoundDevice):
    """A ``Recorder`` over an ALSA capture PCM.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period, and the length of the first chunk.
        encoder: makes packets of a codec, which the listener hears instead of samples.

    Attributes:
        echo: takes the replies out of what is recorded beside them, if it is set.
    """

    echo: "EchoCancellation | None" = None

    def __init__(
        self, device: str, rate_hz: int, period_ms: int, encoder: Encoder | None = None
    ) -> None:
        super().__init__(PcmRequest(Direction.CAPTURE, device, rate_hz, period_ms, _BUFFER_MS))
        self._period_ms = period_ms
        self._encoder = encoder
        self._coded: CodedListener | None = None
        self._branches = Branches(FRAME_BYTES * rate_hz * LONGEST_PREROLL_MS // 1000)
        self._recording: CaptureStream | None = None
        self._cleaned = False  # of the echo
        self._ending = False  # the speech: what it still hears is the last of it

    @property
    def recording(self) -> bool:
        speaking = self._branches.speech is not None and not self._ending
        return speaking and self._live is not None

    @property
    def overruns(self) -> int:
        return self.xruns

    @property
    def level(self) -> int:
        # Worked out only when somebody asks.
        return level_percent(self._recording.latest) if self._recording and self.recording else 0

    @property
    def overdue_s(self) -> float:
        late_s = self._recording.overdue_s if self._recording else 0.0
        return max(late_s, self.echo.overdue_s) if self.echo is not None else late_s

    @property
    def position(self) -> tuple[float, int]:
        """When the device was asked (monotonic clock), and how many frames were recorded then.

        They count from ``start`` on; those that were lost are left out.
        """
        return self._recording.position if self._recording else (0.0, 0)

    def start(
        self, listener: RecorderListener, *, beside_replies: bool = False, preroll_ms: int = 0
    ) -> None:
        self.stop()
        if recording := self._live:
            recording.hand_over()  # what was said before now: it may find that the last tap left
        if recording := self._live:
            recording.go_on(self._period_ms)
        else:
            self._open(beside_replies=beside_replies)
        if self._encoder is not None:
            listener = self._coded = CodedListener(self._encoder, listener)
        self._branches.speech = listener
        self._ending = False
        for chunk in self._branches.latest(self.request.rate_hz * preroll_ms // 1000):
            listener.recorder_audio(chunk)

    def stop(self) -> None:
        if (recording := self._live) and self.recording:
            self._end(recording.hand_over)

    def release(self, then: Callable[[], None]) -> None:
        recording = self._live
        if recording is None or not self.recording:
            then()
            return

        def released(count: int) -> None:
            self._end(partial(recording.deliver, count))
            then()

        recording.wait_for_rest(released)

    def add_tap(self, tap: RecorderListener) -> None:
        if self._live is None:
            self._open(beside_replies=True)
        self._branches.add(tap)

    def remove_tap(self, tap: RecorderListener) -> None:
        self._branches.remove(tap)
        if self._branches.idle:
            self._close()

    @property
    def _live(self) -> CaptureStream | None:
        """The recording, while the device is open."""
        return self._recording if self._recording is not None and self._recording.open else None

    def _open(self, *, beside_replies: bool) -> None:
        listener: RecorderListener = self._branches
        if self.echo is not None and beside_replies:
            listener = self.echo.start(self, listener)
        self._cleaned = listener is not self._branches
        self._recording = None
        try:
            self._recording = CaptureStream(self, self._period_ms, listener)
        except AudioDeviceFailed:
            self._close()
            raise

    def _end(self, deliver: Callable[[], None]) -> None:
        """End the speech with what ``deliver`` brings, and with what the canceller holds back."""
        self._ending = True
        try:
            deliver()
            rest = self.echo.held_back if self.echo is not None else b""
            if rest and self._branches.speech is not None:
                self._branches.speech.recorder_audio(rest)
        finally:
            self._finish()

    def _finish(self) -> None:
        """Nobody speaks any more; the recording goes on for the taps."""
        if self._coded is not None:
            self._coded.finish()
        self._coded = self._branches.speech = None
        if self._branches.idle:
            self._close()
        elif self.echo is not None and not self._cleaned:
            self._open_anew()
        elif recording := self._live:
            recording.go_on(CHUNK_MS)

    def _open_anew(self) -> None:
        """Go on for taps that came during a press: from here on they could hear replies."""
        self._close()
        try:
            self._open(beside_replies=True)
        except AudioDeviceFailed as error:
            self._branches.recorder_failed(error)

    def _close(self) -> None:
        if self._recording is not None:
            self._recording.close()
        if self.echo is not None:
            self.echo.stop()

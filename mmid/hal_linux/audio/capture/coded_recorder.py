"""A microphone whose listener hears packets of a codec instead of samples."""

from collections import deque
from collections.abc import Iterable

from mmid.errors import AudioDeviceFailed
from mmid.hal import Encoder, Recorder, RecorderListener

__all__ = ["CodedRecorder"]


class CodedRecorder:
    """A ``Recorder`` over another: encodes what that records.

    The listener gets each packet by a call of its own. The chunk of 100 ms
    that a wake-up brings becomes several of them.

    Args:
        recorder: records samples.
        encoder: makes packets of them.
    """

    def __init__(self, recorder: Recorder, encoder: Encoder) -> None:
        self._recorder = recorder
        self._encoder = encoder
        self._listener: RecorderListener | None = None
        self._packets: deque[bytes] = deque()

    @property
    def device(self) -> str:
        """The ALSA PCM name."""
        return self._recorder.device

    @property
    def recording(self) -> bool:
        """Whether it is between ``start`` and ``stop``."""
        return self._recorder.recording

    @property
    def overruns(self) -> int:
        """How often samples were lost because nobody fetched them in time."""
        return self._recorder.overruns

    @property
    def level(self) -> int:
        """How loud the latest chunk is, 0 to 100."""
        return self._recorder.level

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fetched samples, in seconds; 0 if it need not."""
        return self._recorder.overdue_s

    def start(self, listener: RecorderListener) -> None:
        """Open the device; the first sample is the one at this moment."""
        self.stop()
        self._encoder.reset()
        self._listener = listener
        self._recorder.start(self)

    def stop(self) -> None:
        """Hand the listener what was captured up to now, and close the device."""
        if self._recorder.recording:
            self._recorder.stop()
            self._deliver(self._encoder.finish())

    # --- what the other recorder says -----------------------------------------------------

    def recorder_audio(self, data: bytes) -> None:
        """Encode samples."""
        self._deliver(self._encoder.encode(data))

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        """Hand over what is left, then pass the failure on."""
        self._deliver(self._encoder.finish())
        if self._listener is not None:
            self._listener.recorder_failed(error)

    def _deliver(self, packets: Iterable[bytes]) -> None:
        # One queue: a listener that stops the recording while it hears a packet
        # gets the others in that call, in order, and none again after it.
        self._packets.extend(packets)
        while self._packets and self._listener is not None:
            self._listener.recorder_audio(self._packets.popleft())

"""Between a recorder and its listener: samples in, packets of a codec out."""

from collections import deque
from collections.abc import Iterable

from mmid.errors import AudioDeviceFailed
from mmid.hal import Encoder, RecorderListener


class CodedListener:
    """A ``RecorderListener`` that encodes what it hears for another, for one speech.

    That one gets each packet by a call of its own. The chunk of 100 ms that a
    wake-up brings becomes several of them.

    Args:
        encoder: makes packets of samples.
        listener: hears the packets.
    """

    def __init__(self, encoder: Encoder, listener: RecorderListener) -> None:
        encoder.reset()
        self._encoder = encoder
        self._listener = listener
        self._packets: deque[bytes] = deque()

    def recorder_audio(self, data: bytes) -> None:
        self._deliver(self._encoder.encode(data))

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        self.finish()
        self._listener.recorder_failed(error)

    def finish(self) -> None:
        """Hand over what is left: the recording was stopped."""
        self._deliver(self._encoder.finish())

    def _deliver(self, packets: Iterable[bytes]) -> None:
        # One queue: a listener that stops the recording while it hears a packet
        # gets the others in that call, in order, and none again after it.
        self._packets.extend(packets)
        while self._packets:
            self._listener.recorder_audio(self._packets.popleft())

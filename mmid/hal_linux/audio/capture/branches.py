"""Where what is recorded goes: to the speech, to the taps beside it, and into a short memory."""

from collections.abc import Iterator

from mmid.errors import AudioDeviceFailed
from mmid.hal import RecorderListener
from mmid.hal_linux.audio.alsa import FRAME_BYTES
from mmid.hal_linux.audio.ring import ByteRing

# Of what is handed out of the memory, as the clouds take speech.
_CHUNKS_A_MEMORY = 20


class Branches:
    """A ``RecorderListener`` that tells all others, the taps first.

    Args:
        memory_bytes: so much of what was recorded last is kept while there is a tap.

    Attributes:
        speech: who hears the speech, if there is one.
    """

    def __init__(self, memory_bytes: int) -> None:
        self.speech: RecorderListener | None = None
        self._taps: list[RecorderListener] = []
        self._memory_bytes = memory_bytes
        self._memory = ByteRing()

    @property
    def idle(self) -> bool:
        """Whether nobody hears what is recorded."""
        return self.speech is None and not self._taps

    def add(self, tap: RecorderListener) -> None:
        """Let a tap hear what is recorded from now on."""
        self._taps.append(tap)

    def remove(self, tap: RecorderListener) -> None:
        """A tap hears no more; without any, nothing is remembered."""
        self._taps = [one for one in self._taps if one is not tap]
        if not self._taps:
            self._memory.clear()

    def latest(self, frames: int) -> Iterator[bytes]:
        """Return what was recorded last, at most so many frames, in chunks."""
        memory = self._memory.peek(self._memory.fill)
        size = self._memory_bytes // _CHUNKS_A_MEMORY
        for start in range(max(0, len(memory) - frames * FRAME_BYTES), len(memory), size):
            yield memory[start : start + size]

    def recorder_audio(self, data: bytes) -> None:
        for tap in self._taps:
            tap.recorder_audio(data)
        if self._taps:
            self._memory.put(data)
            self._memory.discard(max(0, self._memory.fill - self._memory_bytes))
        if self.speech is not None:
            self.speech.recorder_audio(data)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        taps, speech = self._taps, self.speech
        self._taps, self.speech = [], None
        self._memory.clear()
        for listener in (*taps, speech):
            if listener is not None:
                listener.recorder_failed(error)

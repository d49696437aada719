"""MP3, from any bytes of the stream to samples.

A reply may be one stream or several in a row: one whose encoder wrote a tag
(Xing, Info) begins with it, and is decoded from a clean state.
"""

from collections.abc import Iterator

from mmid.hal_linux.audio.codecs.libmpg123 import Libmpg123
from mmid.hal_linux.audio.codecs.mp3_frames import Mp3Frames
from mmid.hal_linux.audio.codecs.shared_library import SLICE_BYTES

__all__ = ["Mp3Decoder"]

# Where the tag stands: behind the header and the side information, whose
# length is one of these (mono or stereo, MPEG 2 or 1).
_TAG_AT = (4 + 9, 4 + 17, 4 + 32)
_TAGS = (b"Xing", b"Info")


class Mp3Decoder:
    """A ``Decoder`` of MP3.

    Args:
        rate_hz: of the samples.
        setting: the setting that asks for it, for messages.

    Raises:
        SettingsInvalid: libmpg123 is not installed.
    """

    def __init__(self, rate_hz: int, setting: str) -> None:
        self._frames = Mp3Frames()
        self._mpg123 = Libmpg123(rate_hz, setting)
        self._damaged_frames = 0

    @property
    def damaged(self) -> int:
        """Stretches of bytes that were no frame, and frames that could not be decoded."""
        return self._frames.damaged + self._damaged_frames

    def reset(self) -> None:
        """Forget the reply before."""
        self._frames.reset()
        self._mpg123.reset()

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield the samples of every frame that is complete now."""
        for at in range(0, len(data), SLICE_BYTES):
            for frame in self._frames.cut(data[at : at + SLICE_BYTES]):
                yield from self._samples(frame)
            yield b""  # nonsense takes its time too

    def finish(self) -> Iterator[bytes]:
        """Yield the samples of what waited for more."""
        for frame in self._frames.finish():
            yield from self._samples(frame)

    def _samples(self, frame: bytes) -> Iterator[bytes]:
        if any(frame[at : at + 4] in _TAGS for at in _TAG_AT):
            self._mpg123.reset()
        samples = self._mpg123.decode(frame)
        if samples is None:
            self._damaged_frames += 1
        elif samples:
            yield samples

"""MP3, from any bytes of the stream to samples, by libmpg123.

A reply may be one stream or several in a row: one whose encoder wrote a tag
(Xing, Info) begins with it, and is decoded from a clean state.

libmpg123 mixes stereo down, converts another rate, and leaves out what the encoder's
tag says is not sound. None of its calls used here has a file offset, whose size differs
between 32-bit systems.
"""

import ctypes
import struct
import weakref
from collections.abc import Iterator

from mmid.hal_linux.audio.codecs import SLICE_BYTES, load_library
from mmid.hal_linux.audio.codecs.mp3_frames import Mp3Frames, is_free_format

# Where the tag stands: behind the header, perhaps a checksum, and the side information,
# whose length is one of these (mono or stereo, MPEG 2 or 1).
_TAG_AT = tuple(4 + checksum + side for checksum in (0, 2) for side in (9, 17, 32))
_TAGS = (b"Xing", b"Info")

# Behind the tag's name: flags, of which the lowest says that a count of frames follows.
_COUNT = struct.Struct(">4xII")
_HAS_COUNT = 1

# When it converts the rate, libmpg123 counts in steps of one frame up to the tag's count,
# in one call: 0.6 ms for this many (26 minutes at 24 kHz), 40 s for a false 2^32-1.
_MOST_FRAMES = 1 << 16

# mpg123.h: results, parameters, flags, formats
_OK, _NEW_FORMAT = 0, -11
_NEED_MORE, _DONE = -10, -12
_ADD_FLAGS, _REMOVE_FLAGS = 2, 13
_QUIET, _NO_READAHEAD = 0x20, 0x400000
_MONO, _SIGNED_16 = 1, 0xD0

# More than a frame at our highest rate: 1152 samples of 8 kHz become 6912.
_ROOM = 16384


class Mp3Decoder:
    """A ``Decoder`` of MP3, and of MP2, which libmpg123 plays as well."""

    mode = "mp3"
    refused = ""  # what is no frame is damage

    def __init__(self, rate_hz: int, setting: str) -> None:
        self._frames = Mp3Frames()
        self._mpg123 = Libmpg123(rate_hz, setting)
        self._damaged_frames = 0
        self._free_format = False

    @property
    def damaged(self) -> int:
        return self._frames.damaged + self._damaged_frames

    def reset(self) -> None:
        self._frames.reset()
        self._mpg123.reset()
        self._free_format = False

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), SLICE_BYTES):
            for frame in self._frames.cut(data[at : at + SLICE_BYTES]):
                yield from self._samples(frame)
            yield b""  # other work has its turn, even if these bytes hold no frame

    def finish(self) -> Iterator[bytes]:
        for frame in self._frames.finish():
            yield from self._samples(frame)

    def _samples(self, frame: bytes) -> Iterator[bytes]:
        tags = [at for at in _TAG_AT if frame[at : at + 4] in _TAGS]
        free_format = is_free_format(frame)
        if tags or free_format != self._free_format:
            self._free_format = free_format
            self._mpg123.reset(read_ahead=free_format)
            # Without its tag, which holds no sound, the stream's padding is heard as silence.
            if any(_counts_too_many(frame, at) for at in tags):
                return
        samples = self._mpg123.decode(frame)
        if samples is None:
            self._damaged_frames += 1
        yield samples or b""  # a turn for the others after each frame, whatever it held


def _counts_too_many(frame: bytes, at: int) -> bool:
    """Whether the tag there says that the stream has more frames than we let count."""
    if len(frame) < at + _COUNT.size:
        return False
    flags, count = _COUNT.unpack_from(frame, at)
    return bool(flags & _HAS_COUNT) and count > _MOST_FRAMES


class Libmpg123:
    """Decodes one stream of frames after the other."""

    def __init__(self, rate_hz: int, setting: str) -> None:
        self._library = library = _load(setting)
        self._state = library.mpg123_new(None, None)
        if not self._state:
            raise MemoryError("libmpg123 could not be set up")
        weakref.finalize(self, library.mpg123_delete, self._state)
        library.mpg123_param(self._state, _ADD_FLAGS, _QUIET, 0.0)
        library.mpg123_format_none(self._state)
        library.mpg123_format(self._state, rate_hz, _MONO, _SIGNED_16)
        self._samples = ctypes.create_string_buffer(_ROOM)
        self.reset()

    def reset(self, *, read_ahead: bool = False) -> None:
        """Forget the stream: another one begins.

        Args:
            read_ahead: decode a frame when the next has come: in free format that tells
                its length. Else a stream's first frame is heard at once.
        """
        change = _REMOVE_FLAGS if read_ahead else _ADD_FLAGS
        self._library.mpg123_param(self._state, change, _NO_READAHEAD, 0.0)
        self._library.mpg123_open_feed(self._state)

    def decode(self, frame: bytes) -> bytes | None:
        """Return the samples that a whole frame brings; None if it is damaged."""
        done = ctypes.c_size_t()
        samples = b""
        while True:
            result = self._library.mpg123_decode(
                self._state, frame, len(frame), self._samples, _ROOM, ctypes.byref(done)
            )
            samples += ctypes.string_at(self._samples, done.value)
            if result in {_NEED_MORE, _DONE}:
                return samples
            if result not in {_OK, _NEW_FORMAT}:
                return samples or None
            frame = b""  # libmpg123 keeps what it was fed, and goes on with that


def _load(setting: str) -> ctypes.CDLL:
    library = load_library("libmpg123.so.0", setting, "libmpg123-0t64 (Debian), mpg123 (Buildroot)")
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    if hasattr(library, "mpg123_init"):
        library.mpg123_init()  # needed before 1.27, does nothing since
    library.mpg123_new.restype = pointer
    library.mpg123_delete.argtypes = [pointer]
    library.mpg123_delete.restype = None
    library.mpg123_param.argtypes = [pointer, number, ctypes.c_long, ctypes.c_double]
    library.mpg123_format_none.argtypes = [pointer]
    library.mpg123_format.argtypes = [pointer, ctypes.c_long, number, number]
    library.mpg123_open_feed.argtypes = [pointer]
    library.mpg123_decode.argtypes = [
        *(pointer, ctypes.c_char_p, size),
        *(pointer, size, ctypes.POINTER(size)),
    ]
    return library

"""The door to libmpg123: whole MP3 frames to samples, 16-bit mono at one rate.

The one module that calls it. libmpg123 mixes stereo down, converts another
rate, and leaves out what the encoder's own tag says is not sound. None of its
calls used here has a file offset, whose size differs between 32-bit systems.
"""

import ctypes
import weakref

from mmid.hal_linux.audio.codecs.shared_library import load

__all__ = ["Libmpg123"]

# mpg123.h: results, parameters, flags, formats
_OK, _NEW_FORMAT = 0, -11
_NEED_MORE, _DONE = -10, -12
_ADD_FLAGS = 2
_QUIET, _NO_READAHEAD = 0x20, 0x400000
_MONO, _SIGNED_16 = 1, 0xD0

# More than a frame at our highest rate: 1152 samples of 8 kHz become 6912.
_ROOM = 16384


class Libmpg123:
    """Decodes one stream of frames after the other.

    Args:
        rate_hz: of the samples.
        setting: the setting that asks for it, for messages.

    Raises:
        SettingsInvalid: libmpg123 is not installed.
    """

    def __init__(self, rate_hz: int, setting: str) -> None:
        self._library = library = _load(setting)
        self._state = library.mpg123_new(None, None)
        if not self._state:
            raise MemoryError("libmpg123 could not be set up")
        weakref.finalize(self, library.mpg123_delete, self._state)
        library.mpg123_param(self._state, _ADD_FLAGS, _QUIET | _NO_READAHEAD, 0.0)
        library.mpg123_format_none(self._state)
        library.mpg123_format(self._state, rate_hz, _MONO, _SIGNED_16)
        self._samples = ctypes.create_string_buffer(_ROOM)
        self.reset()

    def reset(self) -> None:
        """Forget the stream: another one begins."""
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
            frame = b""  # it has it, and goes on with it


def _load(setting: str) -> ctypes.CDLL:
    library = load("libmpg123.so.0", setting, "libmpg123-0t64 (Debian), mpg123 (Buildroot)")
    pointer, number, size = ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t
    if hasattr(library, "mpg123_init"):
        library.mpg123_init()  # before 1.27 the tables were made here
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

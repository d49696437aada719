"""The door to libspeexdsp: its echo canceller and its resampler; nothing about clocks or devices.

The one module that calls it. Samples are 16-bit mono. The control numbers are those of
``speex_echo.h``, ``speex_preprocess.h`` of speexdsp 1.2.
"""

import ctypes
import weakref
from fractions import Fraction

from mmid.hal_linux.audio.codecs import load_library

_SAMPLE_BYTES = 2

# A frame's length. So it has a power of two of samples at 8 and 16 kHz, and three times one at 24
# and 48: for those the library's Fourier transform takes a fifth less than for 20 ms (48 million
# instructions a second for 59, on x86-64), and the filter learns as soon. 64 ms would save
# a tenth more, but the microphone would be heard that much later.
FRAME_MS = 32

_ECHO_SET_SAMPLING_RATE = 24
_PREPROCESS_SET_DENOISE = 0
_PREPROCESS_SET_NOISE_SUPPRESS = 18
_PREPROCESS_SET_ECHO_STATE = 24

# Of 0 to 10. What it does to the sound the adaptive filter learns; 3, which is for ears, costs
# three times as much and takes out no more.
_RESAMPLER_QUALITY = 1

# libspeexdsp multiplies two denominators in 32 bits. Fractions with this one are still right
# to one part in 10^9.
_LARGEST_DENOMINATOR = 60000


class LibspeexdspCanceller:
    """Takes the echo out of one frame after the other.

    An adaptive filter (MDF: J. Soo and K. Pang, 1990, with J.-M. Valin's learning rate, 2007)
    takes out what is linear; the preprocessor then turns down what it says is left.

    Args:
        rate_hz: samples a second.
        frame: samples in a frame; the filter works in blocks of as many.
        tail_ms: how long the room answers: the filter's length.

    Raises:
        SettingsInvalid: the library is not installed.
    """

    def __init__(self, rate_hz: int, frame: int, tail_ms: int) -> None:
        self._library = library = load()
        self._echo = library.speex_echo_state_init(frame, rate_hz * tail_ms // 1000)
        weakref.finalize(self, library.speex_echo_state_destroy, self._echo)
        rate = ctypes.byref(ctypes.c_int(rate_hz))
        library.speex_echo_ctl(self._echo, _ECHO_SET_SAMPLING_RATE, rate)
        self._preprocessor = library.speex_preprocess_state_init(frame, rate_hz)
        weakref.finalize(self, library.speex_preprocess_state_destroy, self._preprocessor)
        # Residual echo is turned down only where noise is. The noise itself is the cloud's to
        # judge: 0 dB leaves it, and the talker, as they are.
        self._set(_PREPROCESS_SET_DENOISE, 1)
        self._set(_PREPROCESS_SET_NOISE_SUPPRESS, 0)
        library.speex_preprocess_ctl(self._preprocessor, _PREPROCESS_SET_ECHO_STATE, self._echo)
        self._out = ctypes.create_string_buffer(frame * _SAMPLE_BYTES)

    def cancel(self, heard: bytes, played: bytes) -> bytes:
        """Return a frame without the echo of what was played; each of them is one frame."""
        self._library.speex_echo_cancellation(self._echo, heard, played, self._out)
        self._library.speex_preprocess_run(self._preprocessor, self._out)
        return self._out.raw

    def reset(self) -> None:
        """Forget the room: the echo comes at another time now."""
        self._library.speex_echo_state_reset(self._echo)

    def _set(self, request: int, value: int) -> None:
        number = ctypes.byref(ctypes.c_int(value))
        self._library.speex_preprocess_ctl(self._preprocessor, request, number)


class LibspeexdspResampler:
    """Makes samples of one rate from those of another, whose clock may be a little off.

    Args:
        from_hz: samples a second of what goes in.
        to_hz: of what comes out.

    Attributes:
        held: how many samples come out only when more has gone in.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._library = library = load()
        self._rates = from_hz, to_hz
        self._state = library.speex_resampler_init(1, from_hz, to_hz, _RESAMPLER_QUALITY, None)
        weakref.finalize(self, library.speex_resampler_destroy, self._state)
        library.speex_resampler_skip_zeros(self._state)  # else all would come a little later
        self.held: int = library.speex_resampler_get_output_latency(self._state)

    def set_drift(self, ppm: float) -> None:
        """What goes in comes faster than its rate by so many millionths, from now on."""
        exact = Fraction(*self._rates) * (1 + Fraction(ppm) / 1_000_000)
        near = exact.limit_denominator(_LARGEST_DENOMINATOR)
        self._library.speex_resampler_set_rate_frac(
            self._state, near.numerator, near.denominator, *self._rates
        )

    def convert(self, samples: bytes) -> bytes:
        """Return the next samples."""
        count = len(samples) // _SAMPLE_BYTES
        from_hz, to_hz = self._rates
        room = count * to_hz // from_hz * 101 // 100 + 16
        taken, made = ctypes.c_uint32(count), ctypes.c_uint32(room)
        out = ctypes.create_string_buffer(room * _SAMPLE_BYTES)
        self._library.speex_resampler_process_int(
            self._state, 0, samples, ctypes.byref(taken), out, ctypes.byref(made)
        )
        return out.raw[: made.value * _SAMPLE_BYTES]


def load() -> ctypes.CDLL:
    """Load the library.

    Raises:
        SettingsInvalid: it is not installed.
    """
    library = load_library(
        "libspeexdsp.so.1",
        "audio.echo_canceller = 'speex'",
        "libspeexdsp1 (Debian), speexdsp (Buildroot)",
        otherwise="none",
    )
    pointer, number, samples = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    count = ctypes.c_uint32
    for maker, arguments in {
        "echo_state_init": [number, number],
        "preprocess_state_init": [number, number],
        "resampler_init": [count, count, count, number, pointer],
    }.items():
        function = getattr(library, f"speex_{maker}")
        function.argtypes, function.restype = arguments, pointer
    for name, arguments in {
        "echo_state_destroy": [pointer],
        "echo_state_reset": [pointer],
        "echo_ctl": [pointer, number, pointer],
        "echo_cancellation": [pointer, samples, samples, samples],
        "preprocess_state_destroy": [pointer],
        "preprocess_ctl": [pointer, number, pointer],
        "preprocess_run": [pointer, samples],
        "resampler_destroy": [pointer],
        "resampler_get_output_latency": [pointer],
        "resampler_skip_zeros": [pointer],
        "resampler_set_rate_frac": [pointer, count, count, count, count],
        "resampler_process_int": [pointer, count, samples, pointer, samples, pointer],
    }.items():
        getattr(library, f"speex_{name}").argtypes = arguments
    return library

"""The door to libopus: packets to samples, samples to packets; nothing about streams.

The one module that calls it. Samples are 16-bit mono, at one of Opus' own rates.
"""

import ctypes
import weakref

from mmid.frozen import frozen
from mmid.hal_linux.audio.codecs import load_library
from mmid.hal_linux.audio.samples import mix_down

# RFC 6716, section 3.4: 48 frames in a packet, none longer than 1275 bytes.
LONGEST_PACKET_BYTES = 48 * 1275

_SAMPLE_BYTES = 2

_LONGEST_PACKET_MS = 120

# opus_defines.h
_APPLICATION_VOIP = 2048
_SET_BITRATE = 4002
_SET_COMPLEXITY = 4010
_GET_LOOKAHEAD = 4027
_RESET_STATE = 4028
_SET_GAIN = 4034

# Of 0 to 10. At 32 kbit/s speech the ear gains nothing above it, and a small
# board pays (docs/codecs.md).
_COMPLEXITY = 5

# No packet of 20 ms is longer, whatever the bit rate.
_PACKET_ROOM = 1500


@frozen
class Layout:
    """How the channels are packed (RFC 7845, section 5.1.1): as libopus wants to be told.

    The default is one stream, mono or stereo, which libopus mixes down by itself.
    """

    channels: int = 1
    streams: int = 1
    coupled: int = 0  # so many of the streams are stereo
    mapping: bytes = b"\0"  # of each channel


MONO = Layout()


class LibopusDecoder:
    """Decodes one packet at a time; libopus has all our rates.

    Args:
        rate_hz: of the samples.
        setting: the setting that asks for it, for messages.
        layout: one that libopus takes; more channels than one are mixed down.
    """

    def __init__(self, rate_hz: int, setting: str, layout: Layout = MONO) -> None:
        self.layout = layout
        self._library = _load(setting)
        packing = (layout.channels, layout.streams, layout.coupled, layout.mapping)
        self._state = _create(self, self._library, "multistream_decoder", rate_hz, *packing)
        self._longest = rate_hz * _LONGEST_PACKET_MS // 1000
        room = self._longest * layout.channels * _SAMPLE_BYTES
        self._samples = ctypes.create_string_buffer(room)

    def reset(self) -> None:
        """Forget the past: what follows is another stream."""
        self._library.opus_multistream_decoder_ctl(self._state, _RESET_STATE)
        self.set_gain(0)

    def set_gain(self, q8_db: int) -> None:
        """Scale what is decoded, by 1/256 dB."""
        self._library.opus_multistream_decoder_ctl(self._state, _SET_GAIN, q8_db)

    def decode(self, packet: bytes) -> bytes | None:
        """Return the samples of a packet, or None if libopus refuses it."""
        if not 0 < len(packet) <= LONGEST_PACKET_BYTES:
            return None  # libopus takes no bytes for a lost packet, and would invent sound
        count = self._library.opus_multistream_decode(
            self._state, packet, len(packet), self._samples, self._longest, 0
        )
        if count < 0:
            return None
        channels = self.layout.channels
        return mix_down(ctypes.string_at(self._samples, count * channels * _SAMPLE_BYTES), channels)


class LibopusEncoder:
    """Encodes one frame of speech at a time.

    Attributes:
        lookahead: so many samples later than they went in, samples come out of a decoder.
    """

    def __init__(self, rate_hz: int, bits_per_s: int, setting: str) -> None:
        self._library = library = _load(setting)
        self._state = _create(self, library, "encoder", rate_hz, 1, _APPLICATION_VOIP)
        library.opus_encoder_ctl(self._state, _SET_BITRATE, bits_per_s)
        library.opus_encoder_ctl(self._state, _SET_COMPLEXITY, _COMPLEXITY)
        lookahead = ctypes.c_int()
        library.opus_encoder_ctl(self._state, _GET_LOOKAHEAD, ctypes.byref(lookahead))
        self.lookahead = lookahead.value
        self._packet = ctypes.create_string_buffer(_PACKET_ROOM)

    def reset(self) -> None:
        """Forget the past: what follows is another speech."""
        self._library.opus_encoder_ctl(self._state, _RESET_STATE)

    def encode(self, frame: bytes) -> bytes:
        """Return the packet of 20 ms of samples (or 10, 40, 60)."""
        size = self._library.opus_encode(
            self._state, frame, len(frame) // _SAMPLE_BYTES, self._packet, _PACKET_ROOM
        )
        if size <= 0:  # only for a frame of a length that Opus does not have
            raise ValueError(f"libopus refused a frame of {len(frame)} bytes: {size}")
        return ctypes.string_at(self._packet, size)


def _load(setting: str) -> ctypes.CDLL:
    library = load_library("libopus.so.0", setting, "libopus0 (Debian), opus (Buildroot)")
    pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    for kind in ("encoder", "multistream_decoder"):
        getattr(library, f"opus_{kind}_create").restype = pointer
        getattr(library, f"opus_{kind}_destroy").argtypes = [pointer]
        getattr(library, f"opus_{kind}_destroy").restype = None
        # Only the first two: the others are C's "...", where ctypes passes ints and pointers well.
        getattr(library, f"opus_{kind}_ctl").argtypes = [pointer, number]
    library.opus_multistream_decode.argtypes = [
        *(pointer, text, ctypes.c_int32),
        *(pointer, number, number),
    ]
    library.opus_encode.argtypes = [pointer, text, number, pointer, ctypes.c_int32]
    return library


def _create(owner: object, library: ctypes.CDLL, kind: str, *arguments: int | bytes) -> int:
    """Make libopus' state of an encoder or a decoder; it is freed with its owner."""
    code = ctypes.c_int()
    state: int = getattr(library, f"opus_{kind}_create")(*arguments, ctypes.byref(code))
    if not state:
        raise MemoryError(f"libopus could not be set up: its error {code.value}")
    weakref.finalize(owner, getattr(library, f"opus_{kind}_destroy"), state)
    return state

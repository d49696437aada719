"""Opus packets without a container, one in each binary frame, both ways.

That one binary frame is one whole packet is an assumption: no document says
so, and nothing else would work, because a bare packet does not tell its
length. The session relies on it too: it never joins or splits such speech.
"""

from collections.abc import Iterator

from mmid.hal_linux.audio.codecs.libopus import LibopusDecoder, LibopusEncoder

_PACKET_MS = 20
_SAMPLE_BYTES = 2

# A cloud may begin with the header packets that Opus has in Ogg (RFC 7845, section 5),
# each alone in a frame, or before the first packet of sound in the same one.
_HEAD_MAGIC, _HEAD_BYTES = b"OpusHead", 19
_TAGS_MAGIC = b"OpusTags"
_FAMILY_AT, _CHANNELS_AT = 18, 9
_LENGTH_BYTES = 4


class RawOpusDecoder:
    """A ``Decoder`` of bare packets: each call is given one packet.

    Attributes:
        damaged: frames that were no packet.
    """

    mode = "raw-opus"
    refused = ""  # any bytes may be a packet

    def __init__(self, rate_hz: int, setting: str) -> None:
        self.damaged = 0
        self._opus = LibopusDecoder(rate_hz, setting)

    def reset(self) -> None:
        """Forget the reply before."""
        self._opus.reset()

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield the samples of a packet, once: none of a header, or of what is no packet."""
        packet = _without_header(data)
        samples = self._opus.decode(packet)
        if samples is None:
            self.damaged += bool(packet) or not data
        yield samples or b""

    def finish(self) -> Iterator[bytes]:
        """Yield nothing: no part of a packet waits."""
        return iter(())


def _without_header(frame: bytes) -> bytes:
    """Return what follows the header packets in a frame; nothing if there is only a header."""
    if frame.startswith(_HEAD_MAGIC):
        frame = frame[_head_bytes(frame) :]
    if frame.startswith(_TAGS_MAGIC):
        frame = frame[_tags_bytes(frame) :]
    return frame


def _head_bytes(frame: bytes) -> int:
    """Return the length of OpusHead: families other than 0 have a table of the channels."""
    has_table = len(frame) >= _HEAD_BYTES and frame[_FAMILY_AT] > 0
    return _HEAD_BYTES + (2 + frame[_CHANNELS_AT] if has_table else 0)


def _tags_bytes(frame: bytes) -> int:
    """Return the length of OpusTags: the vendor's name, a count, and so many comments."""
    end = len(_TAGS_MAGIC)

    def number() -> int:
        return int.from_bytes(frame[end : end + _LENGTH_BYTES], "little")

    end += _LENGTH_BYTES + number()
    comments = number()
    end += _LENGTH_BYTES
    while comments and end < len(frame):
        end += _LENGTH_BYTES + number()
        comments -= 1
    return end


class RawOpusEncoder:
    """An ``Encoder`` to bare packets of 20 ms.

    The last packet is filled up with silence, by another packet if need be:
    a decoder gives what it decodes some milliseconds late, and the end of the
    last word must be among it.
    """

    def __init__(self, rate_hz: int, bits_per_s: int, setting: str) -> None:
        self._opus = LibopusEncoder(rate_hz, bits_per_s, setting)
        self._frame_bytes = rate_hz * _PACKET_MS // 1000 * _SAMPLE_BYTES
        self._pending = bytearray()

    def reset(self) -> None:
        self._opus.reset()
        self._pending.clear()

    def encode(self, samples: bytes) -> list[bytes]:
        self._pending += samples
        packets = []
        while len(self._pending) >= self._frame_bytes:
            packets.append(self._opus.encode(bytes(self._pending[: self._frame_bytes])))
            del self._pending[: self._frame_bytes]
        return packets

    def finish(self) -> list[bytes]:
        late = self._opus.lookahead * _SAMPLE_BYTES
        missing = -(len(self._pending) + late) % self._frame_bytes
        return self.encode(bytes(late + missing))

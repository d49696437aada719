"""Opus packets without a container, one in each binary frame, both ways.

That one binary frame is one whole packet is an assumption: no document says
so, and nothing else would work, because a bare packet does not tell its
length. The session relies on it too: it never joins or splits such speech.
"""

from collections.abc import Iterator

from mmid.hal_linux.audio.codecs.libopus import LibopusDecoder, LibopusEncoder

_PACKET_MS = 20
_SAMPLE_BYTES = 2


class RawOpusDecoder:
    """A ``Decoder`` of bare packets: each call is given one packet.

    Attributes:
        damaged: frames that were no packet.
    """

    def __init__(self, rate_hz: int, setting: str) -> None:
        self.damaged = 0
        self._opus = LibopusDecoder(rate_hz, setting)

    def reset(self) -> None:
        """Forget the reply before."""
        self._opus.reset()

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Yield the samples of a packet."""
        samples = self._opus.decode(data)
        if samples is None:
            self.damaged += 1
        else:
            yield samples

    def finish(self) -> Iterator[bytes]:
        """Yield nothing: no part of a packet waits."""
        return iter(())


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

"""The codecs of a simulated cloud: replies encoded, speech decoded, by FFmpeg.

PyAV is imported when a Start asks for a codec. The device under test decodes
with other code, so the two keep each other honest.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

# What a service sends of a stream at a time. No multiple of anything in it.
_PIECE_BYTES = 1000

_MP3_BITS_PER_S = 32_000


@dataclass(frozen=True, slots=True)
class ReplyFormat:
    """How a reply is to be encoded.

    Attributes:
        mode: ``pcm``, ``mp3``, ``opus`` (in Ogg, a packet a page) or ``raw-opus``.
        rate_hz: sample rate.
        frame_ms: length of an Opus packet.
        kbit_s: bit rate of Opus.
    """

    mode: str
    rate_hz: int
    frame_ms: int
    kbit_s: int


def available() -> bool:
    """Tell whether PyAV is installed."""
    try:
        import av  # noqa: F401, PLC0415 - only if a codec is asked for
    except ImportError:
        return False
    return True


def encode(samples: bytes, wanted: ReplyFormat) -> tuple[bytes, ...]:
    """Return the frames of a reply: bare packets, or a stream cut somewhere."""
    if wanted.mode == "raw-opus":
        return tuple(_opus_packets(samples, wanted))
    stream = _file(samples, wanted)
    return tuple(stream[at : at + _PIECE_BYTES] for at in range(0, len(stream), _PIECE_BYTES))


class UndecodableAudio(ValueError):
    """What a client sent as a packet of a codec is none."""


class OpusSpeech:
    """Decodes the bare packets of one speech.

    Args:
        rate_hz: of the samples.
    """

    def __init__(self, rate_hz: int) -> None:
        import av  # noqa: PLC0415 - only if a codec is asked for

        self._av: Any = av
        self._codec: Any = av.CodecContext.create("libopus", "r")
        self._codec.layout = "mono"
        self._codec.sample_rate = 48000
        self._resampler: Any = av.AudioResampler(format="s16", layout="mono", rate=rate_hz)

    def decode(self, packet: bytes) -> bytes:
        """Return the samples of a packet.

        Raises:
            UndecodableAudio: it is none.
        """
        try:
            return self._samples(self._codec.decode(self._av.Packet(packet)))
        except self._av.FFmpegError as error:
            raise UndecodableAudio(f"{len(packet)} bytes are no Opus packet: {error}") from error

    def _samples(self, frames: Iterable[Any]) -> bytes:
        resampled = (piece for frame in frames for piece in self._resampler.resample(frame))
        return b"".join(bytes(piece.planes[0])[: piece.samples * 2] for piece in resampled)


def _file(samples: bytes, wanted: ReplyFormat) -> bytes:
    """Encode to a whole file in memory; Ogg gets a page for each packet."""
    import av  # noqa: PLC0415 - only if a codec is asked for

    target = io.BytesIO()
    container, codec = {"mp3": ("mp3", "libmp3lame"), "opus": ("ogg", "libopus")}[wanted.mode]
    paging = {"page_duration": "1"} if wanted.mode == "opus" else {}
    framing = {"frame_duration": str(wanted.frame_ms)} if wanted.mode == "opus" else {}
    with av.open(target, "w", format=container, options=paging) as output:
        stream: Any = output.add_stream(codec, rate=wanted.rate_hz, layout="mono", options=framing)
        stream.bit_rate = wanted.kbit_s * 1000 if wanted.mode == "opus" else _MP3_BITS_PER_S
        for frame in (_frame(samples, wanted.rate_hz), None):
            for packet in stream.encode(frame):
                output.mux(packet)
    return target.getvalue()


def _opus_packets(samples: bytes, wanted: ReplyFormat) -> Iterator[bytes]:
    import av  # noqa: PLC0415 - only if a codec is asked for

    codec: Any = av.CodecContext.create("libopus", "w")
    codec.sample_rate = wanted.rate_hz
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = wanted.kbit_s * 1000
    codec.options = {"frame_duration": str(wanted.frame_ms)}
    size = wanted.rate_hz * wanted.frame_ms // 1000 * 2
    whole = samples + bytes(-len(samples) % size)
    for at in range(0, len(whole), size):
        frame = _frame(whole[at : at + size], wanted.rate_hz, at // 2)
        yield from map(bytes, codec.encode(frame))
    yield from map(bytes, codec.encode(None))


def _frame(samples: bytes, rate_hz: int, at: int = 0) -> Any:
    import av  # noqa: PLC0415 - only if a codec is asked for

    frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
    frame.planes[0].update(samples)
    frame.sample_rate = rate_hz
    frame.time_base = Fraction(1, rate_hz)
    frame.pts = at
    return frame

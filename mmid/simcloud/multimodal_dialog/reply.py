"""When each part of a simulated reply leaves: a list of timed steps.

The order is the real cloud's (fact sheet, section 13): Responding,
RespondingStarted, audio with the text growing beside it, the whole text,
RespondingEnded. An application without a voice has the text only, and listens
again (section 6: never wait for Responding).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmid.simcloud.core.codecs import encode
from mmid.simcloud.core.voice import growing
from mmid.simcloud.multimodal_dialog.start import Start

_FRAME_BYTES = 8000


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said."""

    text: str
    samples: bytes
    round_id: str
    spoken: bool = True
    extra_info: Mapping[str, Any] = field(default_factory=dict)
    extra_in: str = "last"


@dataclass(frozen=True, slots=True)
class Step:
    """One part of it.

    Attributes:
        after_s: when, counted from the first step.
        event: the event to send, or empty for audio.
        fields: its fields.
        audio: the frame.
    """

    after_s: float
    event: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    audio: bytes = b""


def steps(reply: Reply, start: Start, pace: float) -> Iterator[Step]:
    """Lay out a reply in time.

    Args:
        reply: what is said.
        start: what the client asked for: rate, texts, limits.
        pace: speed of the audio, times real time; 0: no limit.
    """
    if not reply.spoken:
        for fields in _contents(reply, start):
            yield Step(0.0, "RespondingContent", fields)
        yield Step(0.0, "DialogStateChanged", {"state": "Listening"})
        return
    yield Step(0.0, "DialogStateChanged", {"state": "Responding"})
    yield Step(0.0, "RespondingStarted")
    frames = _frames(reply.samples, start)
    size = sum(map(len, frames))
    seconds = len(reply.samples) / (start.downstream_hz * 2)
    second = _seconds_per_byte(start.rate_limit_bytes, seconds / (size or 1), pace)
    texts = list(_contents(reply, start))
    count, sent = len(frames), 0
    for index, data in enumerate(frames):
        at = sent * second
        sent += len(data)
        if data:
            yield Step(at, audio=data)
        # The texts are spread evenly over the frames; the last one comes with the last frame.
        done, due = (len(texts) * number // count for number in (index, index + 1))
        for fields in texts[done:due]:
            yield Step(at, "RespondingContent", fields)
    yield Step(size * second, "RespondingEnded")


def _contents(reply: Reply, start: Start) -> Iterator[dict[str, Any]]:
    """Yield the fields of each RespondingContent; none unless ``dialog`` was asked for."""
    if "dialog" not in start.texts or not reply.text:
        return
    pieces = growing(reply.text)
    sent = 0
    for number, piece in enumerate(pieces, 1):
        text = piece[sent:] if start.incremental else piece
        sent = len(piece)
        fields: dict[str, Any] = {
            "text": text,
            "spoken": text,
            "finished": number == len(pieces),
            "round_id": reply.round_id,
            "llm_request_id": reply.round_id,
        }
        if fields["finished"]:
            fields["finish_reason"] = "stop"
        if reply.extra_info and (fields["finished"] or reply.extra_in == "every"):
            fields["extra_info"] = reply.extra_info
        yield fields


def _frames(samples: bytes, start: Start) -> tuple[bytes, ...]:
    """Return what is sent of the samples, at least one frame; it may be empty."""
    if start.reply_format.mode != "pcm" and samples:
        return encode(samples, start.reply_format)
    size = _frame_bytes(start.rate_limit_bytes)
    return tuple(samples[at : at + size] for at in range(0, max(len(samples), 1), size))


def _seconds_per_byte(rate_limit_bytes: int, natural: float, pace: float) -> float:
    real_time = natural / pace if pace else 0.0
    limit = 1 / rate_limit_bytes if rate_limit_bytes else 0.0
    return max(real_time, limit)


def _frame_bytes(rate_limit_bytes: int) -> int:
    """Return the frame size: under a tight limit frames are a tenth of a second of it."""
    if not rate_limit_bytes:
        return _FRAME_BYTES
    return min(_FRAME_BYTES, max(320, rate_limit_bytes // 20 * 2))

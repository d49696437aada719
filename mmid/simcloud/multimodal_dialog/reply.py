"""A simulated reply: what its texts carry, and when each part of it leaves.

The order is the real cloud's (fact sheet, section 13): Responding,
RespondingStarted, audio with the text growing beside it, the whole text,
RespondingEnded. An application without a voice has the text only, and listens
again (section 6: never wait for Responding). Commands, tool calls and the rest of
``extra_info`` ride on the texts (section 9): commands as JSON within JSON, or as the
array that some pages have.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmid.simcloud.core.codecs import encode
from mmid.simcloud.core.scenario import ScriptedTurn, own_table
from mmid.simcloud.core.voice import growing
from mmid.simcloud.multimodal_dialog.start import Start
from mmid.simcloud.multimodal_dialog.vocabulary import ReplyExtras

_FRAME_BYTES = 8000


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


def steps(
    turn: ScriptedTurn, samples: bytes, start: Start, *, pace: float, round_id: str
) -> Iterator[Step]:
    """Lay out a reply in time.

    Args:
        turn: what is said.
        samples: its audio.
        start: what the client asked for: rate, texts, limits.
        pace: speed of the audio, times real time; 0: no limit.
        round_id: a UUID, told with the texts.
    """
    texts = list(_contents(turn, start, round_id))
    if not turn.spoken:
        for fields in texts:
            yield Step(0.0, "RespondingContent", fields)
        yield Step(0.0, "DialogStateChanged", {"state": "Listening"})
        return
    yield Step(0.0, "DialogStateChanged", {"state": "Responding"})
    yield Step(0.0, "RespondingStarted")
    frames = _frames(samples, start)
    size = sum(map(len, frames))
    seconds = len(samples) / (start.downstream_hz * 2)
    second = _seconds_per_byte(start.rate_limit_bytes, seconds / (size or 1), pace)
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


def _contents(turn: ScriptedTurn, start: Start, round_id: str) -> Iterator[dict[str, Any]]:
    """Yield the fields of each RespondingContent; none unless ``dialog`` was asked for."""
    if "dialog" not in start.texts or not turn.reply:
        return
    pieces = growing(turn.reply)
    extra, every = extra_info(turn), own_table(turn, ReplyExtras).extra_in == "every"
    sent = 0
    for number, piece in enumerate(pieces, 1):
        text = piece[sent:] if start.incremental else piece
        sent = len(piece)
        fields: dict[str, Any] = {
            "text": text,
            "spoken": text,
            "finished": number == len(pieces),
            "round_id": round_id,
            "llm_request_id": round_id,
        }
        if fields["finished"]:
            fields["finish_reason"] = "stop"
        if extra and (fields["finished"] or every):
            fields["extra_info"] = extra
        yield fields


def extra_info(turn: ScriptedTurn) -> dict[str, Any]:
    """Return the ``extra_info`` of a turn's reply; empty if it has none."""
    extras = own_table(turn, ReplyExtras)
    extra: dict[str, Any] = {}
    if turn.commands:
        listed = list(turn.commands)
        extra["commands"] = listed if extras.commands_form == "array" else _json(listed)
    if turn.tool_calls:
        calls = enumerate(turn.tool_calls, 1)
        extra["tool_calls"] = [_tool_call(number, call) for number, call in calls]
    return extra | dict(extras.extra_info)


def _tool_call(number: int, call: Mapping[str, Any]) -> dict[str, Any]:
    """Return a call as the wire has it: what went in and came out are JSON strings."""
    return {
        "id": call.get("id", f"call_{number}"),
        "type": "function",
        "function": {
            "name": call["name"],
            "arguments": _json(call.get("arguments", {})),
            "outputs": _json(call.get("outputs", {})),
            "status": call.get("status", {"code": 200, "message": "success"}),
        },
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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

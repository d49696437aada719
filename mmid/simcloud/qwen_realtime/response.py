"""A response of the model: which events it is made of, and when each leaves.

The order is the service's (fact sheet, section 7): created, the item and its part, the
text growing beside the audio, and everything said to be done, one after the other. A
response that calls functions has no audio (section 10).
"""

import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mmid.simcloud.core.scenario import ScriptedTurn
from mmid.simcloud.core.voice import growing
from mmid.simcloud.qwen_realtime.session import voice_of

_DELTA_BYTES = 9600  # 200 ms at 24 kHz
_ODD = 333  # bytes that are not there at the end of an odd delta: no whole sample


@dataclass(frozen=True, slots=True)
class ResponseStep:
    """One event of it.

    Attributes:
        after_s: when, counted from the first one after the thinking.
        kind: the type of the event; empty for audio.
        fields: its fields.
        audio: the samples.
    """

    after_s: float
    kind: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    audio: bytes = b""


@dataclass(slots=True)
class ModelResponse:
    """One response while it is active.

    Attributes:
        id: of the response.
        item_id: of what it says.
        modalities: ``text``, and ``audio`` if it is spoken.
        status: how it will end.
        plan: what is still to be sent, each with its time on the clock.
        calls: the functions that it calls: call id -> name and arguments.
        said: its text so far.
        spoken_s: its audio so far, in seconds.
    """

    id: str
    item_id: str
    modalities: list[str]
    status: str = "completed"
    plan: deque[tuple[float, ResponseStep]] = field(default_factory=deque)
    calls: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    said: str = ""
    spoken_s: float = 0.0

    @property
    def where(self) -> dict[str, Any]:
        """What every part of it names."""
        return {
            "response_id": self.id,
            "item_id": self.item_id,
            "output_index": 0,
            "content_index": 0,
        }

    def describe(self, session: Mapping[str, Any], status: str, **fields: Any) -> dict[str, Any]:
        """Return the ``response`` of ``response.created`` and ``response.done``."""
        return {
            "id": self.id,
            "object": "realtime.response",
            "conversation_id": "conv_1",
            "status": status,
            "modalities": self.modalities,
            "voice": voice_of(session),
            "output_audio_format": session["output_audio_format"],
            "output": [],
            **fields,
        }

    def item(self, status: str) -> dict[str, Any]:
        """Return the item of what it says."""
        kind = "audio" if "audio" in self.modalities else "text"
        content = [{"type": kind, "transcript": self.said}] if status == "completed" else []
        return {
            "id": self.item_id,
            "object": "realtime.item",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }


def reply_steps(
    response: ModelResponse, turn: ScriptedTurn, samples: bytes, bytes_per_s: float, *, odd: bool
) -> Iterator[ResponseStep]:
    """Lay out what is said.

    Args:
        response: what it is a part of.
        turn: the script.
        samples: its audio; empty without a voice.
        bytes_per_s: how fast the audio leaves; 0: as fast as the client reads.
        odd: cut the audio in the middle of samples.
    """
    spoken = bool(samples)
    part = {"type": "audio" if spoken else "text", "text": ""}
    text_kind = "response.audio_transcript" if spoken else "response.text"
    yield from _item_steps(response.item("in_progress"), response.id, 0.0)
    yield ResponseStep(0.0, "response.content_part.added", {**response.where, "part": part})
    size = _DELTA_BYTES - (_ODD if odd else 0)
    deltas = [samples[at : at + size] for at in range(0, max(len(samples), 1), size)]
    texts = _text_deltas(turn.reply)
    sent = 0
    for number, audio in enumerate(deltas):
        at = sent / bytes_per_s if bytes_per_s else 0.0
        sent += len(audio)
        first, last = (len(texts) * n // len(deltas) for n in (number, number + 1))
        for text in texts[first:last]:
            yield ResponseStep(at, f"{text_kind}.delta", {**response.where, "delta": text})
        if audio:
            yield ResponseStep(at, audio=audio)
    end = sent / bytes_per_s if bytes_per_s else 0.0
    full = "transcript" if spoken else "text"
    yield ResponseStep(end, f"{text_kind}.done", {**response.where, full: turn.reply})
    if spoken:
        yield ResponseStep(end, "response.audio.done", response.where)
    done = {**response.where, "part": {**part, "text": turn.reply}}
    yield ResponseStep(end, "response.content_part.done", done)
    yield ResponseStep(
        end, "response.output_item.done", {"response_id": response.id, "output_index": 0}
    )
    yield ResponseStep(end, "response.done")


def call_steps(response: ModelResponse) -> Iterator[ResponseStep]:
    """Lay out the functions that are called."""
    for index, (call_id, call) in enumerate(response.calls.items()):
        item_id = f"{response.item_id}_{index}"
        where = {
            "response_id": response.id,
            "item_id": item_id,
            "output_index": index,
            "call_id": call_id,
        }
        # The real service was seen to begin the arguments with a space.
        arguments = " " + json.dumps(call.get("arguments", {}), ensure_ascii=False)
        item = {
            "id": item_id,
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "call_id": call_id,
            "name": call["name"],
            "arguments": "",
        }
        yield from _item_steps(item, response.id, 0.0, index)
        kind = "response.function_call_arguments"
        for start in range(0, len(arguments), 16):
            delta = arguments[start : start + 16]
            yield ResponseStep(0.0, f"{kind}.delta", {**where, "delta": delta})
        yield ResponseStep(
            0.0, f"{kind}.done", {**where, "name": call["name"], "arguments": arguments}
        )
        done = {**item, "status": "completed", "arguments": arguments}
        told = {"response_id": response.id, "output_index": index, "item": done}
        yield ResponseStep(0.0, "response.output_item.done", told)
    yield ResponseStep(0.0, "response.done")


def _item_steps(
    item: Mapping[str, Any], response_id: str, at: float, index: int = 0
) -> Iterator[ResponseStep]:
    told = {"response_id": response_id, "output_index": index, "item": item}
    yield ResponseStep(at, "response.output_item.added", told)
    yield ResponseStep(at, "conversation.item.created", {"item": item})


def _text_deltas(text: str) -> list[str]:
    """Return what each piece of a growing text adds."""
    pieces = ["", *growing(text)] if text else []
    return [after[len(before) :] for before, after in pairwise(pieces)]

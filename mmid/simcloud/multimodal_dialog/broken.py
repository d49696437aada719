"""Frames that no honest cloud sends: the malformed data and the floods of a scenario's faults."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from mmid.simcloud.core.actions import (
    Action,
    Drop,
    Flood,
    Pause,
    SendAudio,
    SendBrokenText,
    SendRaw,
    SendText,
)
from mmid.simcloud.multimodal_dialog.messages import event_text

_HUGE = 1_100_000
_FLOOD_FRAME = bytes(8000)

# RFC 6455 section 5.2: FIN and an opcode; a server does not mask.
_FIN_BINARY = 0x82
_FIN_CLOSE = 0x88
_FIN_RESERVED = 0x8B
_LENGTH_16 = 126

# A client that knows the rules has left by then.
_LEAVE = (Pause(2.0), Drop())


@dataclass(frozen=True, slots=True)
class Task:
    """What a frame says of its connection."""

    task_id: str
    dialog_id: str

    def event(self, name: str, **fields: object) -> str:
        """Return the text frame of an event of this dialog."""
        return event_text(self.task_id, self.dialog_id, name, fields)


Make = Callable[[Task, tuple[str, ...]], list[Action]]


def _wrong_types(task: Task, _: tuple[str, ...]) -> list[Action]:
    header = {"task_id": task.task_id, "event": "result-generated"}
    outputs = (
        7,
        {"event": ["Started"]},
        {"event": "DialogStateChanged", "state": 7},
        {"event": "SpeechContent", "text": {}, "finished": "maybe"},
    )
    frames: tuple[object, ...] = (
        *({"header": header, "payload": {"output": output}} for output in outputs),
        {"header": [], "payload": "x"},
        [],
        None,
    )
    return [SendText(json.dumps(frame), "wrong-types") for frame in frames]


def _huge_text(task: Task, _: tuple[str, ...]) -> list[Action]:
    return [
        SendText(task.event("RespondingContent", text="x" * _HUGE, finished=False), "huge-text")
    ]


def _unknown_event(task: Task, _: tuple[str, ...]) -> list[Action]:
    text = task.event("SomethingNew", text="from a later version", finished=None)
    return [SendText(text, "SomethingNew")]


def _unknown_state(task: Task, _: tuple[str, ...]) -> list[Action]:
    return [SendText(task.event("DialogStateChanged", state="Dreaming"), "unknown-state")]


def _text_flood(task: Task, arguments: tuple[str, ...]) -> list[Action]:
    text = task.event("RespondingContent", text="again", spoken="again", finished=False)
    return [Flood(SendText(text, "text-flood"), int(arguments[0]))]


def _audio_flood(_: Task, arguments: tuple[str, ...]) -> list[Action]:
    return [Flood(SendAudio(_FLOOD_FRAME, stray=True), int(arguments[0]))]


def _long_reason(_: Task, arguments: tuple[str, ...]) -> list[Action]:
    payload = int(arguments[0]).to_bytes(2, "big") + b"because " * 20
    head = bytes((_FIN_CLOSE, _LENGTH_16, *len(payload).to_bytes(2, "big")))
    return [SendRaw(head + payload), *_LEAVE]


def _half_frame(_: Task, __: tuple[str, ...]) -> list[Action]:
    size = len(_FLOOD_FRAME)
    head = bytes((_FIN_BINARY, _LENGTH_16, *size.to_bytes(2, "big")))
    return [SendRaw(head + _FLOOD_FRAME[: size // 2]), Drop()]


# The name of a fault -> what leaves then.
BROKEN: dict[str, Make] = {
    "not-json": lambda *_: [SendText('{"header": oops', "not-json")],
    "wrong-types": _wrong_types,
    "huge-text": _huge_text,
    "invalid-utf8": lambda *_: [SendBrokenText(b'{"header":{"event":"\xff\xfe\xc0"}}')],
    "unknown-event": _unknown_event,
    "unknown-state": _unknown_state,
    "odd-binary": lambda *_: [SendAudio(b"\x01" * 641, stray=True)],
    "early-binary": lambda *_: [SendAudio(b"\x01\x00" * 320, stray=True)],
    "empty-binary": lambda *_: [SendAudio(b"", stray=True)],
    "half-frame": _half_frame,
    "bad-opcode": lambda *_: [SendRaw(bytes((_FIN_RESERVED, 0))), *_LEAVE],
    "long-reason": _long_reason,
    "text-flood": _text_flood,
    "audio-flood": _audio_flood,
}

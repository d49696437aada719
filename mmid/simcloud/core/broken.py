"""Frames that no honest cloud sends: the malformed data and the floods of a scenario's faults."""

from collections.abc import Callable, Mapping

from mmid.simcloud.core.actions import (
    Action,
    Drop,
    Flood,
    Pause,
    SendBrokenText,
    SendRaw,
    SendReplyAudio,
    SendText,
)

# Characters of a text that is longer than the MiB which clients allow.
HUGE = 1_100_000
_FLOOD_FRAME = bytes(8000)

# RFC 6455 section 5.2: FIN and an opcode; a server does not mask.
_FIN_BINARY = 0x82
_FIN_CLOSE = 0x88
_FIN_RESERVED = 0x8B
_LENGTH_16 = 126

# A client that knows the rules has left by then.
_LEAVE = (Pause(2.0), Drop())


def _text_flood(count: str) -> list[Action]:
    return [Flood(SendText("{}", "text-flood"), int(count))]


def _audio_flood(count: str) -> list[Action]:
    return [Flood(SendReplyAudio(_FLOOD_FRAME, stray=True), int(count))]


def _long_reason(code: str) -> list[Action]:
    payload = int(code).to_bytes(2, "big") + b"because " * 20
    head = bytes((_FIN_CLOSE, _LENGTH_16, *len(payload).to_bytes(2, "big")))
    return [SendRaw(head + payload), *_LEAVE]


def _half_frame() -> list[Action]:
    size = len(_FLOOD_FRAME)
    head = bytes((_FIN_BINARY, _LENGTH_16, *size.to_bytes(2, "big")))
    return [SendRaw(head + _FLOOD_FRAME[: size // 2]), Drop()]


# The name of a fault -> what leaves then, made of the fault's arguments.
BROKEN: Mapping[str, Callable[..., list[Action]]] = {
    "not-json": lambda: [SendText('{"header": oops', "not-json")],
    "huge-text": lambda: [SendText("x" * HUGE, "huge-text")],
    "invalid-utf8": lambda: [SendBrokenText(b'{"header":{"event":"\xff\xfe\xc0"}}')],
    "odd-binary": lambda: [SendReplyAudio(b"\x01" * 641, stray=True)],
    "early-binary": lambda: [SendReplyAudio(b"\x01\x00" * 320, stray=True)],
    "empty-binary": lambda: [SendReplyAudio(b"", stray=True)],
    "half-frame": _half_frame,
    "bad-opcode": lambda: [SendRaw(bytes((_FIN_RESERVED, 0))), *_LEAVE],
    "long-reason": _long_reason,
    "text-flood": _text_flood,
    "audio-flood": _audio_flood,
}

# After these nothing more can be sent.
LAST = ("half-frame", "bad-opcode", "long-reason")

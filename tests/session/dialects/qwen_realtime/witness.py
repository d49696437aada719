"""Watches the effects of the realtime dialect, and fails the test that breaks a rule."""

import json
from base64 import b64decode
from typing import Any

from tests.session.dialects.turn_witness import TurnWitness


class Witness(TurnWitness):
    """What a rule needs to know of the past.

    Attributes:
        texts: every text that was sent, read.
    """

    def __init__(self, mode: str) -> None:
        super().__init__(mode)
        self.texts: list[dict[str, Any]] = []

    def text(self, text: str) -> None:
        event = json.loads(text)
        self.texts.append(event)
        kind = event["type"]
        if kind in {"session.update", "session.create"}:
            programs = {"seed", "tools"}  # what a program has changed, between turns
            assert not self.ready or {*event["session"]} <= programs, "the session is set once"
        elif kind != "session.finish":
            assert self.ready, "nothing is asked of a session that is not ours yet"
        if kind == "input_audio_buffer.commit":
            assert self.mode == "push2talk", "the service commits by itself"
            assert len(self.sent) >= 3200, "100 ms at least"
            speech = self.sent.lstrip(b"\0")  # a picture has silence before it
            assert self.spoken.endswith(speech), "every sample, in order"
        if kind in {"input_audio_buffer.commit", "input_audio_buffer.clear"}:
            self.sent = b""
        if kind == "input_image_buffer.append":
            assert b64decode(event["image"])[:2] == b"\xff\xd8"
            assert self.sent, "a picture has sound before it"

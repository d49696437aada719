"""Alibaba's own realtime client holds a session; run as a child process.

Reads its facts as JSON from standard input, the name of the dialog among them, and prints
what its callback got as JSON. A process of its own keeps the client's threads apart.
"""

import base64
import json
import queue
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

# Untyped packages: imported by name, they are Any whether or not they are installed.
OMNI: Any = import_module("dashscope.audio.qwen_omni.omni_realtime")

PATIENCE_S = 10.0
CHUNK = 3200
TOOL = {
    "type": "function",
    "function": {"name": "lamp", "parameters": {"type": "object", "properties": {}}},
}


class Callback:
    """Collects the events, and lets the main thread wait for one."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.texts: dict[str, str] = {}
        self.audio = bytearray()
        self.calls: list[dict[str, Any]] = []
        self.news: queue.Queue[str] = queue.Queue()

    def on_open(self) -> None:
        """The client calls it too late to say anything: events may have come before."""

    def on_close(self, _: object, __: object) -> None:
        self.note("closed")

    def on_event(self, event: dict[str, Any]) -> None:
        kind = event["type"]
        if kind == "response.audio.delta":
            self.audio += base64.b64decode(event["delta"])
        if kind.endswith(("transcription.completed", "transcript.done", "text.done")):
            self.texts[kind] = str(event.get("transcript", event.get("text")))
        if kind == "response.function_call_arguments.done":
            self.calls.append(event)
        self.note(kind)

    def note(self, kind: str) -> None:
        if self.trace[-1:] != [kind]:
            self.trace.append(kind)
        self.news.put(kind)

    def wait(self, kind: str) -> None:
        while self.news.get(timeout=PATIENCE_S) != kind:
            pass


def send(session: Any, data: bytes) -> None:
    for at in range(0, len(data), CHUNK):
        session.append_audio(base64.b64encode(data[at : at + CHUNK]).decode())


def push_to_talk(session: Any, callback: Callback, facts: dict[str, str]) -> None:
    """Speak, hear the reply; show a picture, speak again, and cancel."""
    send(session, base64.b64decode(facts["speech"]))
    session.commit()
    session.create_response()
    callback.wait("response.done")
    send(session, base64.b64decode(facts["speech"]))
    session.append_video(facts["picture"])
    session.commit()
    session.create_response(instructions=None)
    callback.wait("response.audio.delta")
    session.cancel_response()
    callback.wait("response.done")


def detected(session: Any, callback: Callback, facts: dict[str, str]) -> None:
    """Speak until the service has heard the end."""
    send(session, base64.b64decode(facts["speech"]) + bytes(32_000))
    callback.wait("response.done")


def text(session: Any, callback: Callback, _: dict[str, str]) -> None:
    """Write, and hear the reply."""
    content = [{"type": "input_text", "text": "good morning"}]
    session.create_item({"type": "message", "role": "user", "content": content})
    session.create_response()
    callback.wait("response.done")


def function(session: Any, callback: Callback, facts: dict[str, str]) -> None:
    """Speak, let a function be called, answer it."""
    send(session, base64.b64decode(facts["speech"]))
    session.commit()
    session.create_response()
    callback.wait("response.done")
    call = callback.calls[0]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"ok":true}'}
    session.create_item(output)
    session.create_response()
    callback.wait("response.done")


DIALOGS: dict[str, Callable[[Any, Callback, dict[str, str]], None]] = {
    "push-to-talk": push_to_talk,
    "detected": detected,
    "text": text,
    "function": function,
}


def main() -> None:
    """Hold the dialog that standard input names."""
    facts = json.load(sys.stdin)
    callback = Callback()
    session = OMNI.OmniRealtimeConversation(
        model="qwen3-omni-flash-realtime",
        callback=callback,
        url=facts["qwen_ws_url"],
        api_key=facts["api_key"],
    )
    session.connect()
    session.update_session(
        output_modalities=[OMNI.MultiModality.AUDIO, OMNI.MultiModality.TEXT],
        voice="Cherry",
        enable_turn_detection=facts["dialog"] == "detected",
        turn_detection_silence_duration_ms=500,
        tools=[TOOL],
    )
    callback.wait("session.updated")
    DIALOGS[facts["dialog"]](session, callback, facts)
    session.end_session()
    session.close()
    json.dump(
        {
            "trace": callback.trace,
            "texts": callback.texts,
            "audio": base64.b64encode(callback.audio).decode(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()

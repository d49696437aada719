"""Alibaba's own client holds one push-to-talk dialog; run as a child process.

Reads its facts as JSON from standard input, prints what its callbacks got as
JSON. A process of its own keeps the client's threads and warnings apart.
"""

import base64
import json
import queue
import sys
from importlib import import_module
from typing import Any

# Untyped packages: imported by name, they are Any whether or not they are installed.
DIALOG: Any = import_module("dashscope.multimodal.multimodal_dialog")
PARAMETERS: Any = import_module("dashscope.multimodal.multimodal_request_params")

PATIENCE_S = 10.0
CHUNK = 3200


class Callbacks:
    """Collects every callback, and lets the main thread wait for one."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.audio = bytearray()
        self.transcript = ""
        self.reply = ""
        self.news: queue.Queue[str] = queue.Queue()

    def note(self, name: str) -> None:
        self.trace.append(name)
        self.news.put(name)

    def wait(self, name: str) -> None:
        while self.news.get(timeout=PATIENCE_S) != name:
            pass

    def on_connected(self) -> None:
        self.note("connected")

    def on_started(self, dialog_id: str) -> None:
        self.note("started" if len(dialog_id) == 36 else f"started {dialog_id}")

    def on_stopped(self) -> None:
        self.note("stopped")

    def on_state_changed(self, state: Any) -> None:
        self.note(state.value)

    def on_speech_started(self) -> None:
        self.note("speech started")

    def on_speech_content(self, payload: dict[str, Any]) -> None:
        output = payload["output"]
        self.transcript = output["text"]
        if output["finished"]:
            self.note("speech content")

    def on_speech_ended(self) -> None:
        self.note("speech ended")

    def on_responding_started(self) -> None:
        self.note("responding started")

    def on_responding_content(self, payload: dict[str, Any]) -> None:
        output = payload["output"]
        self.reply = output["text"]
        if output["finished"]:
            self.note("responding content")

    def on_responding_ended(self, _: dict[str, Any]) -> None:
        self.note("responding ended")

    def on_request_accepted(self) -> None:
        self.note("request accepted")

    def on_speech_audio_data(self, data: bytes) -> None:
        if not self.audio:
            self.note("first audio")
        self.audio += data

    def on_error(self, error: object) -> None:
        self.note(f"error {error}")

    def on_close(self, _: int, __: str) -> None:
        self.note("closed")


def talk(facts: dict[str, str]) -> Callbacks:
    """Hold the dialog."""
    callbacks = Callbacks()
    dialog = DIALOG.MultiModalDialog(
        app_id=facts["app_id"],
        workspace_id=facts["workspace_id"],
        url=facts["ws_url"],
        api_key=facts["api_key"],
        model="multimodal-dialog",
        multimodal_callback=callbacks,
        request_params=PARAMETERS.RequestParameters(
            upstream=PARAMETERS.Upstream(mode="push2talk"),
            downstream=PARAMETERS.Downstream(
                sample_rate=24000, intermediate_text="transcript,dialog"
            ),
            client_info=PARAMETERS.ClientInfo(
                user_id="tester", device=PARAMETERS.Device(uuid="tester")
            ),
        ),
    )
    speech = base64.b64decode(facts["speech"])
    dialog.start(None)
    callbacks.wait("Listening")
    dialog.start_speech()
    for at in range(0, len(speech), CHUNK):
        dialog.send_audio_data(speech[at : at + CHUNK])
    dialog.stop_speech()
    callbacks.wait("responding started")
    dialog.local_responding_started()
    callbacks.wait("responding ended")
    dialog.send_heart_beat()
    dialog.local_responding_ended()
    callbacks.wait("Listening")
    dialog.interrupt()
    callbacks.wait("Listening")
    dialog.request_to_respond("prompt", "and tomorrow?")
    callbacks.wait("Thinking")
    dialog.interrupt()
    callbacks.wait("Listening")
    dialog.stop()
    callbacks.wait("stopped")
    return callbacks


def main() -> None:
    """Read, talk, print."""
    callbacks = talk(json.load(sys.stdin))
    result = {
        "trace": callbacks.trace,
        "transcript": callbacks.transcript,
        "reply": callbacks.reply,
        "audio": base64.b64encode(callbacks.audio).decode(),
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

"""Alibaba's own client holds a dialog; run as a child process.

Reads its facts as JSON from standard input, the name of the dialog among them,
prints what its callbacks got as JSON. A process of its own keeps the client's
threads and warnings apart.
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
SHORT_S = 0.02
CHUNK = 3200


class Callbacks:
    """Collects every callback, and lets the main thread wait for one."""

    def __init__(self) -> None:
        self.trace: list[str] = []
        self.audio = bytearray()
        self.transcript = ""
        self.reply = ""
        self.extra: dict[str, Any] = {}
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
        self.extra |= output.get("extra_info") or {}
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


def open_dialog(facts: dict[str, str], callbacks: Callbacks, mode: str, **upstream: str) -> Any:
    """Connect and wait for the first Listening."""
    dialog = DIALOG.MultiModalDialog(
        app_id=facts["app_id"],
        workspace_id=facts["workspace_id"],
        url=facts["ws_url"],
        api_key=facts["api_key"],
        model="multimodal-dialog",
        multimodal_callback=callbacks,
        request_params=PARAMETERS.RequestParameters(
            upstream=PARAMETERS.Upstream(mode=mode, **upstream),
            downstream=PARAMETERS.Downstream(
                sample_rate=24000, intermediate_text="transcript,dialog"
            ),
            client_info=PARAMETERS.ClientInfo(
                user_id="tester", device=PARAMETERS.Device(uuid="tester")
            ),
            biz_params=PARAMETERS.BizParams(user_prompt_params={"name": "Ada"}),
        ),
    )
    dialog.start(None)
    callbacks.wait("Listening")
    return dialog


def push_to_talk(facts: dict[str, str], callbacks: Callbacks) -> None:
    """Speak, hear the reply, interrupt, ask."""
    dialog = open_dialog(facts, callbacks, "push2talk")
    dialog.start_speech()
    send(dialog, base64.b64decode(facts["speech"]))
    dialog.stop_speech()
    hear_out(dialog, callbacks)
    dialog.interrupt()
    callbacks.wait("Listening")
    dialog.request_to_respond("prompt", "and tomorrow?")
    callbacks.wait("Thinking")
    dialog.interrupt()
    callbacks.wait("Listening")
    leave(dialog, callbacks)


def tap_to_talk(facts: dict[str, str], callbacks: Callbacks) -> None:
    """Speak until the cloud has heard the end, twice; hear each reply."""
    dialog = open_dialog(facts, callbacks, "tap2talk")
    for _ in range(2):
        send(dialog, base64.b64decode(facts["speech"]))
        stream_silence(dialog, callbacks, "speech ended")
        hear_out(dialog, callbacks)
    leave(dialog, callbacks)


def duplex(facts: dict[str, str], callbacks: Callbacks) -> None:
    """Stream all the time; interrupt the first reply by voice, hear the second out."""
    dialog = open_dialog(facts, callbacks, "duplex")
    speech = base64.b64decode(facts["speech"])
    send(dialog, speech)
    stream_silence(dialog, callbacks, "first audio")
    dialog.local_responding_started()
    send(dialog, speech)
    callbacks.wait("speech started")
    stream_silence(dialog, callbacks, "responding ended")
    dialog.local_responding_started()
    dialog.local_responding_ended()
    stream_silence(dialog, callbacks, "Listening")
    leave(dialog, callbacks)


def text(facts: dict[str, str], callbacks: Callbacks) -> None:
    """Ask with a picture, have a text spoken, tell news; never speak."""
    dialog = open_dialog(facts, callbacks, "push2talk", type="AudioAndVideo")
    picture = {"type": "base64", "value": facts["picture"]}
    videos = [{"action": "connect", "type": "voicechat_video_channel"}]
    dialog.request_to_respond(
        "prompt",
        "what is this?",
        PARAMETERS.RequestToRespondParameters(
            images=[picture], biz_params=PARAMETERS.BizParams(videos=videos)
        ),
    )
    hear_out(dialog, callbacks)
    dialog.update_info(
        PARAMETERS.RequestToRespondParameters(
            images=[picture],
            biz_params=PARAMETERS.BizParams(user_query_params={"city": "Oslo"}),
            pass_through_params={
                "client_info": {"status": {"phone_ringing": {"status": "stopped"}}}
            },
        )
    )
    dialog.request_to_respond("transcript", "thank you and good night")
    hear_out(dialog, callbacks)
    leave(dialog, callbacks)


def send(dialog: Any, audio: bytes) -> None:
    """Send audio in the frames that the documents ask for."""
    for at in range(0, len(audio), CHUNK):
        dialog.send_audio_data(audio[at : at + CHUNK])


def stream_silence(dialog: Any, callbacks: Callbacks, until: str) -> None:
    """Send silence, five times as fast as it sounds, until something happens."""
    for _ in range(int(PATIENCE_S / SHORT_S)):
        dialog.send_audio_data(bytes(CHUNK))
        try:
            while callbacks.news.get(timeout=SHORT_S) != until:
                pass
        except queue.Empty:
            continue
        return
    raise TimeoutError(until)


def hear_out(dialog: Any, callbacks: Callbacks) -> None:
    """Play a reply to its end."""
    callbacks.wait("responding started")
    dialog.local_responding_started()
    callbacks.wait("responding ended")
    dialog.send_heart_beat()
    dialog.local_responding_ended()
    callbacks.wait("Listening")


def leave(dialog: Any, callbacks: Callbacks) -> None:
    """Stop."""
    dialog.stop()
    callbacks.wait("stopped")


DIALOGS = {
    "push-to-talk": push_to_talk,
    "tap-to-talk": tap_to_talk,
    "duplex": duplex,
    "text": text,
}


def main() -> None:
    """Read, talk, print."""
    facts = json.load(sys.stdin)
    callbacks = Callbacks()
    DIALOGS[facts["dialog"]](facts, callbacks)
    result = {
        "trace": callbacks.trace,
        "transcript": callbacks.transcript,
        "reply": callbacks.reply,
        "extra": callbacks.extra,
        "audio": base64.b64encode(callbacks.audio).decode(),
    }
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()

"""The bare client's connection to each cloud: what it says, and what it understands."""

import asyncio
import json
import ssl
import uuid
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect

from bench.bare_sound import UP_HZ, Dialog

# How often mmid lets a cloud know that it lives: the first by a directive, the others by pings.
HEARTBEAT_S = {"multimodal-dialog": 48.0, "qwen-realtime": 20.0, "baidu-rtc": 10.0}

_DIRECTIVES = {
    "speak": "SendSpeech",
    "stop": "StopSpeech",
    "ask": "RequestToRespond",
    "playing": "LocalRespondingStarted",
    "played": "LocalRespondingEnded",
}
_QUESTION = {
    "type": "message",
    "role": "user",
    "content": [{"type": "input_text", "text": "go on"}],
}
_RESPOND = {"type": "response.create"}
_EVENTS = {
    "stop": ({"type": "input_audio_buffer.commit"}, _RESPOND),
    "ask": ({"type": "conversation.item.create", "item": _QUESTION}, _RESPOND),
}
_WORDS = {
    "speak": "[E]:[CMD]:[ASR_START_LONGTEXT_REC]",
    "stop": "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]",
    "ask": "[T]:go on",
}


class _MultimodalDialog(Dialog):
    """``multimodal-dialog``: directives, and binary frames of samples."""

    replying, replied, over = "RespondingStarted", "RespondingEnded", "Listening"

    def __init__(self, connection: ClientConnection, facts: dict[str, Any]) -> None:
        self._task_id = uuid.uuid4().hex
        self._dialog_id = ""
        super().__init__(connection, facts)

    async def start(self) -> None:
        given = {"app_id": self._facts["app_id"], "workspace_id": self._facts["workspace_id"]}
        parameters = {
            "upstream": {
                "type": "AudioOnly",
                "mode": self._facts["mode"],
                "audio_format": "pcm",
                "sample_rate": UP_HZ,
            },
            "downstream": {
                "audio_format": "pcm",
                "sample_rate": self.reply_hz,
                "intermediate_text": "transcript,dialog",
            },
            "client_info": {"user_id": "bare", "device": {"uuid": "bare"}},
        }
        about = {
            "task_group": "aigc",
            "task": "multimodal-generation",
            "function": "generation",
            "model": "multimodal-dialog",
            "parameters": parameters,
        }
        await self._directive("Start", "run-task", given, about)
        await self.until("Listening")

    async def tell(self, what: str) -> None:
        asked = {"type": "prompt", "text": "go on"} if what == "ask" else None
        await self._directive(_DIRECTIVES[what], given=asked)

    async def rest(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S[self._facts["protocol"]])
            await self._directive("HeartBeat")

    def frame(self, samples: bytes) -> bytes:
        return samples

    def take(self, frame: str | bytes) -> tuple[bytes, str]:
        if isinstance(frame, bytes):
            return frame, ""
        output = json.loads(frame)["payload"].get("output", {})
        self._dialog_id = output.get("dialog_id", self._dialog_id)
        return b"", output.get("state") or output.get("event", "")

    async def _directive(
        self,
        name: str,
        action: str = "continue-task",
        given: dict[str, Any] | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        inputs = {"directive": name, **(given or {})}
        if self._dialog_id:
            inputs["dialog_id"] = self._dialog_id
        header = {"action": action, "task_id": self._task_id, "streaming": "duplex"}
        frame = {"header": header, "payload": {**(about or {}), "input": inputs}}
        await self._connection.send(json.dumps(frame))


class _QwenRealtime(Dialog):
    """``qwen-realtime``: JSON alone, with the samples in base64."""

    replying, replied, over = "response.created", "response.audio.done", "response.done"

    async def start(self) -> None:
        session: dict[str, Any] = {
            "modalities": ["text", "audio"],
            "input_audio_format": "pcm",
            "output_audio_format": "pcm",
            "turn_detection": None,
        }
        if self._facts["mode"] == "duplex":
            session["turn_detection"] = {"type": "server_vad"}
        await self.until("session.created")
        await self._connection.send(json.dumps({"type": "session.update", "session": session}))
        await self.until("session.updated")

    async def tell(self, what: str) -> None:
        for event in _EVENTS.get(what, ()):
            await self._connection.send(json.dumps(event))

    def frame(self, samples: bytes) -> str:
        audio = b64encode(samples).decode()
        return json.dumps({"type": "input_audio_buffer.append", "audio": audio})

    def take(self, frame: str | bytes) -> tuple[bytes, str]:
        event = json.loads(frame)
        kind: str = event["type"]
        if kind == "response.audio.delta":
            return b64decode(event["delta"]), ""
        return b"", kind


class _BaiduRtc(Dialog):
    """``baidu-rtc``: bracketed words, and binary frames of samples."""

    replying, replied, over = "[E]:[TTS_BEGIN_SPEAKING]", "[A]", "[E]:[TTS_END_SPEAKING]"
    reply_hz = 16000

    async def start(self) -> None:
        key = self._facts["baidu_license_key"]
        active = json.dumps({"devId": "bare", "uId": "bare", "licKey": key})
        push_to_talk = self._facts["mode"] == "push2talk"
        await self.until("[E]:[LIC]:[MUST]")
        await self._connection.send(f"[E]:[LIC]:[ACTIVE]:{active}")
        # A slow client is told of the second one first.
        await self.until("[E]:[LIC]:[RES]:[PASS]", "[E]:[MEDIA]:[READY]")
        await self._connection.send('[SET]:[DEVICE_INFO]:{"os":"linux"}')
        mode = "DISABLE" if push_to_talk else "ENABLE"
        await self._connection.send(f"[E]:[CMD]:[ASR_{mode}_REALTIME]")

    async def tell(self, what: str) -> None:
        if what in _WORDS:
            await self._connection.send(_WORDS[what])

    def frame(self, samples: bytes) -> bytes:
        return samples

    def take(self, frame: str | bytes) -> tuple[bytes, str]:
        if isinstance(frame, bytes):
            return frame, ""
        return b"", frame[: frame.rfind("]") + 1]


def _instance_url(facts: dict[str, Any], context: ssl.SSLContext) -> str:
    """Have an instance made, and return the URL that opens it."""
    wanted = {"deviceName": "bare", "codec": "raw16k", "mode": facts["mode"]}
    where = urlsplit(facts["baidu_instance_url"])
    with closing(HTTPSConnection(where.netloc, context=context)) as relay:
        headers = {"Content-Type": "application/json"}
        relay.request("POST", where.path, json.dumps(wanted), headers)
        made = json.load(relay.getresponse())
    query = {
        "a": facts["baidu_app_id"],
        "id": made["ai_agent_instance_id"],
        "t": made["context"]["token"],
        "ac": wanted["codec"],
    }
    return f"{facts['baidu_ws_url']}?{urlencode(query)}"


@asynccontextmanager
async def connected(facts: dict[str, Any], context: ssl.SSLContext) -> AsyncIterator[Dialog]:
    """Give a dialog in which the cloud listens."""
    headers = {"Authorization": f"Bearer {facts['api_key']}"}
    url: str = facts["ws_url"]
    kind: type[_MultimodalDialog | _QwenRealtime | _BaiduRtc] = _MultimodalDialog
    if facts["protocol"] == "qwen-realtime":
        url, kind = f"{facts['qwen_ws_url']}?model=qwen3-omni-flash-realtime", _QwenRealtime
    if facts["protocol"] == "baidu-rtc":
        url, kind = await asyncio.to_thread(_instance_url, facts, context), _BaiduRtc
        headers = {}
    ping_s = None if kind is _MultimodalDialog else HEARTBEAT_S[facts["protocol"]]
    async with connect(
        url, ssl=context, compression=None, additional_headers=headers, ping_interval=ping_s
    ) as connection:
        dialog = kind(connection, facts)
        await dialog.start()
        yield dialog
        await dialog.stop()

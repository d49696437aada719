"""The floor of a dialog: websockets and pyalsaaudio, and nothing that makes it safe.

    python -m bench.bare_dialog FACTS.json

A client of each cloud in one page: one task reads, one writes, in chunks of 100 ms; what
comes goes to the loudspeaker as it comes, and never waits. No checks, no states, no bus,
no record, nothing is survived. It does on the wire and on the sound card what mmid does, so
what it costs nobody can save. The PCMs are those of a board, ``microphone`` and
``loudspeaker``.

FACTS has what simcloud printed, and protocol, mode and seconds, and it prints
``{"cpu_s": ...}``: in push2talk of a turn in which it speaks so long, in duplex of so many
seconds with the microphone open, in which it asks for one reply.
"""

import asyncio
import json
import ssl
import sys
import time
import uuid
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
from websockets.asyncio.client import ClientConnection, connect

_UP_HZ = 16000
_PERIOD_S, _CHUNK_S = 0.02, 0.1
# Half a second: more than a frame of the cloud.
_PERIODS = 25

# So long the microphone is open before anything is measured.
OPEN_BEFORE_S = 0.5

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


class Dialog(ABC):
    """One connection: its sound, which is the same with each cloud.

    Attributes:
        replying, replied, over: the news that a reply begins, that all its sound has come, and
            that the cloud listens again.
        reply_hz: rate of a reply.
    """

    replying, replied, over = "", "", ""
    reply_hz = 24000

    def __init__(self, connection: ClientConnection, facts: dict[str, Any]) -> None:
        self._connection = connection
        self._facts = facts
        self._player: Any = None
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    @abstractmethod
    async def start(self) -> None:
        """Begin the dialog, and wait until the cloud listens."""

    @abstractmethod
    async def tell(self, what: str) -> None:
        """Tell of ``speak``, ``stop``, ``ask``, ``playing`` and ``played`` what the cloud needs."""

    @abstractmethod
    def frame(self, samples: bytes) -> str | bytes:
        """Return what carries some speech."""

    @abstractmethod
    def take(self, frame: str | bytes) -> tuple[bytes, str]:
        """Return the samples that came, and the news."""

    async def push_to_talk(self, seconds: float) -> float:
        """Speak so long, hear the answer out, and return the CPU seconds of it."""
        before = time.process_time()
        await self.tell("speak")
        await self._speak(seconds)
        await self.tell("stop")
        await self._hear_out()
        return time.process_time() - before

    async def full_duplex(self, seconds: float) -> float:
        """Have the microphone open so long, ask, and hear the answer out meanwhile."""
        speaking = asyncio.create_task(self._speak(OPEN_BEFORE_S + seconds))
        await asyncio.sleep(OPEN_BEFORE_S)
        before = time.process_time()
        await self.tell("ask")
        await self._hear_out()
        await speaking
        return time.process_time() - before

    async def _speak(self, seconds: float) -> None:
        recorder = _open(alsaaudio.PCM_CAPTURE, "microphone", _UP_HZ)
        frames = [recorder.read()[1]]  # starts it
        began, chunks = time.monotonic(), int(seconds / _CHUNK_S)
        for number in range(1, chunks + 1):
            await asyncio.sleep(began + number * _CHUNK_S - time.monotonic())
            while frame := recorder.read()[1]:
                frames.append(frame)
            await self._connection.send(self.frame(b"".join(frames)))
            frames = []
        recorder.close()

    async def _hear_out(self) -> None:
        await self.until(self.replying)
        self._player = _open(alsaaudio.PCM_PLAYBACK, "loudspeaker", self.reply_hz)
        await self.tell("playing")
        await self.until(self.replied)
        self._player.drop()
        self._player = self._player.close()
        await self.tell("played")
        await self.until(self.over)

    async def stop(self) -> None:
        """Read no more."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def until(self, name: str) -> None:
        """Wait for a piece of news."""
        while await self._news.get() != name:
            pass

    async def _read(self) -> None:
        async for frame in self._connection:
            samples, news = self.take(frame)
            if news:
                self._news.put_nowait(news)
            if samples and self._player is not None:
                # If it ran dry, 0.10 raises where 0.11 returns it; both then go on.
                with suppress(alsaaudio.ALSAAudioError):
                    self._player.write(samples)


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
                "sample_rate": _UP_HZ,
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
        await self.until("[E]:[LIC]:[RES]:[PASS]")
        await self.until("[E]:[MEDIA]:[READY]")
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


def _open(kind: int, device: str, rate_hz: int) -> Any:
    return alsaaudio.PCM(
        type=kind,
        mode=alsaaudio.PCM_NONBLOCK,
        device=device,
        rate=rate_hz,
        channels=1,
        format=alsaaudio.PCM_FORMAT_S16_LE,
        periodsize=int(rate_hz * _PERIOD_S),
        periods=_PERIODS,
    )


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
    async with connect(
        url, ssl=context, compression=None, additional_headers=headers
    ) as connection:
        dialog = kind(connection, facts)
        await dialog.start()
        yield dialog
        await dialog.stop()


async def main(facts: dict[str, Any]) -> None:
    """Connect, talk, go."""
    context = ssl.create_default_context(cafile=facts["ca_file"])
    async with connected(facts, context) as dialog:
        hold = dialog.push_to_talk if facts["mode"] == "push2talk" else dialog.full_duplex
        print(json.dumps({"cpu_s": await hold(facts["seconds"])}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))

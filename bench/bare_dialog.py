"""The floor of a dialog: websockets and pyalsaaudio, and nothing that makes it safe.

    python -m bench.bare_dialog FACTS.json

A client of ``multimodal-dialog`` in one page: one task reads, one writes, in
chunks of 100 ms; what comes goes to the loudspeaker as it comes, and never waits.
No checks, no states, no bus, no record, nothing is survived. It does on the wire and
on the sound card what mmid does, so what it costs nobody can save. The PCMs are those
of a board, ``microphone`` and ``loudspeaker``.

FACTS has ws_url, ca_file, api_key, workspace_id, app_id, mode and seconds, and it
prints ``{"cpu_s": ...}``: in push2talk of a turn in which it speaks so long, in duplex
of so many seconds with the microphone open, in which it asks for one reply.
"""

import asyncio
import json
import ssl
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
from websockets.asyncio.client import ClientConnection, connect

_UP_HZ, _DOWN_HZ = 16000, 24000
_PERIOD_S, _CHUNK_S = 0.02, 0.1
# Half a second: more than a frame of the cloud.
_PERIODS = 25

# So long the microphone is open before anything is measured.
OPEN_BEFORE_S = 0.5


class Dialog:
    """One connection."""

    def __init__(self, connection: ClientConnection, facts: dict[str, Any]) -> None:
        self._connection = connection
        self._facts = facts
        self._task_id = uuid.uuid4().hex
        self._dialog_id = ""
        self._player: Any = None
        self._news: asyncio.Queue[str] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read())

    async def start(self) -> None:
        """Begin the dialog, and wait until the cloud listens."""
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
                "sample_rate": _DOWN_HZ,
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
        await self._until("Listening")

    async def push_to_talk(self, seconds: float) -> float:
        """Speak so long, hear the answer out, and return the CPU seconds of it."""
        before = time.process_time()
        await self._directive("SendSpeech")
        await self._speak(seconds)
        await self._directive("StopSpeech")
        await self._hear_out()
        return time.process_time() - before

    async def full_duplex(self, seconds: float) -> float:
        """Have the microphone open so long, ask, and hear the answer out meanwhile."""
        speaking = asyncio.create_task(self._speak(OPEN_BEFORE_S + seconds))
        await asyncio.sleep(OPEN_BEFORE_S)
        before = time.process_time()
        await self._directive("RequestToRespond", given={"type": "prompt", "text": "go on"})
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
            await self._connection.send(b"".join(frames))
            frames = []
        recorder.close()

    async def _hear_out(self) -> None:
        await self._until("RespondingStarted")
        self._player = _open(alsaaudio.PCM_PLAYBACK, "loudspeaker", _DOWN_HZ)
        await self._directive("LocalRespondingStarted")
        await self._until("RespondingEnded")
        self._player.drop()
        self._player = self._player.close()
        await self._directive("LocalRespondingEnded")
        await self._until("Listening")

    async def stop(self) -> None:
        """Read no more."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

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

    async def _until(self, name: str) -> None:
        while await self._news.get() != name:
            pass

    async def _read(self) -> None:
        async for frame in self._connection:
            if isinstance(frame, bytes):
                if self._player is not None:
                    # If it ran dry, 0.10 raises where 0.11 returns it; both then go on.
                    with suppress(alsaaudio.ALSAAudioError):
                        self._player.write(frame)
                continue
            output = json.loads(frame)["payload"].get("output", {})
            self._dialog_id = output.get("dialog_id", self._dialog_id)
            self._news.put_nowait(output.get("state") or output.get("event", ""))


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


@asynccontextmanager
async def connected(facts: dict[str, Any], context: ssl.SSLContext) -> AsyncIterator[Dialog]:
    """Give a dialog in which the cloud listens."""
    headers = {"Authorization": f"Bearer {facts['api_key']}"}
    async with connect(
        facts["ws_url"], ssl=context, compression=None, additional_headers=headers
    ) as connection:
        dialog = Dialog(connection, facts)
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

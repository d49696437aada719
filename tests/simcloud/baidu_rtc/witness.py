"""A device of the third cloud as small as it can be, over real sockets.

No client of the vendor's exists in Python, so this one, written after the fact sheet alone
and sharing no code with mmid's dialect, keeps simcloud honest: it takes an instance,
opens it, answers the licence, holds a press and hears the reply out.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from http.client import HTTPSConnection
from typing import Any, Self
from urllib.parse import quote, urlsplit

from websockets.asyncio.client import ClientConnection, connect

from tests.simcloud.qwen_realtime.talk import tone

DEVICE = "board-0001"


def post(url: str, body: object, ca_file: str) -> tuple[int, dict[str, Any]]:
    """Ask a server as a device asks its relay."""
    where, context = urlsplit(url), ssl.create_default_context(cafile=ca_file)
    connection = HTTPSConnection(str(where.hostname), where.port, timeout=10, context=context)
    path = f"{where.path}?{where.query}" if where.query else where.path
    with closing(connection):
        headers = {"Content-Type": "application/json"}
        connection.request("POST", path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, json.load(answer)


async def take_instance(
    line: Mapping[str, str], codec: str = "raw16k", mode: str = "push2talk", device: str = DEVICE
) -> dict[str, Any]:
    """Return Baidu's reply to a wish for an instance, as it came."""
    body = {"deviceName": device, "codec": codec, "mode": mode}
    url, ca_file = line["baidu_instance_url"], line["ca_file"]
    status, answer = await asyncio.to_thread(post, url, body, ca_file)
    assert status == 200, answer
    return answer


class Witness:
    """One connection of it."""

    def __init__(self, line: Mapping[str, str], socket: ClientConnection) -> None:
        self._line = line
        self._socket = socket
        self.texts: list[str] = []
        self.reply = b""

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        line: Mapping[str, str],
        instance: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        /,
        **more: str,
    ) -> AsyncIterator[Self]:
        """Open an instance; ``more`` replaces what its URL has."""
        told = {
            "a": line["baidu_app_id"],
            "id": str(instance["ai_agent_instance_id"]),
            "t": instance["context"]["token"],
            "ac": "raw16k",
            **more,
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in told.items())
        context = ssl.create_default_context(cafile=line["ca_file"])
        url = f"{line['baidu_ws_url']}?{query}"
        async with connect(
            url, ssl=context, compression=None, additional_headers=headers
        ) as socket:
            yield cls(line, socket)

    async def until(self, prefix: str) -> str:
        """Read up to a message; keep the texts and the audio on the way."""
        while True:
            frame = await asyncio.wait_for(self._socket.recv(), 10)
            if isinstance(frame, bytes):
                self.reply += frame
                continue
            self.texts.append(frame)
            if frame.startswith(prefix):
                return frame

    async def send(self, *frames: str | bytes) -> None:
        for frame in frames:
            await self._socket.send(frame)

    async def activate(self, device: str = DEVICE, key: str = "") -> str:
        """Answer the licence, and return the service's verdict."""
        await self.until("[E]:[LIC]:[MUST]")
        key = key or self._line["baidu_license_key"]
        told = {"devId": device, "uId": device, "licKey": key}
        await self.send(f"[E]:[LIC]:[ACTIVE]:{json.dumps(told)}")
        return await self.until("[E]:[LIC]:[RES]:")

    async def hold_press(self) -> None:
        """Open for push-to-talk, press, speak for 200 ms, and hear the reply out."""
        if not any(text.startswith("[E]:[MEDIA]:[READY]") for text in self.texts):
            await self.until("[E]:[MEDIA]:[READY]")
        await self.send(
            '[SET]:[DEVICE_INFO]:{"os":"linux"}',
            "[E]:[CMD]:[ASR_DISABLE_REALTIME]",
            "[SET]:[AUTO_INT]:[FALSE]",
            "[E]:[CMD]:[ASR_START_LONGTEXT_REC]",
            *(tone(0.2)[at : at + 640] for at in range(0, 6400, 640)),
            "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]",
        )
        await self.until("[E]:[TTS_END_SPEAKING]")

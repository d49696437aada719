"""A conversation in mid-speech with a peer that has stopped reading."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from websockets.asyncio.server import ServerConnection, serve

from mmid.events import State
from mmid.session.conversation import Conversation
from mmid.session.dialects.multimodal_dialog.dialog import MultimodalDialog
from mmid.session.dialects.multimodal_dialog.directives import ClientInfo
from mmid.session.effects import Show
from mmid.session.endpoint import Endpoint
from mmid.session.link import open_link
from mmid.session.outbox import Outbox
from mmid.session.tls import Tls
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.multimodal_dialog.messages import event_text
from tests.rig.dialog_settings import dialog_settings
from tests.session.doubles import Host
from tests.session.talking import AMPLE_S, Talk


class Peer:
    """A cloud that listens, and then reads nothing until it is told to.

    Attributes:
        heard: the directives it read after that.
        speech: the frames of speech it read after that.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.speech: list[bytes] = []
        self._go = asyncio.Event()
        self._news = asyncio.Event()
        self._done = asyncio.Event()

    async def serve(self, connection: ServerConnection) -> None:
        task_id = json.loads(await connection.recv())["header"]["task_id"]
        await connection.send(event_text(task_id, "dialog-1", "Started", {}))
        listening = {"state": "Listening"}
        await connection.send(event_text(task_id, "dialog-1", "DialogStateChanged", listening))
        connection.transport.pause_reading()
        await self._go.wait()
        connection.transport.resume_reading()
        try:
            async for frame in connection:
                if isinstance(frame, str):
                    self.heard.append(json.loads(frame)["payload"]["input"]["directive"])
                else:
                    self.speech.append(frame)
                self._news.set()
        finally:
            self._done.set()

    def read_on(self) -> None:
        """Read again."""
        self._go.set()

    async def hears(self, directive: str) -> None:
        """Wait until it read a directive."""
        async with asyncio.timeout(AMPLE_S):
            while directive not in self.heard:
                self._news.clear()
                await self._news.wait()

    async def done(self) -> None:
        """Wait until it read everything."""
        async with asyncio.timeout(AMPLE_S):
            await self._done.wait()


@asynccontextmanager
async def stuck(certificates: Certificates) -> AsyncIterator[tuple[Talk, Peer]]:
    """A conversation in mid-speech that can send nothing any more."""
    peer = Peer()
    context = certificates.server_context()
    async with serve(peer.serve, "127.0.0.1", 0, ssl=context, close_timeout=0.1) as server:
        listener = next(iter(server.sockets))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # soon full
        url = f"wss://localhost:{listener.getsockname()[1]}/"
        link = await open_link(Endpoint(url, url, {}), Tls(str(certificates.ca_file)), AMPLE_S)
        dialect = MultimodalDialog(
            ClientInfo("mm_01", "", "tester", "board1", "multimodal-dialog"),
            dialog_settings(),
            work_mode="push2talk",
            task_id="ab" * 16,
            dialog_id="",
            listening_by=asyncio.get_running_loop().time() + AMPLE_S,
        )
        outbox, host = Outbox(8192, 3200), Host()
        conversation = Conversation(dialect, link, outbox, host)
        talk = Talk(host, conversation, asyncio.create_task(conversation.run()))
        try:
            assert await talk.until(Show(State.LISTENING))
            talk.press()
            await _fill(conversation, outbox)
            yield talk, peer
        finally:
            peer.read_on()
            talk.running.cancel()
            await asyncio.wait({talk.running})


async def _fill(conversation: Conversation, outbox: Outbox) -> None:
    """Speak until nothing leaves any more."""
    async with asyncio.timeout(AMPLE_S):
        while True:
            conversation.record(bytes(3200))  # a whole frame, which passes the queue if it may
            conversation.record(bytes(3200))
            await asyncio.sleep(0.001)
            if len(outbox):
                await asyncio.sleep(0.1)  # stuck is what is stuck after a while
            if len(outbox):
                return

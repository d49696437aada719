"""The parts that the D-Bus tests share: a bus of their own, and an application that notes calls."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from mmid import events
from mmid.dbus.front import Front
from mmid.events import State
from mmid.status import Status

# Generous: a program that is started takes well under a second, but machines stall.
WAIT_S = 30.0

_CONFIG = """\
<busconfig>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="signal"/>
    {rules}
  </policy>
</busconfig>
"""


class PrivateBus:
    """A real dbus-daemon, without activation, on a socket in a directory; a context manager."""

    def __init__(self, directory: Path, rules: str = "") -> None:
        config = directory / "bus.conf"
        config.write_text(_CONFIG.format(socket=directory / "bus", rules=rules))
        self._process = subprocess.Popen(
            ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        if not self.address.startswith("unix:"):
            self.stop()
            raise RuntimeError(f"dbus-daemon did not start with {config}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def freeze(self) -> None:
        """Make the daemon read nothing until ``thaw``."""
        os.kill(self._process.pid, signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)

    def thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class NotingApplication:
    """Notes every command, and plays a short turn when it is spoken to.

    ``error``: raised by every command while it is set.
    ``registering``: ``register`` waits for it.
    ``reply``: what a turn answers; an exception in its place is the turn's Error.
    """

    def __init__(self, status: Status) -> None:
        self.calls: asyncio.Queue[tuple[object, ...]] = asyncio.Queue()
        self.error: Exception | None = None
        self.registering = asyncio.Event()
        self.reply: str | events.Error = "It is noon."
        self.front: Front | None = None
        self.tap = -1  # the writing end of the pipe of ``open_microphone``
        self._tools: dict[str, tuple[str, str]] = {}
        self._status = status

    def _note(self, *call: object) -> None:
        self.calls.put_nowait(call)
        if self.error is not None:
            raise self.error

    async def next_call(self) -> tuple[object, ...]:
        async with asyncio.timeout(WAIT_S):
            return await self.calls.get()

    def connect(self) -> None:
        self._note("connect")

    def disconnect(self) -> None:
        self._note("disconnect")

    def start_speech(self, client: str, max_s: float = 0.0, preroll_ms: int = 0) -> None:
        self._note("start_speech", client, *filter(None, (max_s, preroll_ms)))
        self._status.update(talker=client)

    def stop_speech(self, client: str) -> None:
        self._note("stop_speech", client)
        self._status.update(talker="")
        self._turn()

    def cancel_speech(self, client: str) -> None:
        self._note("cancel_speech", client)
        self._status.update(talker="")

    def client_left(self, client: str) -> None:
        self._status.update(talker="", listeners=[])
        self._note("client_left", client)

    def interrupt(self) -> None:
        self._note("interrupt")

    def ask(self, text: str) -> None:
        self._note("ask", text)
        self._turn()

    def ask_about_image(self, text: str, image: bytes) -> None:
        self._note("ask_about_image", text, image)

    def ask_with(self, text: str, parameters: Mapping[str, Any]) -> None:
        self._note("ask_with", text, parameters)

    def update_info(self, status: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        self._note("update_info", status, parameters)

    def forget_info(self) -> None:
        self._note("forget_info")

    def send_video_frame(self, image: bytes) -> None:
        self._note("send_video_frame", image)

    def tool_result(self, call_id: str, result: str) -> None:
        self._note("tool_result", call_id, result)

    def register_tool(
        self, client: str, path: str, name: str, description: str, schema: Mapping[str, Any]
    ) -> None:
        self._note("register_tool", client, path, name, description, schema)
        self._tools[name] = (client, path)
        self._status.update(names=sorted(self._tools))

    def unregister_tool(self, client: str, name: str) -> None:
        self._note("unregister_tool", client, name)
        self._tools.pop(name, None)
        self._status.update(names=sorted(self._tools))

    async def call_tool(self, name: str, arguments: str) -> str:
        assert self.front is not None
        return await self.front.call_tool(*self._tools[name], name, arguments)

    def tool_owners(self) -> list[str]:
        return [owner for owner, _ in self._tools.values()]

    def say(self, text: str) -> None:
        self._note("say", text)

    def new_dialog(self) -> None:
        self._note("new_dialog")

    def set_work_mode(self, mode: str) -> None:
        self._note("set_work_mode", mode)
        self._status.update(work_mode=mode)

    def set_voice(self, voice: str) -> None:
        self._note("set_voice", voice)
        self._status.update(voice=voice)

    def history(self) -> list[tuple[int, str, str]]:
        self._note("history")
        return [(1_700_000_000_000, "connecting", "attempt 1"), (1_700_000_000_250, "x", "y")]

    def set_volume(self, percent: int) -> None:
        self._note("set_volume", percent)
        self._status.update(volume=percent)

    def timeline(self) -> list[dict[str, float]]:
        return [{"began": 1_795_132_800_000.0, "heard": 1250.5}]

    def open_microphone(self, client: str) -> int:
        self._note("open_microphone", client)
        reader, self.tap = os.pipe()
        self._status.update(listeners=[client])
        return reader

    def level(self) -> int:
        return 50 if self._status.talker else 0

    async def play_prompt(self, name: str) -> None:
        self._note("play_prompt", name)

    def set_muted(self, muted: bool) -> None:
        self._note("set_muted", muted)
        self._status.update(muted=muted)

    async def register(self) -> None:
        self._note("register")
        await self.registering.wait()
        self._status.update(registered=True)

    async def reset(self) -> None:
        self._note("reset")

    def _turn(self) -> None:
        front = self.front
        assert front is not None
        self._status.update(state=State.THINKING)
        front.emit(events.AsrComplete("What time is it?"))
        if isinstance(self.reply, events.Error):
            front.emit(self.reply)
            return
        self._status.update(state=State.RESPONDING)
        front.emit(events.LlmIncomplete(self.reply[:5]))
        front.emit(events.TtsStart())
        front.emit(events.LlmComplete(self.reply))
        front.emit(events.TtsEnd())
        self._status.update(state=State.LISTENING)

"""The examples of docs/examples do what they say: each is run against the service."""

import asyncio
import os
import shutil
import signal
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mmid import events
from mmid.dbus.client import Client
from mmid.dbus.front import Front
from mmid.dbus.interface import DIALOG
from mmid.errors import NotReady
from mmid.events import State
from mmid.status import Status
from tests.dbus.private_bus import WAIT_S, NotingApplication
from tests.rig.examples import EXAMPLES, compile_example

PNG = b"\x89PNG\r\n\x1a\n a drawing"

# linux/input.h and linux/input-event-codes.h
EV_SYN, EV_KEY, KEY_A, KEY_VOICECOMMAND = 0, 1, 30, 582
RELEASED, PRESSED, REPEATED = 0, 1, 2

Example = asyncio.subprocess.Process
Start = Callable[..., Awaitable[Example]]


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the examples in C, compiled as they say themselves."""
    directory = tmp_path_factory.mktemp("examples")
    for name in ("lamp", "push_to_talk"):
        compile_example(name, directory)
    return directory


@pytest.fixture
async def start(address: str) -> AsyncIterator[Start]:
    """Start an example whose system bus is ours; it is killed after the test."""
    async with AsyncExitStack() as stack:

        async def start(*command: str | Path) -> Example:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": address},
            )

            async def end() -> None:
                if process.returncode is None:
                    process.kill()
                await process.communicate()

            stack.push_async_callback(end)
            return process

        yield start


async def finished(process: Example) -> tuple[int, str, str]:
    """Wait for an example's end; return its status, output and complaints."""
    output, complaints = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode is not None
    return process.returncode, output.decode(), complaints.decode()


async def line(process: Example) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), WAIT_S)).decode().strip()


# --- ask.py ---------------------------------------------------------------------------------


async def test_ask_prints_the_reply_as_it_grows(
    start: Start, front: Front, application: NotingApplication
) -> None:
    ask = await start(sys.executable, EXAMPLES / "ask.py", "What time is it?")
    assert await finished(ask) == (0, "It is noon.\n", "")
    assert await application.next_call() == ("ask", "What time is it?")


async def test_ask_shows_an_image(
    start: Start, front: Front, application: NotingApplication, tmp_path: Path
) -> None:
    image = tmp_path / "drawing.png"
    image.write_bytes(PNG)
    ask = await start(sys.executable, EXAMPLES / "ask.py", "--image", image, "What is this?")
    assert await application.next_call() == ("ask_about_image", "What is this?", PNG)
    front.emit(events.LlmComplete("A tree."))
    front.emit(events.TtsEnd())
    assert await finished(ask) == (0, "A tree.\n", "")


async def test_ask_passes_on_what_mmid_says_is_wrong(
    start: Start, front: Front, application: NotingApplication
) -> None:
    application.error = NotReady("no dialog is connected: offline")
    ask = await start(sys.executable, EXAMPLES / "ask.py", "Hello?")
    text = "org.mmid1.Error.NotReady: no dialog is connected: offline\n"
    assert await finished(ask) == (1, "", text)
    application.error = None
    application.reply = events.Error("connection-lost", "the network went away")
    ask = await start(sys.executable, EXAMPLES / "ask.py", "Hello?")
    assert await finished(ask) == (1, "", "connection-lost: the network went away\n")


async def test_ask_goes_on_after_an_error_that_takes_no_replys_place(
    start: Start, front: Front, application: NotingApplication
) -> None:
    application.reply = events.Error("tool", "the tool lamp: no answer within 10 s")
    ask = await start(sys.executable, EXAMPLES / "ask.py", "Is the lamp on?")
    assert await application.next_call() == ("ask", "Is the lamp on?")
    front.emit(events.LlmComplete("I cannot see it."))
    front.emit(events.TtsEnd())
    assert await finished(ask) == (0, "I cannot see it.\n", "")


# --- announce.sh ----------------------------------------------------------------------------


async def test_announce_is_loud_enough_and_leaves_the_volume_as_it_was(
    *,
    start: Start,
    front: Front,
    application: NotingApplication,
    status: Status,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: asyncio.Queue[object] = asyncio.Queue()
    read = front._service._read

    def noting_read(name: str) -> object:
        seen.put_nowait(read(name))
        return read(name)

    monkeypatch.setattr(front._service, "_read", noting_read)
    status.update(volume=35)
    announce = await start("sh", EXAMPLES / "announce.sh", "The cake is ready.")
    assert await application.next_call() == ("set_volume", 60)
    assert await application.next_call() == ("say", "The cake is ready.")
    status.update(state=State.RESPONDING)
    async with asyncio.timeout(WAIT_S):
        while await seen.get() != State.RESPONDING:
            pass
    assert status.volume == 60
    status.update(state=State.LISTENING)
    assert await application.next_call() == ("set_volume", 35)
    assert (await finished(announce))[0] == 0


async def test_announce_restores_the_volume_when_nothing_can_be_said(
    start: Start, front: Front, application: NotingApplication, status: Status
) -> None:
    status.update(volume=35)
    announce = await start("sh", EXAMPLES / "announce.sh", "ring\a")
    result, _, complaints = await finished(announce)
    assert result == 1
    assert "control character" in complaints
    assert status.volume == 35


# --- push_to_talk.c -------------------------------------------------------------------------


class Keys:
    """An input device: a FIFO that carries the kernel's ``struct input_event``."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        # Both ways, so that neither side waits for the other.
        self._descriptor = os.open(path, os.O_RDWR)

    def send(self, kind: int, code: int, value: int) -> None:
        os.write(self._descriptor, struct.pack("llHHi", 0, 0, kind, code, value))

    def unplug(self) -> None:
        os.close(self._descriptor)


async def test_a_key_talks_while_it_is_held(
    start: Start, front: Front, application: NotingApplication, programs: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "event0")
    button = await start(programs / "push_to_talk", tmp_path / "event0", str(KEY_VOICECOMMAND))
    for kind, code, value in (
        (EV_KEY, KEY_A, PRESSED),
        (EV_KEY, KEY_A, RELEASED),
        (EV_KEY, KEY_VOICECOMMAND, PRESSED),
        (EV_SYN, 0, 0),
        (EV_KEY, KEY_VOICECOMMAND, REPEATED),
    ):
        keys.send(kind, code, value)
    talking = await application.next_call()
    assert talking[0] == "start_speech"
    assert await line(button) == "StartSpeech"
    keys.send(EV_KEY, KEY_VOICECOMMAND, RELEASED)
    assert await application.next_call() == ("stop_speech", talking[1])
    assert await line(button) == "StopSpeech"
    keys.unplug()
    assert (await finished(button))[0] == 0
    assert application.calls.empty()


async def test_a_button_that_dies_while_it_is_held_leaves_no_open_microphone(
    start: Start, front: Front, application: NotingApplication, programs: Path, tmp_path: Path
) -> None:
    keys = Keys(tmp_path / "event0")
    button = await start(programs / "push_to_talk", tmp_path / "event0", "0")
    keys.send(EV_KEY, KEY_A, PRESSED)
    _, client = await application.next_call()
    button.send_signal(signal.SIGKILL)
    assert await application.next_call() == ("client_left", client)
    keys.unplug()


async def test_a_button_shows_why_it_may_not_talk(
    start: Start, front: Front, application: NotingApplication, programs: Path, tmp_path: Path
) -> None:
    application.error = NotReady("no dialog is connected: connecting")
    keys = Keys(tmp_path / "event0")
    button = await start(programs / "push_to_talk", tmp_path / "event0", "0")
    keys.send(EV_KEY, KEY_A, PRESSED)
    await application.next_call()
    assert button.stderr is not None
    complaint = await asyncio.wait_for(button.stderr.readline(), WAIT_S)
    assert complaint == b"StartSpeech: no dialog is connected: connecting\n"
    keys.unplug()


# --- lamp.c ---------------------------------------------------------------------------------


async def shows(lamp: Path, value: str) -> None:
    async with asyncio.timeout(WAIT_S):
        while not lamp.exists() or lamp.read_text() != f"{value}\n":  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.005)


async def test_the_lamp_is_lit_while_mmid_hears_thinks_or_speaks(
    *,
    start: Start,
    address: str,
    application: NotingApplication,
    status: Status,
    programs: Path,
    tmp_path: Path,
) -> None:
    brightness = tmp_path / "brightness"
    await start(programs / "lamp", brightness)
    status.update(state=State.RESPONDING)
    front = await Front.open(address, status, application)
    await shows(brightness, "1")
    status.update(state=State.LISTENING)
    await shows(brightness, "0")
    async with await Client.connect(address) as talker:
        await talker.call(DIALOG, "StartSpeech")
        await shows(brightness, "1")
        await talker.call(DIALOG, "CancelSpeech")
        await shows(brightness, "0")
    status.update(state=State.THINKING)
    await shows(brightness, "1")
    await front.close()
    await shows(brightness, "0")


async def test_the_lamp_knows_what_was_before_it_came(
    start: Start, client: Client, programs: Path, tmp_path: Path
) -> None:
    await client.call(DIALOG, "StartSpeech")
    await start(programs / "lamp", tmp_path / "brightness")
    await shows(tmp_path / "brightness", "1")


def test_every_example_is_run_and_named_in_the_readme() -> None:
    names = {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
    here = {"ask.py", "announce.sh", "lamp.c", "push_to_talk.c"}
    in_a_dialog = {"lamp_tool.c", "thermometer.py", "tool.sh"}  # tests/end_to_end/test_tools.py
    in_a_dialog.add("wake_word.py")  # tests/end_to_end/test_wake_word.py
    assert names == here | in_a_dialog
    readme = (EXAMPLES / "README.md").read_text()
    assert all(name in readme for name in names)


@pytest.mark.parametrize("tool", ["busctl", "cc", "pkg-config"])
def test_the_tools_are_there(tool: str) -> None:
    assert shutil.which(tool), "tools/bootstrap installs it"

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mmid import __version__, events
from mmid.dbus.client import Client
from mmid.dbus.front import Front
from mmid.errors import Busy, ConnectionLost, NotRegistered, NotTalking
from mmid.events import State
from mmid.status import Status
from tests.dbus.private_bus import WAIT_S, NotingApplication, PrivateBus

RULES = """
<deny send_interface="org.mmid1.Dialog" send_member="Say"/>
"""


@dataclass
class Ended:
    """How a run of mmictl ended."""

    status: int
    output: str
    complaint: str


class Mmictl:
    """Runs mmictl as a process."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mmid.cli.mmictl", "--bus", self.address, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str) -> Ended:
        process = await self.start(*arguments)
        output, complaint = await asyncio.wait_for(process.communicate(), WAIT_S)
        assert process.returncode is not None
        assert "Traceback" not in complaint.decode()
        return Ended(process.returncode, output.decode(), complaint.decode())


def command_name() -> str:
    return Path("/proc/self/comm").read_text().strip()


def memory_priority(pid: int) -> str:
    return Path(f"/proc/{pid}/oom_score_adj").read_text()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with PrivateBus(tmp_path_factory.mktemp("bus"), RULES) as bus:
        yield bus.address


@pytest.fixture
def mmictl(address: str) -> Mmictl:
    return Mmictl(address)


@pytest.fixture
def status() -> Status:
    return Status(state=State.LISTENING, connected=True, device_name="kitchen-7")


@pytest.fixture
async def application(status: Status) -> NotingApplication:
    return NotingApplication(status)


@pytest.fixture
async def front(
    address: str, status: Status, application: NotingApplication
) -> AsyncIterator[Front]:
    front = await Front.open(address, status, application)
    application.front = front
    yield front
    await front.close()


async def test_status_is_one_plain_screen(mmictl: Mmictl, front: Front) -> None:
    ended = await mmictl("status")
    assert ended.status == 0
    first, second, *_ = lines = ended.output.splitlines()
    assert first == f"mmid {__version__} is listening"
    assert second.split() == ["device", "kitchen-7,", "no", "AppId,", "not", "registered"]
    assert len(lines) <= 24
    assert ended.output.isascii()


async def test_status_tells_a_person_which_program_talks(
    mmictl: Mmictl, front: Front, status: Status
) -> None:
    async with await Client.connect(mmictl.address) as talker:
        status.update(talker=talker.unique_name)
        lines = (await mmictl("status")).output.splitlines()
        me = f"({command_name()}, process {os.getpid()})"
        assert f"  dialog     push2talk, {talker.unique_name} {me} talks" in lines
        values = json.loads((await mmictl("status", "--json")).output)
        assert values["Dialog"]["Talker"] == talker.unique_name


async def test_status_shows_the_history_when_asked_for(mmictl: Mmictl, front: Front) -> None:
    ended = await mmictl("status", "--history")
    first, second = ended.output.splitlines()
    assert ended.status == 0
    assert first.endswith("0.250 s  connecting        attempt 1")
    assert second.endswith("now  x                 y")
    moves = json.loads((await mmictl("status", "--history", "--json")).output)
    assert moves[0] == {"unix_ms": 1_700_000_000_000, "state": "connecting", "cause": "attempt 1"}


@pytest.mark.parametrize("order", [("--json", "status"), ("status", "--json")])
async def test_status_is_json_when_asked_for_before_or_after_the_command(
    mmictl: Mmictl, front: Front, order: tuple[str, ...]
) -> None:
    values = json.loads((await mmictl(*order)).output)
    assert set(values) == {"Dialog", "Device", "Tools", "Audio"}
    assert values["Dialog"]["State"] == "listening"
    assert values["Device"]["TokenExpiry"] == 0


async def test_ask_prints_the_reply_and_ends_with_it(
    mmictl: Mmictl, front: Front, application: NotingApplication
) -> None:
    application.reply = "It is noon,\nor later. \x1b[2J"
    ended = await mmictl("ask", "What time is it?")
    assert (ended.status, ended.complaint) == (0, "")
    assert ended.output == "It is noon,\nor later. \N{REPLACEMENT CHARACTER}[2J\n"
    assert await application.next_call() == ("ask", "What time is it?")


async def test_ask_with_json_prints_one_object(mmictl: Mmictl, front: Front) -> None:
    ended = await mmictl("--json", "ask", "几点了?")
    assert json.loads(ended.output) == {"question": "几点了?", "reply": "It is noon."}


async def test_ask_ends_with_the_error_that_took_the_reply_s_place(
    mmictl: Mmictl, front: Front, application: NotingApplication
) -> None:
    application.reply = events.Error("connection-lost", "the network went away")
    ended = await mmictl("ask", "What?")
    assert ended.status == 69
    assert "connection-lost: the network went away" in ended.complaint


async def test_ask_does_not_wait_for_ever(
    mmictl: Mmictl, front: Front, application: NotingApplication, status: Status
) -> None:
    application._turn = lambda: status.update(state=State.THINKING)  # type: ignore[method-assign]
    ended = await mmictl("ask", "--timeout", "0.2", "What?")
    assert ended.status == 75
    assert "the reply did not end within 0.2 s" in ended.complaint


async def test_talk_holds_the_microphone_and_shows_the_turn_to_its_end(
    mmictl: Mmictl, front: Front, application: NotingApplication
) -> None:
    ended = await mmictl("talk", "--seconds", "0.1")
    assert (ended.status, ended.complaint) == (0, "")
    start, stop = await application.next_call(), await application.next_call()
    assert (start[0], stop[0]) == ("start_speech", "stop_speech")
    assert start[1] == stop[1]
    assert [line.split(maxsplit=1)[1].split() for line in ended.output.splitlines()] == [
        ["AsrComplete", "What", "time", "is", "it?"],
        ["LlmIncomplete", "It", "is"],
        ["TtsStart"],
        ["LlmComplete", "It", "is", "noon."],
        ["TtsEnd"],
    ]


async def test_talk_goes_on_when_the_cloud_heard_the_end_of_speech_first(
    mmictl: Mmictl, front: Front, application: NotingApplication
) -> None:
    def stop_speech(client: str) -> None:
        application._turn()
        raise NotTalking(f"{client} is not talking")

    application.stop_speech = stop_speech  # type: ignore[method-assign]
    ended = await mmictl("talk", "--seconds", "0.1")
    assert ended.status == 0
    assert "It is noon." in ended.output


async def test_talk_without_a_terminal_wants_to_know_how_long(mmictl: Mmictl, front: Front) -> None:
    ended = await mmictl("talk")
    assert ended.status == 64
    assert "--seconds" in ended.complaint


async def read_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), WAIT_S)).decode()


async def emit_until_heard(process: asyncio.subprocess.Process, front: Front) -> str:
    """Send events until mmictl, which has to start first, prints one."""
    line = asyncio.create_task(read_line(process))
    while not line.done():
        front.emit(events.AsrComplete("你好"))
        await asyncio.wait({line}, timeout=0.05)
    return line.result()


async def test_monitor_prints_one_object_a_line_and_ends_when_mmid_leaves(
    mmictl: Mmictl, front: Front, status: Status
) -> None:
    process = await mmictl.start("monitor", "--json")
    heard = json.loads(await emit_until_heard(process, front))
    assert set(heard) == {"time", "event", "args"}
    assert (heard["event"], heard["args"]) == ("AsrComplete", {"text": "你好"})
    status.update(state=State.THINKING)
    await front.close()
    output, complaint = await asyncio.wait_for(process.communicate(), WAIT_S)
    last = json.loads(output.decode().splitlines()[-1])
    assert (last["event"], last["args"]) == ("PropertiesChanged", {"State": "thinking"})
    assert process.returncode == 69
    assert b"mmid has left the bus" in complaint


async def test_a_tool_is_ended_before_the_daemon_when_memory_runs_out(
    mmictl: Mmictl, front: Front
) -> None:
    process = await mmictl.start("monitor")
    await emit_until_heard(process, front)
    assert int(memory_priority(process.pid)) == 500
    process.kill()
    await process.communicate()


async def test_monitor_ends_quietly_by_ctrl_c(mmictl: Mmictl, front: Front) -> None:
    process = await mmictl.start("monitor")
    assert "AsrComplete" in await emit_until_heard(process, front)
    process.send_signal(signal.SIGINT)
    _, complaint = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert (process.returncode, complaint) == (130, b"")


async def test_monitor_ends_quietly_when_its_reader_has_gone(address: str, front: Front) -> None:
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        '{ "$0" -m mmid.cli.mmictl --bus "$1" monitor; echo $? >&2; } | head -n 1',
        sys.executable,
        address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ended = asyncio.create_task(process.communicate())
    async with asyncio.timeout(WAIT_S):
        while not ended.done():
            front.emit(events.Heartbeat())
            await asyncio.wait({ended}, timeout=0.05)
    assert ended.result()[1] == b"141\n"


async def test_output_that_nobody_reads_ends_quietly(address: str, front: Front) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mmid.cli.mmictl", "--bus", address, "status"),
        env={},  # not PYTHONUNBUFFERED: something must be left for the interpreter to flush
        stdout=writer,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writer)
    _, complaint = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert (process.returncode, complaint) == (141, b"")


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (("say", "Hello"), None),
        (("interrupt",), ("interrupt",)),
        (("new-dialog",), ("new_dialog",)),
        (("connect",), ("connect",)),
        (("disconnect",), ("disconnect",)),
        (("volume", "30"), ("set_volume", 30)),
        (("volume", "-30"), ("set_volume", 70)),
        (("volume", "+30"), ("set_volume", 100)),
        (("mute",), ("set_muted", True)),
        (("mute", "off"), ("set_muted", False)),
    ],
)
async def test_a_plain_command_is_one_call(
    mmictl: Mmictl,
    front: Front,
    application: NotingApplication,
    arguments: tuple[str, ...],
    command: tuple[object, ...] | None,
) -> None:
    ended = await mmictl(*arguments)
    if command is None:  # the policy of this bus forbids it
        assert ended.status == 77
        assert "group mmid" in ended.complaint
        assert application.calls.empty()
    else:
        assert (ended.status, ended.output, ended.complaint) == (0, "", "")
        assert await application.next_call() == command


async def test_volume_without_a_number_prints_it(mmictl: Mmictl, front: Front) -> None:
    assert (await mmictl("volume")).output == "100\n"


async def test_device_register_waits_and_shows_the_device(
    mmictl: Mmictl, front: Front, application: NotingApplication
) -> None:
    application.registering.set()
    ended = await mmictl("device", "register")
    assert await application.next_call() == ("register",)
    assert ["Registered", "yes"] in [line.split() for line in ended.output.splitlines()]


@pytest.mark.parametrize(
    ("error", "exit_status", "remedy"),
    [
        (Busy("client :1.5 is talking"), 75, "Try again"),
        (NotTalking("you hold nothing"), 65, "StartSpeech first"),
        (NotRegistered("no triple"), 78, "Register"),
        (ConnectionLost("no network"), 76, "cloud"),
        (KeyError("x"), 70, "internal error"),
    ],
)
async def test_an_error_of_the_daemon_is_said_with_its_remedy_and_exit_status(
    *,
    mmictl: Mmictl,
    front: Front,
    application: NotingApplication,
    error: Exception,
    exit_status: int,
    remedy: str,
) -> None:
    application.error = error
    ended = await mmictl("cancel")
    assert (ended.status, ended.output) == (exit_status, "")
    assert remedy in ended.complaint
    assert str(error) in ended.complaint or isinstance(error, KeyError)


async def test_without_the_daemon_it_says_how_to_start_it(mmictl: Mmictl) -> None:
    ended = await mmictl("status")
    assert ended.status == 69
    assert "mmid is not running" in ended.complaint
    assert "systemctl start mmid" in ended.complaint


async def test_without_a_bus_it_names_the_bus(tmp_path: Path) -> None:
    ended = await Mmictl(f"unix:path={tmp_path}/none")("status")
    assert ended.status == 69
    assert f"{tmp_path}/none" in ended.complaint


async def test_an_argument_that_the_daemon_refuses_ends_with_64(
    mmictl: Mmictl, front: Front
) -> None:
    ended = await mmictl("ask", " ")
    assert ended.status == 64
    assert "Ask: the text is empty" in ended.complaint


async def test_the_bus_is_found_in_the_environment_when_no_option_names_it(
    address: str, front: Front
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mmid.cli.mmictl", "status"),
        env={"MMID_DBUS__BUS": address},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert b"kitchen-7" in output


async def test_help_lists_the_exit_status_and_version_is_ours(mmictl: Mmictl) -> None:
    text = (await mmictl("--help")).output
    assert "Exit status:" in text
    assert "69   mmid is not running" in text
    assert (await mmictl("--version")).output == f"mmictl {__version__}\n"


async def test_timeline_prints_a_waterfall_or_writes_a_picture(
    mmictl: Mmictl, front: Front, tmp_path: Path
) -> None:
    assert "heard           1250 ####" in (await mmictl("timeline")).output
    assert json.loads((await mmictl("timeline", "--json")).output)["heard"] == 1250.5
    picture = tmp_path / "turns.svg"
    assert (await mmictl("timeline", "--svg", str(picture))).status == 0
    assert picture.read_text().startswith("<svg")
    nowhere = await mmictl("timeline", "--svg", "/nowhere/turns.svg")
    assert nowhere.status == 64
    assert "/nowhere/turns.svg cannot be written" in nowhere.complaint


async def test_a_picture_on_a_full_disk_is_no_wrong_argument(mmictl: Mmictl, front: Front) -> None:
    ended = await mmictl("timeline", "--svg", "/dev/full")
    assert ended.status == 74
    assert ended.complaint.startswith("mmictl: the output cannot be written: ")


async def test_reset_asks_whether_it_is_meant(
    mmictl: Mmictl, front: Front, application: NotingApplication
) -> None:
    ended = await mmictl("device", "reset")
    assert ended.status == 64
    assert "--yes" in ended.complaint
    assert application.calls.empty()
    if os.geteuid() == 0:
        assert (await mmictl("device", "reset", "--yes")).status == 0
        assert await application.next_call() == ("reset",)

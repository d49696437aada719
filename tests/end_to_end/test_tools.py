"""Programs of the board as tools of the model, in whole dialogs: the examples, and faults."""

import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mmid.dbus.interface import TOOLS
from tests.end_to_end.conftest import MakeBoard
from tests.rig.board import PROTOCOLS, Board
from tests.rig.examples import EXAMPLES, compile_example
from tests.rig.processes import Process, python

QUICK = """\
thinking_ms = 50
pace = 0
[[turn]]
reply = "it is on, and warm"
reply_wav = "{short}"
"""
# What the model calls: functions, or commands of the console.
CALLS = """\
tool_calls = [
    { name = "lamp", arguments = { on = true } },
    { name = "thermometer", arguments = {} },
    { name = "uptime", arguments = {} },
]
"""
COMMANDS = """\
commands = [
    { name = "lamp", command_request_id = "r-1", params = [{ name = "on", value = "true" }] },
    { name = "thermometer", command_request_id = "r-2", intent_info = { domain = "home" } },
    { name = "uptime", command_request_id = "r-3" },
]
"""
WANTED = dict.fromkeys(PROTOCOLS, CALLS) | {"multimodal-dialog": COMMANDS}

# Starts an example by its name, and returns it when it is a tool.
Start = Callable[[Board, str], Awaitable[Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(board: Board, name: str) -> Process:
            process = Process(
                _command(name, board, tmp_path),
                tmp_path / f"{name}.log",
                {"DBUS_SYSTEM_BUS_ADDRESS": board.bus},
            )
            await process.start()
            stack.push_async_callback(process.stop)
            await process.first_line()
            return process

        yield start


def _command(name: str, board: Board, directory: Path) -> list[str]:
    match name:
        case "lamp":
            return [str(compile_example("lamp_tool", directory)), str(directory / "brightness")]
        case "thermometer":
            return [sys.executable, str(EXAMPLES / "thermometer.py"), str(directory / "celsius")]
    program = EXAMPLES / "tool.sh" if name == "uptime" else directory / name
    script = (name, "--exec", program, "--description", "How long it runs.")
    return python("mmid.cli.mmictl", "--bus", board.bus, "tool", "register", *script)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_model_calls_a_lamp_a_thermometer_and_a_script(
    make_board: MakeBoard, start: Start, tmp_path: Path, protocol: str
) -> None:
    wire = {"log": {"level": "debug", "wire": True}}
    scenario = QUICK + WANTED[protocol]
    board = await make_board(protocol=protocol, scenario=scenario, settings=wire)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    (tmp_path / "celsius").write_text("21540\n")
    for name in ("lamp", "thermometer", "uptime"):
        await start(board, name)
    await listener.wait_for(".Names", ["lamp", "thermometer", "uptime"])
    if protocol == "qwen-realtime":  # it is told of them, and calls no others
        await board.until_logged('"How long it runs."')
    await listener.call("Ask", "s", "turn on the lamp, and tell me how warm it is")
    for result in ("lamp", "celsius", "minutes"):
        await board.until_logged(f'\\"{result}\\":')  # JSON within JSON, on its way to the cloud
    await listener.wait_for("LlmComplete")
    assert (tmp_path / "brightness").read_text() == "1\n"
    assert not {"Error", "Command"} & {*listener.names()}
    assert not board.journal("refusal")


async def test_a_tool_that_fails_or_leaves_costs_a_sentence_and_not_the_dialog(
    make_board: MakeBoard, start: Start, tmp_path: Path
) -> None:
    declared = tmp_path / "tools.json"
    declared.write_text('[{"type": "function", "function": {"name": "lamp"}}]')
    settings = {"qwen": {"tools_file": str(declared)}, "log": {"level": "debug", "wire": True}}
    board = await make_board(protocol="qwen-realtime", scenario=QUICK + CALLS, settings=settings)
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await start(board, "thermometer")  # there is no sensor
    lamp = await start(board, "lamp")
    await lamp.stop(signal.SIGKILL)
    both = await listener.wait_for(".Names", ["lamp", "thermometer"])
    await listener.wait_for(".Names", ["thermometer"], after=listener.heard.index(both))
    await board.until_logged('"name":"thermometer"')  # the cloud is told of it
    await listener.call("Ask", "s", "turn on the lamp, and tell me how warm it is")
    command = await listener.wait_for("Command", "tool_call")
    call = {one["name"]: one["value"] for one in json.loads(command.values[1])}
    assert call["function"] == "lamp"
    error = await listener.wait_for("Error", "tool")
    assert "the tool thermometer: the sensor does not answer" in error.values[1]
    await listener.call("ToolResult", "ss", call["id"], "{}")
    await listener.wait_for("TtsEnd")
    told = [entry["output"] for entry in board.journal("tool-result")]
    assert len(told) == 2
    assert any("the sensor does not answer" in output for output in told)


async def test_one_tries_tools_from_a_shell(
    make_board: MakeBoard, start: Start, tmp_path: Path
) -> None:
    board = await make_board(protocol="qwen-realtime")
    listener = await board.start()
    await listener.wait_for(".State", "listening")
    await start(board, "lamp")

    async def mmictl(*words: str) -> str:
        command = python("mmid.cli.mmictl", "--bus", board.bus, "tool", *words)
        return (await Process(command, tmp_path / "mmictl.log").communicate(b"")).decode()

    assert await mmictl("list") == "lamp\n"
    assert await mmictl("call", "lamp", '{"on": true}') == '{"lamp":"on"}\n'
    assert (tmp_path / "brightness").read_text() == "1\n"
    assert await mmictl("call", "lamp") == ""
    script = tmp_path / "said"
    script.touch(0o755)
    script.write_text('#!/bin/sh\necho \'{"said":\n"two  blanks \u3000"}\'')
    await start(board, "said")
    told = await mmictl("call", "said")
    assert json.loads(told) == {"said": "two  blanks \u3000"}
    assert len(told.splitlines()) == 1
    script.write_text("#!/bin/sh\necho NaN")
    assert await mmictl("call", "said") == '"NaN"\n'
    assert await mmictl("register", "lamp", "--exec", "true") == ""
    complaints = (tmp_path / "mmictl.log").read_text()
    assert "mmictl: the tool lamp was called without on" in complaints
    assert "is the tool lamp" in complaints
    assert await listener.client.get(TOOLS, "Names") == ["lamp", "said"]

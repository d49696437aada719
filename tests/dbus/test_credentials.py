import asyncio
import os
import sys
from pathlib import Path

import pytest

from mmid.dbus import credentials
from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.credentials import credentials_of, description_of
from mmid.dbus.failures import CallFailed
from mmid.dbus.front import Front
from mmid.dbus.interface import DIALOG
from mmid.errors import Busy
from tests.dbus.private_bus import WAIT_S, NotingApplication

HOLDER = """
import asyncio, sys
from pathlib import Path
from mmid.dbus import credentials
from mmid.dbus.bus import Bus
async def stay():
    Path("/proc/self/comm").write_text("push\\nto talk")
    bus = await Bus.connect(sys.argv[1])
    print(bus.unique_name, flush=True)
    await asyncio.sleep(60)
asyncio.run(stay())
"""


def command_name() -> str:
    return Path("/proc/self/comm").read_text().strip()


async def test_the_bus_knows_user_and_process_of_a_client(bus: Bus) -> None:
    mine = await credentials_of(bus, bus.unique_name)
    assert mine == (os.geteuid(), os.getpid())


async def test_a_client_that_has_left_has_no_credentials(bus: Bus) -> None:
    with pytest.raises(CallFailed):
        await credentials_of(bus, ":1.99999")
    assert await description_of(bus, ":1.99999") == ":1.99999"


async def test_a_client_is_described_by_its_command_without_control_characters(
    bus: Bus, address: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, address, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    name = (await asyncio.wait_for(process.stdout.readline(), WAIT_S)).decode().strip()
    said = await description_of(bus, name)
    process.kill()
    await process.wait()
    assert said == f"{name} (push?to talk, process {process.pid})"


async def test_a_process_whose_name_is_hidden_is_described_by_its_number(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hidden(*_: object, **__: object) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", hidden)
    me = f"{bus.unique_name} (process {os.getpid()})"
    assert await description_of(bus, bus.unique_name) == me


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("/usr/bin/python3 /opt/button.py --token=swordfish", "python3"),
        ("'/opt/my app/ptt' -v", "ptt"),
        ("/usr/bin/ptt '--cut by systemd", "ptt"),
        ("[ptt]", "[ptt]"),
        ("", ""),
    ],
    ids=["arguments", "quoted", "cut", "kernel's", "none"],
)
def test_of_a_command_line_only_the_program_is_told(command: str, program: str) -> None:
    assert credentials._program(command) == program


async def test_a_second_press_is_told_who_holds_the_microphone(
    client: Client, address: str, front: Front, application: NotingApplication
) -> None:
    await client.call(DIALOG, "StartSpeech")
    application.error = Busy(f"{client.unique_name} holds the microphone")
    async with await Client.connect(address) as other:
        with pytest.raises(CallFailed) as caught:
            await other.call(DIALOG, "StartSpeech")
    assert caught.value.name == "org.mmid1.Error.Busy"
    who = f"{client.unique_name} ({command_name()}, process {os.getpid()})"
    assert str(caught.value) == f"{who} holds the microphone"

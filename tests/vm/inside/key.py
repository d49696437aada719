"""A key of the kernel's input subsystem, as a board's gpio-keys node makes one."""

import asyncio
import fcntl
import os
import shutil
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.rig.processes import REPOSITORY
from tests.vm.inside.loopback import (
    MICROPHONE_HZ,
    LoopbackBoard,
    Sounds,
    load_driver,
    noise,
    talking_board,
)

Result = TypeVar("Result")

# docs/examples/push_to_talk.c, compiled where there is a compiler.
PUSH_TO_TALK = Path("build/vm/push_to_talk")

# linux/uinput.h and linux/input-event-codes.h
_UI_DEV_CREATE, _UI_DEV_DESTROY = 0x5501, 0x5502
_UI_DEV_SETUP, _UI_SET_EVBIT, _UI_SET_KEYBIT = 0x405C5503, 0x40045564, 0x40045565
_EV_SYN, _EV_KEY, _KEY_VOICECOMMAND = 0, 1, 582
_BUS_HOST = 0x19
_SETUP = struct.Struct("4H80sI")  # struct uinput_setup
_EVENT = struct.Struct("llHHi")  # struct input_event on 64-bit Linux
_NAME = b"talk"


async def a_key_of_the_kernel_talks_while_it_is_held(place: Path) -> str:
    """The example program turns a press into StartSpeech, and a release into StopSpeech."""
    with _key() as key:
        node = await _until(_node)
        assert node
        async with talking_board(place, noise(60 * MICROPHONE_HZ), LoopbackBoard.audio()) as board:
            listener = await board.start()
            await listener.wait_for(".State", "listening")
            executable = shutil.copy(REPOSITORY / PUSH_TO_TALK, "/dev/shm")  # /run has noexec
            program = await asyncio.create_subprocess_exec(
                *(executable, node, str(_KEY_VOICECOMMAND)),
                env={"DBUS_SYSTEM_BUS_ADDRESS": board.bus},
                stdout=asyncio.subprocess.PIPE,
            )
            assert program.stdout is not None
            with Sounds(place, place / "microphone.pcm"):
                await _until(lambda: _reads(program.pid, node))
                _turn(key, pressed=True)
                await listener.wait_for("AsrIncomplete")
                assert await program.stdout.readline() == b"StartSpeech\n"
                _turn(key, pressed=False)
                assert await program.stdout.readline() == b"StopSpeech\n"
                await listener.wait_for("TtsEnd")
            program.terminate()
            await program.wait()
    return f"{node} pressed and released, and answered"


@contextmanager
def _key() -> Iterator[int]:
    """Plug in a device with one key; return the descriptor that presses it."""
    for driver in ("uinput", "evdev"):
        load_driver(driver)
    device = os.open("/dev/uinput", os.O_WRONLY)
    try:
        fcntl.ioctl(device, _UI_SET_EVBIT, _EV_KEY)
        fcntl.ioctl(device, _UI_SET_KEYBIT, _KEY_VOICECOMMAND)
        fcntl.ioctl(device, _UI_DEV_SETUP, _SETUP.pack(_BUS_HOST, 0, 0, 1, _NAME, 0))
        fcntl.ioctl(device, _UI_DEV_CREATE)
        yield device
        fcntl.ioctl(device, _UI_DEV_DESTROY)
    finally:
        os.close(device)


def _node() -> str | None:
    """Return the device file that the kernel made for the key, once udev has."""
    for name in Path("/sys/class/input").glob("event*/device/name"):
        node = Path("/dev/input") / name.parts[-3]
        if name.read_bytes().strip() == _NAME and node.exists():
            return str(node)
    return None


def _reads(pid: int, node: str) -> bool:
    """Whether a program has the key open: what is pressed before is nobody's."""
    return node in map(_link, Path(f"/proc/{pid}/fd").iterdir())


async def _until(holds: Callable[[], Result]) -> Result:
    """Ask again and again; the kernel tells nobody."""
    async with asyncio.timeout(20):
        while not (result := holds()):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return result


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:  # closed meanwhile
        return ""


def _turn(key: int, *, pressed: bool) -> None:
    now = time.time()
    for kind, code, value in ((_EV_KEY, _KEY_VOICECOMMAND, int(pressed)), (_EV_SYN, 0, 0)):
        os.write(key, _EVENT.pack(int(now), 0, kind, code, value))

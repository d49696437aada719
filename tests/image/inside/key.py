"""A key of the kernel's input subsystem, made with uinput: what a board's button is."""

import fcntl
import os
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.image.inside.shell import until
from tests.vm.inside.loopback import load_driver

# linux/uinput.h
_UI_DEV_CREATE, _UI_DEV_DESTROY = 0x5501, 0x5502
_UI_DEV_SETUP, _UI_SET_EVBIT, _UI_SET_KEYBIT = 0x405C5503, 0x40045564, 0x40045565
_SETUP = struct.Struct("HHHH80sI")
_EVENT = struct.Struct("llHHi")

# linux/input-event-codes.h
_EV_SYN, _EV_KEY, _KEY_VOICECOMMAND = 0, 1, 582
_BUS_HOST = 0x19

_NAME = "push to talk"


class Key:
    """A keyboard with one key; it is gone at the end of the context."""

    def __init__(self) -> None:
        load_driver("uinput")
        self._file = os.open("/dev/uinput", os.O_WRONLY)
        fcntl.ioctl(self._file, _UI_SET_EVBIT, _EV_KEY)
        fcntl.ioctl(self._file, _UI_SET_KEYBIT, _KEY_VOICECOMMAND)
        setup = _SETUP.pack(_BUS_HOST, 1, 1, 1, _NAME.encode(), 0)
        fcntl.ioctl(self._file, _UI_DEV_SETUP, setup)
        fcntl.ioctl(self._file, _UI_DEV_CREATE)
        until("udev has made the key", self._ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fcntl.ioctl(self._file, _UI_DEV_DESTROY)
        os.close(self._file)

    @property
    def device(self) -> str:
        """Its device file; empty if there is none yet."""
        named = Path("/sys/class/input").glob("event*/device/name")
        mine = (path for path in named if path.read_text().strip() == _NAME)
        return next((f"/dev/input/{path.parent.parent.name}" for path in mine), "")

    def press(self) -> None:
        """Press it."""
        self._send(1)

    def release(self) -> None:
        """Release it."""
        self._send(0)

    def _ready(self) -> bool:
        """Whether it is there, and udev has given it to the group input."""
        device = Path(self.device or "/dev/input/none")
        return device.exists() and device.group() == "input"

    def _send(self, value: int) -> None:
        now = time.time()
        seconds, microseconds = int(now), int(now % 1 * 1e6)
        for kind, code, content in ((_EV_KEY, _KEY_VOICECOMMAND, value), (_EV_SYN, 0, 0)):
            os.write(self._file, _EVENT.pack(seconds, microseconds, kind, code, content))

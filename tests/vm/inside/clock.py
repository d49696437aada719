"""The kernel's clock: not synchronised, then synchronised, then stepped."""

import ctypes
import time
from pathlib import Path

from tests.rig.listener import DEVICE, Listener
from tests.vm.inside.loopback import LoopbackBoard

# linux/timex.h
_ADJ_STATUS, _ADJ_MAXERROR, _ADJ_ESTERROR = 0x10, 0x4, 0x8
_STA_UNSYNC = 0x40

# The property follows the kernel within this time; the signal's own way comes on top.
_NOTICED_S = 1.0
_ON_THE_BUS_S = 0.5
_STEP_S = 2 * 3600


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex`` on 64-bit Linux, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


async def registration_waits_for_the_clock(place: Path) -> str:
    """Nothing is signed with a wrong clock; within a second of the sync it goes on."""
    _mark(synchronized=False)
    board = LoopbackBoard(place, microphone=b"", settings={"clock": {"require_sync": True}})
    async with board:
        listener = await board.start()
        assert await _synchronized(listener) is False
        await board.until_logged("the clock is not set")
        assert not board.journal("register")
        _mark(synchronized=True)
        marked = time.monotonic()
        noticed = (await listener.wait_for(".ClockSynchronized", True)).at - marked
        assert noticed < _NOTICED_S + _ON_THE_BUS_S, noticed
        await listener.wait_for(".State", "listening")
        registered = board.journal("register")[0]["t"] - marked
        await _step(listener)
        assert not board.journal("disconnect")
    return f"noticed after {noticed:.2f} s, registered after {registered:.2f} s; a step did no harm"


async def _step(listener: Listener) -> None:
    """Set the clock forth and back; the dialog must not care."""
    for step_s in (_STEP_S, -_STEP_S):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + step_s)
        start = len(listener.heard)
        await listener.call("Ask", "s", "what time is it")
        ended = await listener.wait_for("TtsEnd", after=start)
        await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


async def _synchronized(listener: Listener) -> object:
    return await listener.client.get(DEVICE, "ClockSynchronized")


def _mark(*, synchronized: bool) -> None:
    """Tell the kernel what a time service would."""
    timex = _Timex(modes=_ADJ_STATUS | _ADJ_MAXERROR | _ADJ_ESTERROR)
    timex.status = 0 if synchronized else _STA_UNSYNC
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    assert state >= 0, ctypes.get_errno()

"""The kernel's clock: not synchronised, then synchronised, then stepped."""

import time
from pathlib import Path

from tests.rig.listener import DEVICE, Listener
from tests.vm.inside.devices import run
from tests.vm.inside.kernel_time import mark
from tests.vm.inside.loopback import MICROPHONE_HZ, LoopbackBoard, Sounds, noise, talking_board

# From the sync to the request for registration at the cloud.
_GOES_ON_S = 1.0

_UNSET = "2000-01-01 00:00:10"
_STEP_S = 2 * 3600


async def registration_waits_for_the_clock(place: Path) -> str:
    """Nothing is signed with a wrong clock; within a second of the sync it goes on."""
    mark(synchronized=False)
    settings = LoopbackBoard.audio() | {"clock": {"require_sync": True}}
    async with talking_board(place, noise(60 * MICROPHONE_HZ), settings) as board:
        await board.start_cloud()  # its own clock was always right
        await board.start_bus()
        listener = await board.listener()
        was_unset_for = _unset()
        await board.start_mmid()
        await listener.wait_for(".State")
        assert await _synchronized(listener) is False
        await board.until_logged("the clock is not set")
        assert not board.journal("register")
        run("date", "-s", f"@{time.time() + was_unset_for:.3f}")
        assert not board.journal("register")
        mark(synchronized=True)
        marked = time.monotonic()
        noticed = (await listener.wait_for(".ClockSynchronized", True)).at - marked
        await listener.wait_for(".State", "listening")
        registered = board.journal("register")[0]["t"] - marked
        assert registered < _GOES_ON_S, (noticed, registered)
        with Sounds(place, place / "microphone.pcm"):
            await _step_while_it_talks(listener)
        assert not board.journal("disconnect")
        assert len(board.journal("register")) == 1
    return f"noticed after {noticed:.2f} s, registered after {registered:.2f} s; steps did no harm"


async def _step_while_it_talks(listener: Listener) -> None:
    """Set the clock forth and back, in mid-speech and in mid-reply; the dialog must not care."""
    for step_s in (_STEP_S, -_STEP_S):
        start = len(listener.heard)
        await listener.call("StartSpeech")
        await listener.wait_for("AsrIncomplete", after=start)
        _step(step_s)
        await listener.call("StopSpeech")
        await listener.wait_for("TtsStart", after=start)
        _step(step_s)
        ended = await listener.wait_for("TtsEnd", after=start)
        await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


def _step(step_s: float) -> None:
    run("date", "-s", f"@{time.time() + step_s:.3f}")


def _unset() -> float:
    """Set the clock as a board without a battery has it; return how wrong that is, in seconds."""
    before = time.time()
    run("date", "-s", _UNSET)
    return before - time.time()


async def _synchronized(listener: Listener) -> object:
    return await listener.client.get(DEVICE, "ClockSynchronized")

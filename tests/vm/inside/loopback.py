"""A board whose sound card is snd-aloop: plain ``hw:`` devices, paced by the kernel.

What is played into one end comes out of the other, bit for bit. Pair 0 is the
microphone: aplay speaks into it. Pair 1 is the loudspeaker: arecord listens.
"""

import random
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from demo.speech import write_wav
from tests.rig.board import Board, Tables
from tests.rig.processes import Process

MICROPHONE_HZ = 16000
LOUDSPEAKER_HZ = 24000

_SPOKEN_INTO, MICROPHONE = "hw:Loopback,0,0", "hw:Loopback,1,0"
LOUDSPEAKER, LISTENED_AT = "hw:Loopback,0,1", "hw:Loopback,1,1"

_DRIVER = Path("/sys/bus/platform/drivers/snd_aloop")
_CARD = "snd_aloop.0"

_SCENARIO = """\
[[turn]]
transcript = "noise"
reply = "noise"
reply_wav = "{reply}"
"""


def load_driver(name: str, *parameters: str) -> None:
    """Load a driver of the kernel; nothing happens if it is there."""
    subprocess.run(["modprobe", name, *parameters], check=True, timeout=60)


def unplug_card() -> None:
    """Take the card away under whoever has it open, as a USB plug does; returns when all let go."""
    (_DRIVER / "unbind").write_text(_CARD)


def plug_in_new_card() -> None:
    """Plug in a new one: the driver starts from nothing."""
    subprocess.run(["modprobe", "-r", "snd-aloop"], check=True, timeout=60)
    load_driver("snd-aloop")


@contextmanager
def holding(device: str, rate_hz: int = MICROPHONE_HZ) -> Iterator[None]:
    """Have another program record from the device; it decides the rate of that cable."""
    command = _command("arecord", device, rate_hz, Path("/dev/null"))
    with subprocess.Popen(command, stderr=subprocess.PIPE) as holder:
        assert holder.stderr is not None
        holder.stderr.readline()  # it says so once the device is open
        try:
            yield
        finally:
            holder.terminate()


class LoopbackBoard(Board):
    """A ``Board`` with the kernel's sound card, and alsa-lib's ordinary configuration."""

    @staticmethod
    def audio(**more: str) -> Tables:
        """Return the settings for it."""
        devices = {"capture_device": MICROPHONE, "playback_device": LOUDSPEAKER}
        return {"audio": {**devices, **more}}

    def _process(
        self, part: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start nothing with definitions of PCMs of the board's own."""
        del environment
        return super()._process(part, command)


def talking_board(place: Path, spoken: bytes, settings: Tables) -> LoopbackBoard:
    """Return a board whose cloud answers whatever is said with a second and a half of noise.

    Args:
        place: the board's directory.
        spoken: the file ``microphone.pcm``, for ``Sounds``.
        settings: tables to add to, or replace in, the settings.
    """
    load_driver("snd-aloop")
    reply = place / "reply.wav"
    write_wav(reply, noise(LOUDSPEAKER_HZ * 3 // 2), LOUDSPEAKER_HZ)
    scenario = _SCENARIO.format(reply=reply)
    return LoopbackBoard(place, microphone=spoken, scenario=scenario, settings=settings)


def noise(samples: int) -> bytes:
    """Return noise without silence in it: no two stretches are alike."""
    return random.Random(3).randbytes(2 * samples).replace(b"\0", b"\1")  # noqa: S311


class Sounds:
    """The room: speech that goes on and on, and an ear.

    Args:
        place: where the ear writes.
        spoken: file with samples at the microphone's rate.
        rate_hz: of what is heard.
    """

    def __init__(self, place: Path, spoken: Path, rate_hz: int = LOUDSPEAKER_HZ) -> None:
        self._recording = place / "recording.pcm"
        self._programs = [
            subprocess.Popen(_command("aplay", _SPOKEN_INTO, MICROPHONE_HZ, spoken)),
            subprocess.Popen(_command("arecord", LISTENED_AT, rate_hz, self._recording)),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def end(self) -> bytes:
        """Be silent; return what was recorded."""
        for program in self._programs:
            program.terminate()
            program.wait(timeout=20)
        return self._recording.read_bytes() if self._recording.exists() else b""


def _command(program: str, device: str, rate_hz: int, path: Path) -> list[str]:
    form = ("-t", "raw", "-f", "S16_LE", "-c", "1", "-r", str(rate_hz))
    return [program, "-D", device, *form, str(path)]

"""How soon a voice in mid-reply is heard, and how soon the loudspeaker is silent then.

    python -m bench.barge_in [PROTOCOL] [--times N]

A whole board in the room of the tests, in duplex with its echo canceller: somebody talks into one
reply after the other, each time after another stretch of it. Two stretches of time are measured:

* from the voice's first sample in the room to the cloud's journal of a voice that begins. Most of
  it is the wait until a frame of speech (100 ms) is full;
* from that journal's moment to the loudspeaker's silence, as the room recorded it. It is short
  where somebody talked into a pause of the reply.

All clocks are the same machine's. It is not in the table of ``python -m bench``, because there is
no other program to compare it with.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from random import Random

from demo.speech import speak, write_wav
from mmid.dbus.interface import AUDIO
from tests.rig.board import PROTOCOLS, REPLY_HZ, silence
from tests.rig.listener import Listener
from tests.rig.room import (
    RATE_HZ,
    STORY,
    RoomBoard,
    clock_of,
    silent_from,
    sounds_from,
    until_it_is,
)

_SETTINGS = {"dialog": {"work_mode": "duplex"}, "audio": {"echo_canceller": "speex"}}
_SCENARIO = """\
thinking_ms = 100
pace = 2
pause_ms = 400
[[turn]]
reply_wav = "reply.wav"
"""

# How long somebody listens before talking. It differs, so that a voice begins at another place
# of the cloud's frames each time.
_LISTENS_S = (2.0, 2.5)


async def measure_barge_ins(protocol: str, times: int) -> tuple[list[float], list[float]]:
    """Talk into so many replies.

    Returns:
        in ms, of each voice: until the cloud heard it, and from then until the reply was silent.

    Raises:
        RuntimeError: the cloud heard the reply as a voice, or missed a voice; or the microphone
            lost samples.
    """
    with tempfile.TemporaryDirectory(prefix="mmid-bench-") as folder:
        directory, rate_hz = Path(folder), REPLY_HZ[protocol]
        write_wav(directory / "reply.wav", speak(STORY, rate_hz, directory), rate_hz)
        voice = speak("Stop, please, that is enough.", RATE_HZ, directory)
        async with RoomBoard(
            directory,
            microphone=silence(1),
            scenario=_SCENARIO,
            settings=_SETTINGS,
            protocol=protocol,
        ) as board:
            listener = await board.start()
            await listener.wait_for(".State", "listening")
            async with clock_of(board) as started:
                board.say(voice)
                await listener.wait_for("TtsStart")
                await until_it_is(listener, "on")
                quiet = [await _talk(board, listener, voice, number) for number in range(times)]
            overruns = await listener.client.get(AUDIO, "RecorderOverruns")
            begins = [entry["t"] for entry in board.journal("speech-begin")][1:]
            sounded, said = board.sounded(), board.said()
    if len(begins) != times or overruns:
        told = f"{len(begins)} voices were heard where {times} talked"
        raise RuntimeError(f"{told}, and samples were lost {overruns} times")

    def moment(find: Callable[["array[int]", int], int], heard: "array[int]", at: float) -> float:
        """Return when what is looked for in a recording came, at that moment or later."""
        return started[0] + find(heard, int((at - started[0]) * RATE_HZ)) / RATE_HZ

    talked = [moment(sounds_from, said, at) for at in quiet]
    silent = [moment(silent_from, sounded, at) for at in begins]
    return _milliseconds(talked, begins), _milliseconds(begins, silent)


async def _talk(board: RoomBoard, listener: Listener, voice: bytes, number: int) -> float:
    """Talk into the reply, and wait for the next one; return a moment before the voice began."""
    dice = Random(number)  # noqa: S311 - the same moments each time
    await asyncio.sleep(dice.uniform(*_LISTENS_S))
    # In the room a voice begins where the card was read last: up to 100 ms before now.
    quiet, start = time.monotonic() - 0.2, len(listener.heard)
    board.say(voice)
    restarted = await listener.wait_for("SpeechRestart", after=start)
    await listener.wait_for("TtsStart", after=listener.heard.index(restarted))
    return quiet


def _milliseconds(begins: list[float], ends: list[float]) -> list[float]:
    return [1000 * (end - begin) for begin, end in zip(begins, ends, strict=True)]


def main() -> None:
    """Print the least, the median and the most of both stretches."""
    parser = argparse.ArgumentParser(prog="barge_in", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("protocol", nargs="?", choices=PROTOCOLS, default=PROTOCOLS[0])
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    both = asyncio.run(measure_barge_ins(options.protocol, options.times))
    for name, values in zip(("voice to cloud", "cloud to silence"), both, strict=True):
        least, median, most = min(values), statistics.median(values), max(values)
        print(f"{name}: {least:.0f} ms at least, {median:.0f} median, {most:.0f} at most")


if __name__ == "__main__":
    main()

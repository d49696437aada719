"""Plays the main job through and checks it from outside: register, press, speak, hear.

Everything is real but the cloud, which is simcloud: alsa-lib, dbus-daemon,
TLS, and the daemon in its own process; with ``--relay`` the vendor's server too.
What the cloud heard and what the loudspeaker played are compared byte for byte;
a difference fails the demo.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from demo.speech import recorded, speak, write_wav
from demo.story import Story, Told
from tests.rig.board import PROTOCOLS, REPLY_HZ, Board, silence
from tests.rig.listener import DEVICE, DIALOG, Listener
from tests.rig.relay import RelayBoard

_QUESTION = "What is the weather like today?"
_ANSWER = "It is sunny and warm, a good day for a walk."
_MICROPHONE_HZ = 16000
_SAMPLE_BYTES = 2

_SCENARIO = """\
[[turn]]
transcript = "{question}"
reply = "{answer}"
reply_wav = "{reply_wav}"
"""

# alsa-lib repeats stale data after the end of a file: leave room to be slow.
_ROOM_S = 60.0


def main(name: str, directory: Path, protocol: str, recordings: Sequence[Path]) -> int:
    """Play it through in a directory; one used before is the same board once more.

    Args:
        name: which demo, ``demo`` or ``relay-demo``.
        directory: where everything of the board is kept.
        protocol: which cloud, as ``cloud.protocol`` names it.
        recordings: what is said and what is answered; espeak-ng speaks both if there are none.
    """
    known = (directory / "device.bin").exists()
    directory.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(directory / "heard", ignore_errors=True)
    for log in directory.glob("*.log"):
        log.unlink()
    loudspeaker_hz = REPLY_HZ[protocol]
    if recordings:
        question = recorded(recordings[0], _MICROPHONE_HZ)
        answer = recorded(recordings[1], loudspeaker_hz)
    else:
        question = speak(_QUESTION, _MICROPHONE_HZ, directory)
        answer = speak(_ANSWER, loudspeaker_hz, directory)
    write_wav(directory / "answer.wav", answer, loudspeaker_hz)
    scenario = _SCENARIO.format(
        question=_QUESTION, answer=_ANSWER, reply_wav=directory / "answer.wav"
    )
    microphone = question + silence(_ROOM_S)
    kind = RelayBoard if name == "relay-demo" else Board
    board = kind(directory, microphone=microphone, scenario=scenario, protocol=protocol)
    failed = asyncio.run(_play(board, question, known_before=known))
    if failed:
        print(f"{name}: FAILED, the logs are in {directory}")
    else:
        print(f"{name}: OK, pressed, spoke, and heard the answer")
    return int(failed)


def _arguments() -> argparse.Namespace:
    """Return the protocol, the two recordings to play or none, and whether there is a relay."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    text = "recordings to play in place of espeak-ng's speech: 16-bit mono WAV files"
    parser.add_argument("--wav", nargs=2, type=Path, metavar=("QUESTION", "ANSWER"), help=text)
    text = "the cloud that is spoken to (default %(default)s)"
    parser.add_argument("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], help=text)
    text = "reach the cloud through the vendor's server, mmid-relay"
    parser.add_argument("--relay", action="store_true", help=text)
    return parser.parse_args()


async def _play(board: Board, question: bytes, *, known_before: bool) -> bool:
    """Play it through, tell it, and return whether anything is wrong."""
    async with board:
        listener = await board.start()
        pressed, released = await _talk(listener, len(question) / _SAMPLE_BYTES / _MICROPHONE_HZ)
        told = await _ask(listener)
        stopping = time.monotonic()
        status = await board.stop("mmid")
        stopped = time.monotonic() - stopping
        story = Story(board, listener, told, pressed=pressed, released=released)
        print(story.trace())
        findings = [
            story.registration(known_before=known_before),
            story.order(),
            story.heard_by_cloud(question + silence(_ROOM_S)),
            story.played_by_loudspeaker(),
            story.latency(),
            *story.cost(),
            story.end(status, stopped),
            story.secrets(),
            *story.relay(),
        ]
    for finding in findings:
        print(f"  {'ok' if finding.good else 'WRONG':>5}  {finding.text}")
    print(f"   wav  {board.loudspeaker}")
    return not all(finding.good for finding in findings)


async def _ask(listener: Listener) -> Told:
    """Return what the daemon says of the dialog."""
    [turns] = await listener.call("GetTimeline")
    usage = await listener.client.get(DIALOG, "Usage")
    return Told(turns[-1], usage, await listener.client.get(DEVICE, "LicenseMode"))


async def _talk(listener: Listener, seconds: float) -> tuple[float, float]:
    """Press, speak, release, hear the answer out; return when it was pressed and released."""
    await listener.wait_for("SpeechPrepare")
    pressed = time.monotonic()
    await listener.call("StartSpeech")
    # The one wait for time here: it is how long a person speaks.
    await asyncio.sleep(pressed + seconds - time.monotonic())
    released = time.monotonic()
    await listener.call("StopSpeech")
    ended = await listener.wait_for("TtsEnd")
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))
    return pressed, released


if __name__ == "__main__":
    given = _arguments()
    chosen = "relay-demo" if given.relay else "demo"
    where = Path("build", chosen, given.protocol).resolve()
    sys.exit(main(chosen, where, given.protocol, given.wav or []))

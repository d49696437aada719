"""A board for each test, and the shortest way to a finished turn."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from demo.speech import write_wav
from tests.rig.board import REPLY_HZ, Board, Tables, silence
from tests.rig.listener import Listener

# Noise: no two stretches are alike, so a lost or doubled sample is seen.
MICROPHONE = random.Random(20).randbytes(16000 * 2 * 8)  # noqa: S311 - noise, not a secret
MICROPHONE += silence(60)

# A second of it, for a cloud that must hear the end itself; and a second over the reply to it.
SENTENCE = MICROPHONE[: 16000 * 2] + silence(60)
INTERRUPTION = MICROPHONE[: 16000 * 2] + silence(1.8) + SENTENCE

QUICK = """\
thinking_ms = 50
pace = 0
[[turn]]
reply = "yes"
reply_wav = "{short}"
"""

# Longer than any test hears it; the next turn is silent.
LONG_REPLY = """\
thinking_ms = 50
pace = 4
[[turn]]
reply = "once upon a time there was a board that could speak, and it spoke for a long while"
reply_s = 7.7
[[turn]]
spoken = false
"""

MakeBoard = Callable[..., Awaitable[Board]]


@pytest.fixture
async def make_board(tmp_path: Path) -> AsyncIterator[MakeBoard]:
    """Return a maker of boards; they are switched off after the test.

    ``{short}`` in a scenario is a WAV of 0.2 s, for tests that need not hear much.
    """
    boards: list[Board] = []
    short = tmp_path / "short.wav"

    async def make(
        *,
        scenario: str = "",
        settings: Tables | None = None,
        microphone: bytes = MICROPHONE,
        protocol: str = "multimodal-dialog",
        kind: type[Board] = Board,
    ) -> Board:
        rate_hz = REPLY_HZ[protocol]
        write_wav(short, MICROPHONE[: rate_hz // 5 * 2], rate_hz)
        scenario = scenario.replace("{short}", str(short))
        board = kind(
            tmp_path,
            microphone=microphone,
            scenario=scenario,
            settings=settings,
            protocol=protocol,
        )
        boards.append(board)
        return board

    yield make
    for board in boards:
        await board.close()


def squeezed(names: list[str]) -> list[str]:
    """Return the events without those that repeat the one before."""
    return [name for index, name in enumerate(names) if [name] != names[index - 1 : index]]


def refusals(board: Board) -> list[str]:
    """Return what the cloud found wrong with what it was sent."""
    return [entry["reason"] for entry in board.journal("refusal")]


async def one_turn(listener: Listener) -> None:
    """Press, speak until the cloud has understood a word, release, hear the reply out."""
    await listener.wait_for(".State", "listening")
    start = len(listener.heard)
    await listener.call("StartSpeech")
    await listener.wait_for("AsrIncomplete", after=start)
    await listener.call("StopSpeech")
    ended = await listener.wait_for("TtsEnd", after=start)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))

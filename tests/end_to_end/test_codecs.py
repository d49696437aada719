"""Whole dialogs with every codec, through the real daemon, between microphone and loudspeaker."""

import asyncio
import math
import random
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.speech import write_wav
from mmid.simcloud.core.voice import phrase
from tests.end_to_end.conftest import one_turn
from tests.rig.board import Board, Tables, silence

RATE_UP, RATE_DOWN = 16000, 24000
FRAME_MS = 60

# One frame and the run-up of the codec, which not every stream tells the length of.
SLACK_BYTES = 2 * RATE_DOWN * 2 * FRAME_MS // 1000


def noisy(samples: bytes) -> bytes:
    """Add a little noise, so that a shift is seen."""
    dice = random.Random(3)  # noqa: S311 - noise, not a secret
    noise = (value + dice.randint(-600, 600) for value in array("h", samples))
    return array("h", noise).tobytes()


SPEECH = noisy(phrase(RATE_UP) * 3)
REPLY = noisy(phrase(RATE_DOWN))


class Case:
    """A board whose cloud replies with ``REPLY`` in one codec."""

    def __init__(self, folder: Path, **dialog: object) -> None:
        wav = folder / "reply.wav"
        write_wav(wav, REPLY, RATE_DOWN)
        settings: Tables = {"dialog": {"frame_size": FRAME_MS, **dialog}}
        self.folder = folder
        self.board = Board(
            folder,
            microphone=SPEECH + silence(60),
            scenario=f'thinking_ms = 50\n[[turn]]\nreply_wav = "{wav}"\n',
            settings=settings,
        )

    def heard(self, name: str) -> bytes:
        return (self.folder / "heard" / name).read_bytes()

    def played(self) -> bytes:
        return self.board.played()


@pytest.fixture
async def case(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    made = Case(tmp_path, **request.param)
    yield made
    await made.board.close()


def likeness(one: bytes, other: bytes, most_late: int) -> float:
    """Return the correlation of two sounds, at the best of so many samples of delay."""
    right = array("h", other)
    best = 0.0
    for late in range(most_late + 1):
        left = array("h", one)[late : late + len(right)]
        both = sum(a * b for a, b in zip(left, right, strict=False))
        energy = sum(a * a for a in left) * sum(b * b for b in right[: len(left)])
        best = max(best, both / math.sqrt(energy) if energy else 0.0)
    return best


def energy(samples: bytes) -> float:
    return math.sqrt(sum(value * value for value in array("h", samples)) / (len(samples) / 2))


@pytest.mark.parametrize(
    ("case", "file", "late_by"),
    [
        ({"downstream_mode": "mp3"}, "reply-0001.mp3", 0),
        ({"downstream_mode": "opus"}, "reply-0001.opus", 0),
        ({"downstream_mode": "raw-opus"}, "reply-0001.packets", 312 * RATE_DOWN // 48000),
    ],
    indirect=["case"],
    ids=["mp3", "opus", "raw-opus"],
)
async def test_a_reply_in_a_codec_is_heard_as_it_was_spoken(
    case: Case, file: str, late_by: int
) -> None:
    await one_turn(await case.board.start())
    assert len(case.heard(file)) < len(REPLY) / 4
    played = case.played()
    assert 0 <= len(played) - len(REPLY) <= (SLACK_BYTES if late_by else 0)
    assert likeness(played[2 * late_by :], REPLY, 0) > 0.95
    assert energy(played) == pytest.approx(energy(REPLY), rel=0.1)
    assert "damaged" not in case.board.log()


@pytest.mark.parametrize("case", [{"upstream_mode": "raw-opus"}], indirect=True, ids=["raw-opus"])
async def test_speech_in_opus_is_heard_from_its_first_sample_on(case: Case) -> None:
    listener = await case.board.start()
    await listener.wait_for(".State", "listening")
    for number in (1, 2):
        await one_turn(listener)
        entry = case.board.journal("speech-end")[number - 1]
        speech = case.heard(f"speech-{number:04}.pcm")
        packets = case.heard(f"speech-{number:04}.packets")
        assert entry["packets"] == pytest.approx(len(speech) / 2 / RATE_UP * 50, abs=1)
        assert len(packets) < len(speech) / 4
        head = SPEECH[: RATE_UP // 2 * 2]
        late = 312 * RATE_UP // 48000 + 20  # libopus' run-up, and what a converter adds
        assert likeness(speech, head, late) > 0.8
        assert energy(speech[: len(head)]) == pytest.approx(energy(head), rel=0.3)


@pytest.mark.parametrize(
    "case",
    [
        {
            "upstream_mode": "raw-opus",
            "us_sample_rate": 8000,
            "downstream_mode": "opus",
            "ds_sample_rate": 48000,
        }
    ],
    indirect=True,
    ids=["8000-48000"],
)
async def test_codecs_go_together_at_other_rates(case: Case) -> None:
    """The reply is the cloud's own phrase: a WAV of another rate is refused."""
    case.board.scenario = "thinking_ms = 50\n"
    await one_turn(await case.board.start())
    assert case.played()
    assert likeness(case.played(), phrase(48000), 0) > 0.95
    assert len(case.played()) == len(phrase(48000))


@pytest.mark.parametrize("case", [{"downstream_mode": "mp3"}], indirect=True, ids=["mp3"])
async def test_an_interruption_ends_a_reply_in_a_codec_and_the_next_is_whole(case: Case) -> None:
    case.board.scenario += "".join('[[turn]]\nreply_wav = "reply.wav"\n' for _ in range(2))
    listener = await case.board.start()
    await listener.wait_for(".State", "listening")
    await listener.call("Ask", "s", "tell me a story")
    started = await listener.wait_for("TtsStart")
    after = listener.heard.index(started)
    await listener.call("Interrupt")
    await listener.wait_for("TtsEnd", after=after)
    await listener.wait_for(".State", "listening", after=after)
    await asyncio.sleep(0)
    await one_turn(listener)
    assert len(case.played()) == len(REPLY)


@pytest.mark.parametrize(
    ("case", "library", "told"),
    [
        ({"downstream_mode": "mp3"}, "libmpg123.so.0", "libmpg123-0t64"),
        ({"upstream_mode": "raw-opus"}, "libopus.so.0", "libopus0"),
    ],
    indirect=["case"],
    ids=["mp3", "raw-opus"],
)
async def test_a_codec_without_its_library_is_a_wrong_setting(
    case: Case, library: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (case.folder / library).write_text("no library\n")
    await case.board.start_cloud()
    await case.board.start_bus()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(case.folder))
    mmid = await case.board.start_mmid()
    async with asyncio.timeout(15):
        assert await mmid.wait() == 2
    ((key, mode),) = [item for item in case.board.settings["dialog"].items() if "mode" in item[0]]
    assert f"dialog.{key} = {mode!r} needs {library}" in case.board.log()
    assert told in case.board.log()
    assert "Traceback" not in case.board.log()

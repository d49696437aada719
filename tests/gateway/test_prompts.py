"""Sounds that explain a silence: when, which, and when not."""

import asyncio
import math
import os
import wave
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed, Busy, InvalidArgument, NotReady, Unsupported
from mmid.events import Error, SpeechPrepare, SpeechStart, State, TtsStart
from mmid.session.effects import Emit, StartPlayer
from mmid.settings import PromptFiles
from mmid.status import LicenseState
from tests.gateway.board import ALICE, Board

RATE_HZ = 24000  # of the replies
SOUND = bytes(range(200)) * 8


def tone(rate_hz: int) -> bytes:
    """Return a second of 440 Hz."""
    return array(
        "h", (round(9000 * math.sin(math.tau * 440 * at / rate_hz)) for at in range(rate_hz))
    ).tobytes()


def loudness(one: "array[int]", other: "array[int]", late: int = 0) -> float:
    """Return how loud the difference of two sounds is."""
    return math.hypot(*(a - b for a, b in zip(one[late:], other, strict=False)))


def write(path: Path, *, rate_hz: int = RATE_HZ, channels: int = 1, sound: bytes = SOUND) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(sound)


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    for name in ("offline", "license", "error"):
        write(tmp_path / f"{name}.wav", sound=SOUND + name.encode().ljust(8))
    files = PromptFiles(str(tmp_path), "offline.wav", "license.wav", "error.wav")
    made = Board(press_wait_s=0.0, prompts=files)
    await made.book.load()
    yield made
    await made.book.close()


async def played(board: Board) -> str:
    """Wait for a prompt to be played; return which, and let it end."""
    async with asyncio.timeout(10):
        while not board.player.finishing:  # noqa: ASYNC110 - a double tells nobody
            await asyncio.sleep(0.001)
    name = board.player.played[len(SOUND) :].decode().strip()
    board.player.played, board.player.finishing = b"", False
    board.player.drain()
    return name


async def nothing_played(board: Board) -> None:
    tasks = list(board.host.prompts._explaining)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert board.player.played == b""


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (LicenseState.AUTHORIZED, "offline"),
        (LicenseState.REGISTERED, "offline"),
        (LicenseState.REFUSED, "license"),
        (LicenseState.UNPROVISIONED, "license"),
    ],
)
async def test_a_press_that_no_cloud_takes_is_explained(
    board: Board, state: LicenseState, name: str
) -> None:
    board.status.update(license_state=state)
    with pytest.raises(NotReady):
        board.gateway.start_speech(ALICE)
    assert await played(board) == name
    assert board.player.samples


async def test_a_press_that_waited_in_vain_is_explained(tmp_path: Path, board: Board) -> None:
    waits = Board(press_wait_s=0.01, prompts=PromptFiles(str(tmp_path), "offline.wav"))
    waits.status.update(license_state=LicenseState.AUTHORIZED)
    waits.supervision.hopeful = True
    pressed = waits.gateway.start_speech(ALICE)
    assert pressed is not None
    with pytest.raises(NotReady):
        await pressed
    assert await played(waits) == "offline"


@pytest.mark.parametrize("ended_by", ["cancel", "leave", "disconnect", "mode", "reset"])
@pytest.mark.usefixtures("board")
async def test_a_press_that_somebody_ended_while_it_waited_is_not_explained(
    tmp_path: Path, ended_by: str
) -> None:
    waits = Board(press_wait_s=5.0, prompts=PromptFiles(str(tmp_path), "offline.wav"))
    await waits.book.load()
    waits.status.update(license_state=LicenseState.AUTHORIZED)
    waits.supervision.hopeful = True
    pressed = waits.gateway.start_speech(ALICE)
    assert pressed is not None
    match ended_by:
        case "cancel":
            waits.gateway.cancel_speech(ALICE)
        case "leave":
            waits.gateway.client_left(ALICE)
        case "disconnect":
            waits.gateway.disconnect()
        case "mode":
            waits.gateway.set_work_mode("tap2talk")
        case "reset":
            await waits.gateway.reset()
    with pytest.raises(NotReady):
        await pressed
    await nothing_played(waits)
    await waits.book.close()


async def test_a_speech_that_is_not_answered_is_explained_and_no_other_error_is(
    board: Board,
) -> None:
    failed = Emit(Error("cloud", "no reply"))
    board.host.perform(failed)
    for ended in (TtsStart(), SpeechPrepare()):
        board.host.perform(Emit(SpeechStart()))
        board.host.perform(Emit(ended))
        board.host.perform(failed)
    board.host.perform(Emit(SpeechStart()))
    board.host.perform(Emit(Error("tool", "the tool lamp: no answer")))
    await nothing_played(board)
    board.host.perform(failed)
    assert await played(board) == "error"


async def test_none_is_played_twice_in_half_a_minute(board: Board) -> None:
    board.status.update(license_state=LicenseState.AUTHORIZED)
    for _ in range(2):  # the first is silenced by the second before it begins
        with pytest.raises(NotReady):
            board.gateway.start_speech(ALICE)
    assert await played(board) == "offline"
    with pytest.raises(NotReady):
        board.gateway.start_speech(ALICE)
    await nothing_played(board)


async def test_a_press_and_a_reply_silence_it(board: Board) -> None:
    async with board.connected():
        await board.gateway.play_prompt("error.wav")
        board.gateway.start_speech(ALICE)
        assert not board.player.playing
        with pytest.raises(Busy, match="begun to talk"):
            await board.gateway.play_prompt("error.wav")
        board.gateway.cancel_speech(ALICE)
    await board.gateway.play_prompt("error.wav")
    board.host.perform(StartPlayer())
    assert board.player.listener is board.host.loudspeaker
    with pytest.raises(Busy):
        await board.gateway.play_prompt("error.wav")
    board.player.drain()
    await board.gateway.play_prompt("error.wav")


async def test_a_press_silences_a_prompt_and_no_reply(board: Board) -> None:
    await board.gateway.play_prompt("error.wav")
    board.player.drain()
    board.host.perform(StartPlayer())
    with pytest.raises(NotReady):
        board.gateway.start_speech(ALICE)
    assert board.player.listener is board.host.loudspeaker


async def test_one_that_was_still_being_read_at_a_press_is_not_played(board: Board) -> None:
    async with board.connected():
        reading = asyncio.ensure_future(board.gateway.play_prompt("error.wav"))
        await asyncio.sleep(0)
        board.gateway.start_speech(ALICE)
        with pytest.raises(Busy, match="begun to talk"):
            await reading
    assert not board.player.playing


@pytest.mark.parametrize("rate_hz", [8000, 16000, 32000, 44100, 48000, 96000])
async def test_one_of_another_rate_sounds_as_it_was(
    board: Board, tmp_path: Path, rate_hz: int
) -> None:
    write(tmp_path / "tone.wav", rate_hz=rate_hz, sound=tone(rate_hz))
    await board.gateway.play_prompt("tone.wav")
    played = array("h", board.player.played)
    assert len(played) == RATE_HZ
    wanted = array("h", tone(RATE_HZ))
    # A mean of several samples comes up to half of one of them late.
    error = min(loudness(wanted, played, late) for late in range(2))
    assert error < 0.05 * loudness(wanted, array("h", bytes(2 * RATE_HZ)))


async def test_one_is_heard_at_a_time(board: Board) -> None:
    await board.gateway.play_prompt("error.wav")
    with pytest.raises(Busy):
        await board.gateway.play_prompt("error.wav")
    board.player.drain()
    await board.gateway.play_prompt("offline.wav")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../error.wav", "/etc/passwd", ".hidden", "no.wav"]
)
async def test_what_is_no_file_of_the_directory_is_refused(board: Board, name: str) -> None:
    with pytest.raises(InvalidArgument):
        await board.gateway.play_prompt(name)


async def test_what_is_no_short_sound_of_16_bit_mono_is_refused(
    board: Board, tmp_path: Path
) -> None:
    write(tmp_path / "stereo.wav", channels=2)
    write(tmp_path / "long.wav", sound=bytes(2 * RATE_HZ * 11))
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "empty.wav").write_bytes(b"")
    write(tmp_path / "cut.wav", rate_hz=16000)
    os.truncate(tmp_path / "cut.wav", 1001)
    os.mkfifo(tmp_path / "pipe.wav")
    for name in ("stereo.wav", "long.wav", "text.wav", "empty.wav", "cut.wav", "pipe.wav"):
        with pytest.raises(InvalidArgument, match=name):
            await board.gateway.play_prompt(name)


async def test_without_a_directory_none_is_played(board: Board) -> None:
    bare = Board(press_wait_s=0.0)
    with pytest.raises(Unsupported, match=r"prompts\.directory"):
        await bare.gateway.play_prompt("error.wav")
    with pytest.raises(NotReady):
        bare.gateway.start_speech(ALICE)
    await nothing_played(bare)


async def test_a_loudspeaker_that_cannot_be_opened_is_told_to_whoever_asked(
    board: Board, caplog: pytest.LogCaptureFixture
) -> None:
    board.player.broken = True
    with pytest.raises(AudioDeviceFailed):
        await board.gateway.play_prompt("error.wav")
    with pytest.raises(NotReady):
        board.gateway.start_speech(ALICE)
    await nothing_played(board)
    assert "was not played" in caplog.text
    board.player.broken = False
    await board.gateway.play_prompt("error.wav")


async def test_a_connection_that_ends_cuts_no_prompt_short(board: Board) -> None:
    async with board.connected() as conversation:
        await board.gateway.play_prompt("error.wav")
        conversation.leave()
        await board.shows(State.OFFLINE)
        assert board.player.playing
        assert await played(board) == "error"

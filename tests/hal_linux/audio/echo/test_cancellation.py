"""Recorder and player with a canceller between them, in a room."""

import asyncio
import re
import time
from array import array
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from random import Random

import pytest

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.echo.cancellation import OFF, EchoCancellation, connect
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from tests.hal_linux.audio.echo.rehearsal import decibels, speech

RATE_HZ = 16000


class Ears:
    """Hears recorder and player."""

    def __init__(self) -> None:
        self.samples = b""
        self.failure: AudioDeviceFailed | None = None
        self.ended = asyncio.Event()

    def recorder_audio(self, data: bytes) -> None:
        self.samples += data

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        self.failure = error

    def player_started(self) -> None:
        pass

    def player_finished(self) -> None:
        self.ended.set()

    def player_failed(self, error: AudioDeviceFailed) -> None:
        raise error

    def player_refused(self, error: AudioFormatRefused) -> None:
        raise error


class Duplex:
    """A board's microphone and loudspeaker, and what is told of the canceller."""

    def __init__(self, capture: str, *, microphone: int = 0, loopback: int | None = None) -> None:
        self.recorder = AlsaRecorder(capture, RATE_HZ, 20)
        self.player = AlsaPlayer("room", RATE_HZ, 20, SoftwareGain())
        self.ears = Ears()
        self.told: list[Mapping[str, str | float]] = []
        self.echo: EchoCancellation = connect(
            self.recorder,
            self.player,
            tail_ms=200,
            microphone=microphone,
            loopback=loopback,
        )
        self.echo.observe(self._tell)
        self._news = asyncio.Event()

    def _tell(self) -> None:
        self.told.append(self.echo.status)
        self._news.set()

    def play(self, reply: bytes) -> None:
        self.player.start(self.ears)
        self.player.write(reply)
        self.player.finish()

    async def until(self, state: str) -> None:
        async with asyncio.timeout(10):
            while self.echo.status["state"] != state:
                self._news.clear()
                await self._news.wait()

    def stop(self) -> None:
        self.player.flush()
        self.recorder.stop()


@pytest.fixture
def room(
    define: Callable[[str], None], compile_plugin: Callable[[str], Path], tmp_path: Path
) -> None:
    kind = "type room delay_ms 30 gain 25 rt60_ms 100 noise 3"
    define(
        f'pcm_type.room {{ lib "{compile_plugin("room_pcm.c")}" }}\n'
        f"pcm.room {{ {kind} }}\n"
        f"pcm.looped {{ {kind} channels 2 }}\n"
        f'pcm.unplugged {{ {kind} away "{tmp_path}/away" }}\n'
        "pcm.card { type paced }\n"
        f'pcm.codec {{ type file infile "{tmp_path}/three" format raw file /dev/null\n'
        "  slave.pcm null }\n"
        "pcm.plug { @args [ SLAVE ] @args.SLAVE { type string } type plug slave.pcm $SLAVE }\n"
    )
    frames = ((0, -1, at) for at in range(RATE_HZ))
    (tmp_path / "three").write_bytes(array("h", chain.from_iterable(frames)).tobytes())


pytestmark = pytest.mark.usefixtures("virtual_time", "room")


@pytest.mark.parametrize(
    ("card", "channels"), [("card", {}), ("codec", {"microphone": 2, "loopback": 0})]
)
async def test_a_press_is_recorded_bit_by_bit_whatever_is_set(
    card: str, channels: dict[str, int]
) -> None:
    duplex = Duplex(card, **channels)
    duplex.recorder.start(duplex.ears)
    await asyncio.sleep(0.5)  # how long a person speaks
    duplex.stop()
    heard = array("h", duplex.ears.samples)
    assert len(heard) > 0.4 * RATE_HZ
    assert heard == array("h", range(len(heard)))
    assert duplex.told == []
    assert duplex.echo.status == OFF


@pytest.mark.parametrize("end", ["release", "stop"])
async def test_a_speech_beside_a_tap_ends_with_the_last_sample_and_the_tap_misses_none(
    end: str,
) -> None:
    duplex, tap = Duplex("card"), Ears()
    duplex.recorder.add_tap(tap)
    await asyncio.sleep(0.33)
    duplex.recorder.start(duplex.ears)
    await asyncio.sleep(0.55)  # how long a person speaks
    released = asyncio.Event()
    if end == "release":
        duplex.recorder.release(released.set)
        await asyncio.wait_for(released.wait(), 5)
    else:
        duplex.recorder.stop()
    _, recorded = duplex.recorder.position
    heard = array("h", duplex.ears.samples)
    assert len(heard) >= 0.5 * RATE_HZ
    assert heard == array("h", range(recorded - len(heard), recorded))
    await asyncio.sleep(0.3)
    duplex.recorder.remove_tap(tap)
    frame = RATE_HZ * FRAME_MS // 1000
    on_the_way = array("h", tap.samples)[frame:]  # the filter's sound comes a frame late
    assert on_the_way == array("h", range(len(on_the_way)))
    assert len(on_the_way) > recorded


async def test_a_recording_begins_without_the_end_of_the_one_before() -> None:
    duplex = Duplex("card")
    for tap in (Ears(), Ears()):
        duplex.recorder.add_tap(tap)
        await asyncio.sleep(0.33)
        duplex.recorder.remove_tap(tap)
        heard = array("h", tap.samples)
        frame = RATE_HZ * FRAME_MS // 1000
        assert not any(heard[:frame]), "the filter's sound comes a frame late"
        assert heard[frame:] == array("h", range(len(heard) - frame))
        assert len(heard) > 2 * frame


async def test_a_speech_that_ends_in_a_reply_has_no_end_that_was_not_cleaned() -> None:
    duplex, tap = Duplex("room"), Ears()
    duplex.recorder.add_tap(tap)
    duplex.play(speech(8))
    await duplex.until("on")
    duplex.recorder.start(duplex.ears)
    await asyncio.sleep(0.55)
    duplex.recorder.stop()
    assert tap.samples.endswith(duplex.ears.samples)
    duplex.recorder.remove_tap(tap)
    duplex.stop()


async def test_a_tap_that_came_during_a_press_hears_no_reply_afterwards() -> None:
    duplex, tap = Duplex("room"), Ears()
    duplex.recorder.start(duplex.ears)
    duplex.recorder.add_tap(tap)
    duplex.recorder.stop()
    duplex.play(speech(8))
    await duplex.until("on")
    begin = len(tap.samples)
    await asyncio.sleep(1.5)  # of the reply
    duplex.recorder.remove_tap(tap)
    duplex.stop()
    assert len(tap.samples) - begin > 2 * RATE_HZ
    assert decibels(tap.samples[begin:]) < decibels(speech(8)) - 12 - 20
    assert tap.failure is None
    assert duplex.echo.status == OFF


async def test_beside_a_reply_that_has_the_card_alone_the_microphone_is_muted() -> None:
    duplex = Duplex("room")
    duplex.play(speech(1.2))
    duplex.recorder.start(duplex.ears, beside_replies=True)
    assert duplex.echo.status["state"] == "muting: a reply began before the microphone was open"
    await asyncio.wait_for(duplex.ears.ended.wait(), 5)
    assert len(duplex.ears.samples) > RATE_HZ
    assert not any(duplex.ears.samples)
    await duplex.until("converging")
    before = len(duplex.ears.samples)
    await asyncio.sleep(0.5)  # in which nobody talks
    duplex.stop()
    assert any(duplex.ears.samples[before:]), "the room's noise is heard again"
    assert decibels(duplex.ears.samples[before:]) < 20


async def test_after_lost_samples_it_says_so_and_is_on_again() -> None:
    duplex = Duplex("room")
    duplex.recorder.start(duplex.ears, beside_replies=True)
    duplex.play(speech(12))
    await duplex.until("on")
    time.sleep(0.7)  # noqa: ASYNC251 - the loop is held up: both streams run over and dry
    await duplex.until("converging")
    await duplex.until("on")
    assert duplex.recorder.overruns
    begin = len(duplex.ears.samples)
    await asyncio.sleep(1.5)  # of the reply
    duplex.stop()
    played_db = decibels(speech(12)) - 12
    assert decibels(duplex.ears.samples[begin:]) < played_db - 20
    assert duplex.echo.status == OFF


async def test_a_microphone_that_comes_back_is_aligned_anew(tmp_path: Path) -> None:
    duplex = Duplex("unplugged")
    duplex.recorder.start(duplex.ears, beside_replies=True)
    duplex.play(speech(12))
    await duplex.until("on")
    (tmp_path / "away").touch()
    await asyncio.sleep(0.2)  # until it is missed
    (tmp_path / "away").unlink()
    await duplex.until("converging")
    await duplex.until("on")
    duplex.stop()
    assert duplex.ears.failure is None


async def test_a_channel_that_loops_back_is_the_reference() -> None:
    duplex = Duplex("looped", loopback=1)
    duplex.recorder.start(duplex.ears, beside_replies=True)
    duplex.play(speech(6))
    await asyncio.wait_for(duplex.ears.ended.wait(), 20)
    status = duplex.echo.status
    duplex.stop()
    assert status["state"] == "on"
    assert float(status["erle_db"]) > 20
    assert status["delay_ms"] == pytest.approx(30, abs=0.5)
    assert status["drift_ppm"] == 0


async def test_a_device_without_that_channel_is_refused() -> None:
    duplex = Duplex("room", loopback=3)
    with pytest.raises(AudioDeviceFailed, match=r"offers 16000 Hz mono .* not 16000 Hz 4 channels"):
        duplex.recorder.start(duplex.ears, beside_replies=True)
    assert duplex.echo.status == OFF


class Recording:
    """A recording whose time is that of its samples, as fast as they come."""

    overruns = 0
    position = 0.0, 0


def hear(echo: EchoCancellation, played: bytes, heard: bytes) -> str:
    """Have a microphone hear that while a channel of its device plays; return the state."""
    recording, size = Recording(), RATE_HZ // 10 * 2
    cleaner = echo.start(recording, Ears())
    for at in range(0, len(heard), size):
        recording.position = at / 2 / RATE_HZ, at // 2
        echo._loop_back(played[at : at + size])
        cleaner.recorder_audio(heard[at : at + size])
    return str(echo.status["state"])


def test_an_echo_that_is_not_found_is_muted_with_that_reason() -> None:
    elsewhere = speech(20, text="Nothing that was played is heard in here. ")
    told = hear(EchoCancellation(RATE_HZ, 200), speech(20), elsewhere)
    assert told == "muting: the echo is not found within half a second of the sound"


def test_an_echo_that_is_not_taken_out_is_muted_with_its_figures() -> None:
    dice, played = Random(1), array("h", speech(14))  # noqa: S311 - the same each time
    rattling = array("h", (int(one * dice.uniform(-0.2, 1.2)) for one in played))
    echo = EchoCancellation(RATE_HZ, 200)
    told = hear(echo, played.tobytes(), rattling.tobytes())
    assert re.fullmatch(r"muting: only [0-9] dB of the echo are taken out", told)
    drift = echo._alignment.drift
    drift.ppm, drift.error_ppm = 40.0, 1.0  # known, and not made up for
    state = str(dict(echo._figures())["state"])
    assert re.fullmatch(r"muting: only [0-9] dB of the echo .*, the clocks drift by 40 ppm", state)

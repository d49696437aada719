import asyncio
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal import Recorder
from mmid.hal_linux.audio import device
from mmid.hal_linux.audio.capture import pcm
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder

RATE_HZ = 16000
PERIOD = 640  # 20 ms
CHUNK = 3200  # 100 ms

Define = Callable[[str], None]


# alsa-lib's rate converter over a card with a period of 100 ms.
CONVERTED = (
    "pcm.converted { type rate slave { rate 48000 pcm "
    "{ type paced rate 48000 period_min_ms 100 period_max_ms 100 } } }\n"
)


class Ears:
    """Keeps what a recorder says, and when."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.times: list[float] = []
        self.failure: AudioDeviceFailed | None = None
        self._news = asyncio.Event()

    def recorder_audio(self, data: bytes) -> None:
        self.chunks.append(data)
        self.times.append(time.monotonic())
        self._news.set()

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        self.failure = error
        self._news.set()

    async def until(self, ready: Callable[["Ears"], bool]) -> None:
        async with asyncio.timeout(5):
            while not ready(self):
                self._news.clear()
                await self._news.wait()

    @property
    def speech(self) -> bytes:
        return b"".join(self.chunks)


def counting(frames: int) -> bytes:
    return struct.pack(f"<{frames}H", *(frame % 65536 for frame in range(frames)))


@pytest.fixture
def microphones(define: Define, tmp_path: Path) -> None:
    (tmp_path / "in.raw").write_bytes(counting(RATE_HZ * 5))
    define(
        "pcm.file { type file slave.pcm null file /dev/null "
        f'infile "{tmp_path}/in.raw" format raw }}\n'
        "pcm.paced { type paced }\n"
        f'pcm.unplugged {{ type paced away "{tmp_path}/away" }}\n'
        "pcm.suspended { type paced suspend_ms 150 }\n"
        "pcm.stuck { type paced stuck_ms 50 }\n"
    )


pytestmark = pytest.mark.usefixtures("virtual_time", "microphones")

both_kinds = pytest.mark.parametrize("device", ["file", "paced"])


@both_kinds
async def test_the_first_chunk_is_a_period_and_the_next_are_100_ms(device: str) -> None:
    ears = Ears()
    recorder = AlsaRecorder(device, RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 3)
    recorder.stop()
    assert [len(chunk) for chunk in ears.chunks[:3]] == [PERIOD, CHUNK, CHUNK]


@both_kinds
async def test_every_sample_from_the_first_on_arrives_once_and_in_order(device: str) -> None:
    ears = Ears()
    recorder: Recorder = AlsaRecorder(device, RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 3)
    recorder.stop()
    assert ears.speech == counting(len(ears.speech) // 2)
    assert recorder.overruns == 0


@both_kinds
async def test_speech_is_never_handed_over_faster_than_it_is_spoken(device: str) -> None:
    ears = Ears()
    recorder = AlsaRecorder(device, RATE_HZ, 20)
    pressed = time.monotonic()
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 3)
    recorder.stop()
    spoken = 0
    for chunk, at in zip(ears.chunks, ears.times, strict=True):
        spoken += len(chunk)
        assert spoken <= (at - pressed) * RATE_HZ * 2


@both_kinds
async def test_stop_delivers_what_was_captured_up_to_now(device: str) -> None:
    ears = Ears()
    recorder = AlsaRecorder(device, RATE_HZ, 20)
    recorder.start(ears)
    started = time.monotonic()
    await ears.until(lambda e: len(e.chunks) == 1)
    await asyncio.sleep(0.03)  # somebody speaks on
    least = int((time.monotonic() - started) * RATE_HZ)
    recorder.stop()
    assert len(ears.speech) // 2 >= least
    assert not recorder.recording


@both_kinds
async def test_a_listener_may_stop_the_recorder_while_it_listens(device: str) -> None:
    recorder = AlsaRecorder(device, RATE_HZ, 20)

    class Impatient(Ears):
        def recorder_audio(self, data: bytes) -> None:
            super().recorder_audio(data)
            recorder.stop()

    ears = Impatient()
    recorder.start(ears)
    await ears.until(lambda e: bool(e.chunks))
    assert ears.speech == counting(len(ears.speech) // 2)
    assert not recorder.recording


async def test_each_start_begins_a_new_recording() -> None:
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    for _ in range(2):
        ears = Ears()
        recorder.start(ears)
        assert recorder.recording
        await ears.until(lambda e: len(e.chunks) == 1)
        recorder.stop()
        assert ears.speech == counting(len(ears.speech) // 2)


@pytest.mark.usefixtures("either_version")
async def test_an_overrun_is_counted_and_recording_goes_on() -> None:
    ears = Ears()
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 1)
    time.sleep(0.6)  # noqa: ASYNC251 - the loop is busy for longer than the buffer
    await ears.until(lambda e: len(e.chunks) == 3)
    assert recorder.recording
    recorder.stop()
    assert recorder.overruns == 1
    recorder.start(Ears())
    recorder.stop()
    assert recorder.overruns == 1


@pytest.mark.usefixtures("either_version")
async def test_an_unplugged_device_is_waited_for_and_the_speech_goes_on(tmp_path: Path) -> None:
    ears = Ears()
    recorder = AlsaRecorder("unplugged", RATE_HZ, 20)
    said: list[str] = []
    back = asyncio.Event()

    def changed() -> None:
        said.append(recorder.format)
        if len(said) == 2:
            asyncio.get_running_loop().call_later(0.1, (tmp_path / "away").unlink)
        elif len(said) > 2:
            back.set()

    recorder.observe(changed)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 2)
    (tmp_path / "away").touch()
    await asyncio.wait_for(back.wait(), 5)
    before = len(ears.speech)
    await ears.until(lambda e: len(e.speech) > before + 2 * CHUNK)
    recorder.stop()
    assert ears.failure is None
    assert recorder.overruns == 1
    assert said[1].startswith("not working: the sound device 'unplugged' is gone")
    assert recorder.format.startswith("16000 Hz mono S16_LE, period 20 ms")
    # The device counts from zero whenever it is opened: two stretches, each whole.
    second = ears.speech.index(counting(100), 2)
    assert ears.speech == counting(second // 2) + counting((len(ears.speech) - second) // 2)


@pytest.mark.usefixtures("either_version")
async def test_a_suspended_device_goes_on_after_the_resume() -> None:
    ears = Ears()
    recorder = AlsaRecorder("suspended", RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda _: recorder.overruns == 2)
    recorder.stop()
    assert ears.failure is None
    assert len(ears.speech) >= CHUNK


async def test_an_unplugged_device_ends_the_recording_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_OUTAGE_S", 0.2)
    ears = Ears()
    recorder = AlsaRecorder("unplugged", RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 2)
    (tmp_path / "away").touch()
    await ears.until(lambda e: e.failure is not None)
    assert not recorder.recording
    assert "'unplugged' is gone" in str(ears.failure)
    assert "is gone" in recorder.format
    assert ears.speech == counting(len(ears.speech) // 2)
    (tmp_path / "away").unlink()
    recorder.start(ears)
    assert "is gone" not in recorder.format
    recorder.stop()


async def test_stop_while_the_device_is_away_hands_over_what_there_is(tmp_path: Path) -> None:
    ears = Ears()
    recorder = AlsaRecorder("unplugged", RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 2)
    (tmp_path / "away").touch()
    gone = asyncio.Event()
    recorder.observe(gone.set)
    await asyncio.wait_for(gone.wait(), 5)
    recorder.stop()
    assert not recorder.recording
    assert ears.speech == counting(len(ears.speech) // 2)
    assert ears.failure is None


async def test_the_counter_is_told_when_it_changes() -> None:
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    ears, told = Ears(), []
    recorder.observe(lambda: told.append(recorder.overruns))
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 1)
    time.sleep(0.6)  # noqa: ASYNC251 - the loop is busy for longer than the buffer
    await ears.until(lambda e: len(e.chunks) == 2)
    recorder.stop()
    assert told == [0, 1]  # the format first


async def test_a_device_that_gives_no_samples_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcm, "STUCK_S", 0.2)
    ears = Ears()
    recorder = AlsaRecorder("stuck", RATE_HZ, 20)
    recorder.start(ears)
    await ears.until(lambda e: e.failure is not None)
    assert "gave no sample" in str(ears.failure)
    assert ears.speech == counting(RATE_HZ * 50 // 1000)


async def test_a_buffer_that_runs_over_all_the_time_is_no_fault_of_the_card(
    define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcm, "STUCK_S", 0.2)
    define("pcm.small { type paced rate 16000 buffer_min_ms 20 buffer_max_ms 20 }")
    ears = Ears()
    AlsaRecorder("small", RATE_HZ, 20).start(ears)
    while ears.failure is None:
        time.sleep(0.03)  # noqa: ASYNC251 - the loop is busy for longer than the buffer
        await asyncio.sleep(0)
    assert "its buffer of 20 ms ran over" in str(ears.failure)
    assert "clock" not in str(ears.failure)


async def test_a_release_ends_at_once_where_nothing_is_held_back() -> None:
    ears, said = Ears(), []
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    recorder.release(lambda: said.append("not recording"))
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 1)
    recorder.release(lambda: said.append("released"))
    assert said == ["not recording", "released"]
    assert not recorder.recording
    assert ears.speech == counting(len(ears.speech) // 2)


async def test_of_a_release_that_waits_nothing_more_is_heard_after_a_stop(define: Define) -> None:
    define(CONVERTED)
    ears, said = Ears(), []
    recorder = AlsaRecorder("converted", RATE_HZ, 20)
    recorder.start(ears)
    await asyncio.sleep(0.05)
    recorder.release(lambda: said.append("released"))
    assert recorder.recording
    recorder.stop()
    await asyncio.sleep(0.15)  # longer than the period that was waited for
    assert said == []
    assert ears.chunks == []


async def test_a_device_that_fails_after_the_release_ends_it(
    define: Define, tmp_path: Path
) -> None:
    define(CONVERTED.replace("type paced", f'type paced away "{tmp_path}/away"'))
    ears, released = Ears(), asyncio.Event()
    recorder = AlsaRecorder("converted", RATE_HZ, 20)
    recorder.start(ears)
    await asyncio.sleep(0.05)
    recorder.release(released.set)
    (tmp_path / "away").touch()
    await asyncio.wait_for(released.wait(), 1)
    assert ears.failure is None
    assert not recorder.recording


async def test_a_device_that_does_not_exist_is_named() -> None:
    recorder = AlsaRecorder("nosuch", RATE_HZ, 20)
    with pytest.raises(AudioDeviceFailed, match="'nosuch' does not exist"):
        recorder.start(Ears())
    assert not recorder.recording


async def test_another_rate_than_wanted_is_refused() -> None:
    recorder = AlsaRecorder("paced", 96000, 20)
    with pytest.raises(AudioDeviceFailed, match=r"'paced' offers 48000 Hz mono .* not 96000 Hz"):
        recorder.start(Ears())


async def test_nothing_is_heard_after_stop(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Ears(), Ears()
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    recorder.start(first)
    recorder.stop()
    chunks = len(first.chunks)
    recorder.start(second)
    await second.until(lambda e: len(e.chunks) == 2)
    recorder.stop()
    recorder.stop()
    assert len(first.chunks) == chunks
    assert first.failure is None
    assert caplog.records == []


class Stumbling(Ears):
    """Fails at the first chunk in a way that nobody foresaw."""

    def recorder_audio(self, data: bytes) -> None:
        super().recorder_audio(data)
        raise RuntimeError("stumbled")


async def test_a_recording_that_an_unforeseen_error_ended_is_overdue_and_no_other() -> None:
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    assert recorder.overdue_s == 0
    stumbling = Stumbling()
    recorder.start(stumbling)
    await stumbling.until(lambda e: bool(e.chunks))
    await asyncio.sleep(0.4)  # it is what is told
    assert recorder.overdue_s > 0.2
    with pytest.raises(RuntimeError):
        recorder.stop()  # which hands over the rest
    ears = Ears()
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 4)
    assert recorder.overdue_s < 0.3
    recorder.stop()
    assert recorder.overdue_s == 0


# --- taps ----------------------------------------------------------------------------------


@both_kinds
async def test_a_tap_hears_every_sample_through_a_press_that_begins_at_its_own_moment(
    device: str,
) -> None:
    tap, ears = Ears(), Ears()
    recorder: Recorder = AlsaRecorder(device, RATE_HZ, 20)
    recorder.add_tap(tap)
    await tap.until(lambda e: len(e.chunks) == 3)
    recorder.start(ears)
    said_before = len(tap.speech)
    await ears.until(lambda e: len(e.chunks) == 3)
    assert [len(chunk) for chunk in ears.chunks] == [PERIOD, CHUNK, CHUNK], "as without a tap"
    recorder.stop()
    said = len(tap.speech)
    await tap.until(lambda e: len(e.speech) > said + CHUNK)
    recorder.remove_tap(tap)
    recorder.remove_tap(tap)
    assert tap.speech == counting(len(tap.speech) // 2)
    assert tap.speech[said_before:said] == ears.speech
    assert recorder.overruns == 0
    assert recorder.overdue_s == 0


async def test_a_release_ends_the_speech_and_loses_nothing_for_the_tap(define: Define) -> None:
    define(CONVERTED)
    tap, ears = Ears(), Ears()
    recorder = AlsaRecorder("converted", RATE_HZ, 20)
    recorder.add_tap(tap)
    recorder.start(ears)
    await ears.until(lambda e: len(e.chunks) == 2)
    released = asyncio.Event()
    recorder.release(released.set)
    await asyncio.wait_for(released.wait(), 5)
    said = len(tap.speech)
    assert not recorder.recording
    assert tap.speech.endswith(ears.speech[-CHUNK:])
    await tap.until(lambda e: len(e.speech) > said + 2 * CHUNK)
    recorder.remove_tap(tap)
    assert recorder.overruns == 0


async def test_a_listener_that_stops_while_it_hears_leaves_the_tap_ten_wake_ups_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Brief(Ears):
        def recorder_audio(self, data: bytes) -> None:
            super().recorder_audio(data)
            if len(self.chunks) == 3:
                recorder.stop()

    tap, ears = Ears(), Brief()
    recorder = AlsaRecorder("paced", RATE_HZ, 20)
    recorder.add_tap(tap)
    recorder.start(ears)
    await tap.until(lambda _: len(ears.chunks) >= 3)
    loop, timers = asyncio.get_running_loop(), Counter[str]()
    arm = loop.call_at

    def count(when: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        timers[action.__qualname__] += 1
        return arm(when, action)

    monkeypatch.setattr(loop, "call_at", count)
    said = len(tap.speech)
    await tap.until(lambda e: len(e.speech) >= said + 10 * CHUNK)
    assert timers.total() < 15, timers
    recorder.remove_tap(tap)


async def test_what_was_said_before_a_press_goes_before_it(define: Define) -> None:
    tap, ears, cold = Ears(), Ears(), Ears()
    recorder = AlsaRecorder("file", RATE_HZ, 20)
    recorder.add_tap(tap)
    await tap.until(lambda e: len(e.chunks) == 5)
    recorder.start(ears, preroll_ms=200)
    assert len(ears.speech) == 2 * CHUNK
    assert ears.speech == tap.speech[-2 * CHUNK :]
    await ears.until(lambda e: len(e.chunks) == 4)
    recorder.stop()
    assert ears.speech == tap.speech[-len(ears.speech) :], "without a seam"
    recorder.start(ears, preroll_ms=2000)
    assert len(ears.speech) > len(tap.speech), "all that there is"
    recorder.stop()
    recorder.remove_tap(tap)
    recorder.start(cold, preroll_ms=2000)
    assert cold.chunks == [], "nobody heard what was said before"
    recorder.stop()


async def test_a_device_that_stays_away_ends_taps_and_speech_and_can_be_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_OUTAGE_S", 0.05)
    tap, ears, again = Ears(), Ears(), Ears()
    recorder = AlsaRecorder("unplugged", RATE_HZ, 20)
    recorder.add_tap(tap)
    recorder.start(ears)
    (tmp_path / "away").touch()
    await ears.until(lambda e: e.failure is not None)
    assert tap.failure is ears.failure
    with pytest.raises(AudioDeviceFailed):
        recorder.add_tap(again)
    (tmp_path / "away").unlink()
    recorder.add_tap(again)
    await again.until(lambda e: len(e.chunks) == 1)
    recorder.remove_tap(again)
    assert not recorder.recording

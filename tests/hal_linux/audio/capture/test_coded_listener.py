"""A microphone before an encoder: each packet by itself, in order, none after the end."""

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.codecs import make_encoder

RATE = 16000
FRAME = 640  # 20 ms

Define = Callable[[str], None]


class Numbering:
    """An encoder whose packets are the samples they were made of."""

    def __init__(self) -> None:
        self._pending = b"never reset"

    def reset(self) -> None:
        self._pending = b""

    def encode(self, samples: bytes) -> list[bytes]:
        self._pending += samples
        whole = len(self._pending) - len(self._pending) % FRAME
        packets = [self._pending[at : at + FRAME] for at in range(0, whole, FRAME)]
        self._pending = self._pending[whole:]
        return packets

    def finish(self) -> list[bytes]:
        packets = [*self.encode(bytes(-len(self._pending) % FRAME)), b"end"]
        self._pending = b"never reset"
        return packets


class Ears:
    """Keeps the packets; ``stop_at``: stops the recorder while it hears that one."""

    def __init__(self, stop_at: int = 0) -> None:
        self.packets: list[bytes] = []
        self.failure: AudioDeviceFailed | None = None
        self.recorder: AlsaRecorder | None = None
        self._stop_at = stop_at
        self._news = asyncio.Event()

    def recorder_audio(self, data: bytes) -> None:
        self.packets.append(data)
        if self.recorder is not None and len(self.packets) == self._stop_at:
            self.recorder.stop()
        self._news.set()

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        self.failure = error
        self._news.set()

    async def until(self, ready: Callable[["Ears"], bool]) -> None:
        async with asyncio.timeout(10):
            while not ready(self):
                self._news.clear()
                await self._news.wait()


def counting(frames: int) -> bytes:
    return struct.pack(f"<{frames}H", *(frame % 65535 + 1 for frame in range(frames)))


@pytest.fixture
def microphones(define: Define, tmp_path: Path) -> None:
    (tmp_path / "in.raw").write_bytes(counting(RATE * 5))
    define(
        "pcm.file { type file slave.pcm null file /dev/null "
        f'infile "{tmp_path}/in.raw" format raw }}\n'
        "pcm.stuck { type paced stuck_ms 50 }\n"
    )


pytestmark = pytest.mark.usefixtures("virtual_time", "microphones")


def recorder_on(device: str = "file") -> AlsaRecorder:
    return AlsaRecorder(device, RATE, 20, Numbering())


async def test_every_20_ms_are_a_packet_from_the_first_sample_to_the_last() -> None:
    ears, recorder = Ears(), recorder_on()
    recorder.start(ears)
    await ears.until(lambda ears: len(ears.packets) >= 11)
    recorder.stop()
    assert not recorder.recording
    *packets, end = ears.packets
    assert end == b"end"
    assert {len(packet) for packet in packets} == {FRAME}
    speech = b"".join(packets).rstrip(b"\0")
    assert speech == counting(RATE * 5)[: len(speech)]
    assert len(speech) > 11 * FRAME


async def test_stopped_by_its_listener_it_delivers_all_in_order_and_then_nothing() -> None:
    ears, recorder = Ears(stop_at=3), recorder_on()
    ears.recorder = recorder
    recorder.start(ears)
    await ears.until(lambda ears: ears.packets[-1:] == [b"end"])
    speech = b"".join(ears.packets[:-1]).rstrip(b"\0")
    assert speech == counting(RATE * 5)[: len(speech)]
    assert ears.packets.count(b"end") == 1
    recorder.stop()
    assert ears.packets.count(b"end") == 1


async def test_a_second_speech_begins_anew() -> None:
    first, second, recorder = Ears(), Ears(), recorder_on()
    recorder.start(first)
    await first.until(lambda ears: len(ears.packets) >= 2)
    recorder.start(second)
    assert first.packets[-1] == b"end"
    await second.until(lambda ears: len(ears.packets) >= 2)
    recorder.stop()
    assert second.packets[0] == counting(FRAME // 2)


async def test_a_failure_comes_behind_the_last_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmid.hal_linux.audio.capture.pcm.STUCK_S", 0.1)
    ears, recorder = Ears(), recorder_on("stuck")
    recorder.start(ears)
    await ears.until(lambda ears: ears.failure is not None)
    assert ears.packets[-1] == b"end"
    assert not recorder.recording


async def test_a_device_that_is_not_there_is_told() -> None:
    recorder = recorder_on("nowhere")
    with pytest.raises(AudioDeviceFailed, match="nowhere"):
        recorder.start(Ears())
    assert (recorder.recording, recorder.device, recorder.overruns) == (False, "nowhere", 0)


async def test_opus_packets_come_from_a_real_encoder() -> None:
    ears = Ears()
    recorder = AlsaRecorder("file", RATE, 20, make_encoder("raw-opus", RATE, 32_000))
    recorder.start(ears)
    await ears.until(lambda ears: len(ears.packets) >= 11)
    recorder.stop()
    assert all(0 < len(packet) < 400 for packet in ears.packets)

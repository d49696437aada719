import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal import Mixer
from mmid.hal_linux.audio.playback.gain import SoftwareGain

samples = st.lists(st.integers(-32768, 32767), max_size=50).map(
    lambda values: b"".join(value.to_bytes(2, "little", signed=True) for value in values)
)


def values(data: bytes) -> list[int]:
    return [
        int.from_bytes(data[at : at + 2], "little", signed=True) for at in range(0, len(data), 2)
    ]


def at(volume: int) -> SoftwareGain:
    gain = SoftwareGain()
    gain.set_volume(volume)
    return gain


def test_full_volume_hands_back_the_same_object() -> None:
    data = array.array("h", [1, -1, 32767, -32768]).tobytes()
    assert SoftwareGain().apply(data) is data


@given(samples, st.integers(0, 100))
def test_each_sample_is_scaled_by_the_cube_of_the_volume(data: bytes, volume: int) -> None:
    for before, after in zip(values(data), values(at(volume).apply(data)), strict=True):
        assert abs(after - before * (volume / 100) ** 3) <= 1


@pytest.mark.parametrize("volume", [1, 50, 99])
def test_the_loudest_samples_do_not_wrap(volume: int) -> None:
    loud = (32767).to_bytes(2, "little") + (-32768).to_bytes(2, "little", signed=True)
    high, low = values(at(volume).apply(loud))
    assert 0 <= high < 32767
    assert -32768 < low <= 0


def test_muted_is_silence_of_the_same_length_and_keeps_the_volume() -> None:
    gain: Mixer = at(70)
    gain.set_muted(True)
    assert gain.muted
    assert gain.volume == 70
    assert isinstance(gain, SoftwareGain)
    assert gain.apply(b"\x01\x02\x03\x04") == bytes(4)


@pytest.mark.parametrize(("asked", "got"), [(-5, 0), (101, 100), (33, 33)])
def test_the_volume_stays_within_its_range(asked: int, got: int) -> None:
    assert at(asked).volume == got

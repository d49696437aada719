import time
from collections.abc import Callable, Iterator

import pytest

from mmid.hal_linux.audio.capture.pcm import CapturePcm
from mmid.hal_linux.audio.capture.pieces import Pieces

RATE_HZ, PERIOD_MS = 16000, 20
PERIOD = 320  # frames
# Six periods and a half; then the position of the device stands still.
RECORDED_MS, RECORDED = 130, 2080


@pytest.fixture
def microphone(define: Callable[[str], None]) -> Iterator[CapturePcm]:
    """A card that has so much, and will never have more."""
    define(f"pcm.card {{ type paced stuck_ms {RECORDED_MS} }}")
    pcm = CapturePcm("card", RATE_HZ, PERIOD_MS)
    pcm.start()
    time.sleep(RECORDED_MS / 1000)  # so long it records, by this very clock
    yield pcm
    pcm.close()


def test_all_that_was_recorded_is_read_when_all_is_wanted(microphone: CapturePcm) -> None:
    into = Pieces()
    assert microphone.read(into)
    assert (into.size, microphone.held_back) == (2 * RECORDED, 0)
    assert not microphone.read(into)


@pytest.mark.parametrize(
    ("missing", "read"),
    [
        pytest.param(PERIOD, 6 * PERIOD, id="whole-periods"),
        pytest.param(6 * PERIOD, 6 * PERIOD, id="just-these-periods"),
        pytest.param(6 * PERIOD + 10, RECORDED, id="a-part-that-is-needed"),
        pytest.param(RECORDED, RECORDED, id="just-all"),
        pytest.param(RECORDED + 1, RECORDED, id="more-than-there-is"),
    ],
)
def test_a_part_of_a_period_that_is_not_needed_yet_stays_in_the_card_and_is_told(
    microphone: CapturePcm, missing: int, read: int
) -> None:
    into = Pieces()
    assert microphone.read(into, missing)
    assert (into.size, microphone.held_back) == (2 * read, RECORDED - read)
    microphone.read(into)
    assert (into.size, microphone.held_back) == (2 * RECORDED, 0)

from collections.abc import Callable, Iterator

import pytest

from mmid.hal_linux.audio.alsa import Direction, PcmRequest
from mmid.hal_linux.audio.capture.pcm import CapturePcm
from tests.rig.virtual_time import VirtualTime

RATE_HZ, PERIOD_MS = 16000, 20
# Six periods and a half; then the position of the device stands still.
RECORDED_MS, RECORDED = 130, 2080


@pytest.fixture
def microphone(define: Callable[[str], None], virtual_time: VirtualTime) -> Iterator[CapturePcm]:
    """A card that has so much, and will never have more."""
    define(f"pcm.card {{ type paced stuck_ms {RECORDED_MS} }}")
    pcm = CapturePcm(PcmRequest(Direction.CAPTURE, "card", RATE_HZ, PERIOD_MS, 500).open())
    pcm.start()
    virtual_time.pass_by(RECORDED_MS / 1000)
    yield pcm
    pcm.close()


def test_all_that_was_recorded_is_read_the_part_of_a_period_too(microphone: CapturePcm) -> None:
    into = bytearray()
    assert microphone.read(into)
    assert len(into) == 2 * RECORDED
    assert not microphone.read(into)

import pytest

from mmid.hal_linux.audio.echo.delay import find_delay
from tests.hal_linux.audio.echo.rehearsal import speech

SAID = speech(3)
LONGEST = 8000


def found(played: bytes, heard: bytes, rate_hz: int = 16000) -> int | None:
    return list(find_delay(played, heard, rate_hz))[-1]


def heard_after(delay: int) -> tuple[bytes, bytes]:
    """What was played in a second and half a second before it, and what was heard then."""
    end = 2 * 40000
    heard = SAID[end - 2 * (16000 + delay) : end - 2 * delay]
    return SAID[end - 2 * (16000 + LONGEST) : end], heard


@pytest.mark.parametrize("delay", [0, 2, 480, 7900])
def test_it_finds_by_how_much_the_echo_is_later(delay: int) -> None:
    assert found(*heard_after(delay)) == delay


def test_an_odd_delay_is_found_to_the_sample_beside_it() -> None:
    delay = found(*heard_after(333))
    assert delay is not None
    assert abs(delay - 333) <= 2


def test_at_48_khz_the_delay_is_in_samples_of_that_rate() -> None:
    played, heard = heard_after(320)
    played, heard = (
        b"".join(one[at : at + 2] * 3 for at in range(0, len(one), 2)) for one in (played, heard)
    )
    assert found(played, heard, 48000) == pytest.approx(960, abs=6)


@pytest.mark.parametrize("heard", [bytes(32000), SAID[-32000:]])
def test_what_is_no_echo_is_not_found(heard: bytes) -> None:
    played, _ = heard_after(0)
    assert found(played, heard) == -1


def test_it_works_in_small_steps() -> None:
    steps = list(find_delay(*heard_after(0), 16000))
    assert len(steps) > 50
    assert not any(step is not None for step in steps[:-1])

import pytest

from mmid.hal_linux.audio.echo.convergence import Convergence
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS

LOUD, NOISE = 1e6, 10.0


def state_of(convergence: Convergence) -> str:
    return str(convergence.state)


def feed(convergence: Convergence, seconds: float, ratio_db: float) -> None:
    for _ in range(round(1000 * seconds / FRAME_MS)):
        convergence.echo(LOUD, LOUD / 10 ** (ratio_db / 10))


@pytest.fixture
def convergence() -> Convergence:
    made = Convergence()
    for _ in range(50):
        made.quiet(NOISE)
    return made


def test_a_proof_of_little_echo_is_good(convergence: Convergence) -> None:
    feed(convergence, 0.4, 20)
    assert state_of(convergence) == "converging"
    feed(convergence, 0.2, 20)
    assert state_of(convergence) == "on"
    assert convergence.erle_db == pytest.approx(20, abs=0.1)


def test_what_is_no_louder_than_the_noise_is_good(convergence: Convergence) -> None:
    for _ in range(30):
        convergence.echo(3 * NOISE, 3 * NOISE)
    assert state_of(convergence) == "on"


def test_eight_seconds_of_much_echo_are_poor(convergence: Convergence) -> None:
    feed(convergence, 7.9, 5)
    assert state_of(convergence) == "converging"
    feed(convergence, 0.2, 5)
    assert convergence.poor


def test_a_talker_makes_it_no_worse(convergence: Convergence) -> None:
    feed(convergence, 2, 25)
    for _ in range(50):  # words of 0.3 s and pauses of 0.1 s
        feed(convergence, 0.3, 0)
        feed(convergence, 0.1, 25)
    assert state_of(convergence) == "on"


def test_three_seconds_of_nothing_but_echo_are_poor_and_a_proof_mends_it(
    convergence: Convergence,
) -> None:
    feed(convergence, 2, 25)
    feed(convergence, 3, 5)
    assert convergence.poor
    feed(convergence, 0.6, 25)
    assert state_of(convergence) == "on"


def test_another_start_has_to_be_proved_again(convergence: Convergence) -> None:
    feed(convergence, 2, 25)
    convergence.restart()
    assert state_of(convergence) == "converging"
    feed(convergence, 0.6, 25)
    assert state_of(convergence) == "on"

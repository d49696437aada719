from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal import Mixer
from mmid.hal_linux.audio.playback.mixer import AlsaMixer

Define = Callable[[str], None]
Compile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def card(define: Define, compile_plugin: Compile) -> None:
    """A card with the controls Master and Plain, both at full volume."""
    define(
        f'ctl_type.mixer {{ lib "{compile_plugin("mixer_ctl.c")}" }}\nctl.card {{ type mixer }}\n'
    )
    for control in ("Master", "Plain"):
        mixer = AlsaMixer("card", control)
        mixer.set_muted(False)
        mixer.set_volume(100)


both_controls = pytest.mark.parametrize("control", ["Master", "Plain"])


@both_controls
@pytest.mark.parametrize("percent", [0, 1, 50, 100])
def test_the_volume_is_kept_by_the_card(control: str, percent: int) -> None:
    AlsaMixer("card", control).set_volume(percent)
    # The card has 88 steps, so a percent may be rounded to its neighbour.
    assert abs(AlsaMixer("card", control).volume - percent) <= 1


@both_controls
def test_mute_leaves_the_volume_as_it_was(control: str) -> None:
    mixer: Mixer = AlsaMixer("card", control)
    mixer.set_volume(60)
    before = mixer.volume
    for muted in (True, True, False, False):
        mixer.set_muted(muted)
        assert mixer.muted is muted
        assert mixer.volume == before
    assert AlsaMixer("card", control).volume == before


@both_controls
def test_a_volume_set_while_muted_is_heard_after_it(control: str) -> None:
    mixer = AlsaMixer("card", control)
    mixer.set_muted(True)
    mixer.set_volume(100)
    assert mixer.muted
    mixer.set_muted(False)
    assert AlsaMixer("card", control).volume == 100


def test_a_control_without_a_switch_is_muted_by_its_volume() -> None:
    AlsaMixer("card", "Plain").set_muted(True)
    assert AlsaMixer("card", "Plain").volume == 0


@pytest.mark.parametrize(("asked", "got"), [(-5, 0), (101, 100)])
def test_the_volume_stays_within_its_range(asked: int, got: int) -> None:
    mixer = AlsaMixer("card", "Master")
    mixer.set_volume(asked)
    assert mixer.volume == got


@pytest.mark.parametrize(("device", "control"), [("nocard", "Master"), ("card", "Nothing")])
def test_what_is_not_there_is_named(device: str, control: str) -> None:
    with pytest.raises(AudioDeviceFailed, match=f"'{device}'.*(does not exist|{control})"):
        AlsaMixer(device, control)

from array import array
from collections.abc import Callable
from math import log10
from pathlib import Path

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal import Mixer
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.mixer import AlsaMixer, decibels_of, percent_of

Define = Callable[[str], None]
Compile = Callable[[str], Path]


@pytest.fixture(autouse=True)
def card(define: Define, compile_plugin: Compile) -> None:
    """A card with controls of all sorts, each at full volume."""
    define(
        f'ctl_type.mixer {{ lib "{compile_plugin("mixer_ctl.c")}" }}\nctl.card {{ type mixer }}\n'
    )
    for control in ("Master", "Plain", "Digital", "Headphone", "Headphone,1", "Line"):
        mixer = AlsaMixer("card", control)
        mixer.set_muted(False)
        mixer.set_volume(100)


both_controls = pytest.mark.parametrize("control", ["Master", "Plain"])


def decibels(control: str, index: int = 0) -> float:
    """How loud the card is, as pyalsaaudio reads it."""
    mixer = alsaaudio.Mixer(control=control, id=index, device="card")
    hundredths: list[int] = mixer.getvolume(units=alsaaudio.VOLUME_UNITS_DB)
    mixer.close()
    return hundredths[0] / 100


@pytest.mark.parametrize("control", ["Master", "Plain", "Digital", "Headphone,1"])
@pytest.mark.parametrize("percent", [0, 1, 50, 100])
def test_the_volume_is_kept_by_the_card(control: str, percent: int) -> None:
    AlsaMixer("card", control).set_volume(percent)
    # The card has steps, 88 of them or half a decibel: a percent may be rounded to its neighbour.
    assert abs(AlsaMixer("card", control).volume - percent) <= 1


@pytest.mark.parametrize("percent", [25, 50, 75, 90, 100])
def test_a_percent_is_as_loud_on_a_card_as_by_the_software_gain(percent: int) -> None:
    AlsaMixer("card", "Digital").set_volume(percent)
    loud = array("h", [30000])
    gain = SoftwareGain()
    gain.set_volume(percent)
    [softer] = array("h", gain.apply(loud.tobytes()))
    # Of a range of 103 dB the lowest step is 2 % of the cube root: most at the soft end.
    assert decibels("Digital") == pytest.approx(
        20 * log10(softer / loud[0]), abs=5 * (1 - percent / 100) ** 2 + 0.5
    )


def test_half_the_volume_is_what_amixer_says_and_not_half_the_register() -> None:
    AlsaMixer("card", "Digital").set_volume(50)
    assert decibels("Digital") == -17.5  # amixer -M; raw it would be -51.5


def test_nothing_is_the_lowest_step_and_all_the_highest() -> None:
    for percent, expected in ((0, -103.5), (100, 0)):
        AlsaMixer("card", "Digital").set_volume(percent)
        assert decibels("Digital") == expected


def test_a_small_range_has_equal_steps_of_decibels() -> None:
    AlsaMixer("card", "Line").set_volume(50)
    assert decibels("Line") == -9
    assert AlsaMixer("card", "Line").volume == 50


@pytest.mark.parametrize(
    ("percent", "hundredths"), [(0, -9999999), (10, -6000), (50, -1806), (100, 0)]
)
def test_a_range_that_ends_in_silence_has_all_of_the_cube(percent: int, hundredths: int) -> None:
    assert decibels_of(percent, -9999999, 0) == hundredths
    assert percent_of(hundredths, -9999999, 0) == percent


@pytest.mark.parametrize(
    ("control", "index"),
    [("Headphone", 0), ("'Headphone',0", 0), ("Headphone,1", 1), ("'Headphone',1", 1)],
)
def test_a_control_may_have_an_index(control: str, index: int) -> None:
    AlsaMixer("card", control).set_volume(0)
    assert [decibels("Headphone", one) == 0 for one in (0, 1)] == [one != index for one in (0, 1)]


@pytest.mark.parametrize("control", ["Mic", "Headphone,2", "Nothing"])
def test_a_control_that_would_not_do_is_refused_with_those_that_would(control: str) -> None:
    with pytest.raises(AudioDeviceFailed) as refused:
        AlsaMixer("card", control)
    assert repr(control) in str(refused.value)
    offered = str(refused.value).partition("it has ")[2].split(", ")
    assert sorted(offered) == ["Digital", "Headphone", "Headphone,1", "Line", "Master", "Plain"]


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


@both_controls
def test_whoever_observes_is_told_of_another_volume_and_of_mute(control: str) -> None:
    mixer, told = AlsaMixer("card", control), [0]
    mixer.observe(lambda: told.append(mixer.volume))
    mixer.set_volume(50)
    mixer.set_muted(True)
    mixer.set_muted(False)
    assert len(told) == 1 + 3


@pytest.mark.parametrize("muted", [True, False])
def test_a_mute_that_the_card_did_not_take_changes_nothing(
    define: Define, compile_plugin: Compile, *, muted: bool
) -> None:
    mixer = AlsaMixer("card", "Plain")
    mixer.set_volume(60)
    mixer.set_muted(not muted)
    define("")  # it is unplugged
    with pytest.raises(AudioDeviceFailed):
        mixer.set_muted(muted)
    define(f'ctl_type.mixer {{ lib "{compile_plugin("mixer_ctl.c")}" }}\nctl.card {{ type mixer }}')
    assert mixer.muted is not muted
    assert mixer.volume == pytest.approx(60, abs=1)
    mixer.set_muted(False)
    assert AlsaMixer("card", "Plain").volume == pytest.approx(60, abs=1)


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

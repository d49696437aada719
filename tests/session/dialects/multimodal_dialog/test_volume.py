"""What the cloud's volume commands do, in both vocabularies."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import InvalidArgument
from mmid.session.dialects.multimodal_dialog.volume import loudness

A_BIT = str(0x7FFFFFFF)


def after(
    name: str, params: Any = (), volume: int = 50, muted: bool = False
) -> tuple[int, bool] | None:
    """Return the volume and whether it is muted after a command; None if it is not about them."""
    wanted = loudness(name, params)
    return None if wanted is None else wanted.applied(volume, muted)


def param(name: str, normalised: Any, said: Any = "as it was said") -> dict[str, Any]:
    return {"name": name, "value": said, "normValue": normalised}


@pytest.mark.parametrize(
    ("name", "params", "volume"),
    [
        ("VOLUME_SET", [param("series", "70")], 70),
        ("set_volume", [param("to", "30%")], 30),
        ("set_volume", [param("number", 0), param("for", "媒体")], 0),
        ("set_volume", [param("to", "", said="25")], 25),
        ("set_volume", [param("to", "150")], 100),
        ("increase_volume", [], 60),
        ("increase_volume", [param("number", "5")], 55),
        ("increase_volume", [param("number", A_BIT)], 60),
        ("increase_volume", [param("number", "70")], 100),
        ("increase_volume", [param("to", "80"), param("number", "5")], 80),
        ("increase_volume_default", [param("for", "系统")], 60),
        ("decrease_volume", [param("number", "20")], 30),
        ("decrease_volume", [param("to", "10")], 10),
        ("decrease_volume", [param("number", "70")], 0),
        ("decrease_volume_default", [], 40),
    ],
)
def test_the_volume_is_turned(name: str, params: Any, volume: int) -> None:
    assert after(name, params) == (volume, False)


@pytest.mark.parametrize(("name", "muted"), [("mute", True), ("unmute", False)])
@pytest.mark.parametrize("before", [True, False])
def test_mute_and_unmute_leave_the_volume(name: str, muted: bool, before: bool) -> None:
    assert after(name, muted=before) == (50, muted)


@pytest.mark.parametrize(
    ("name", "muted"),
    [("increase_volume", False), ("VOLUME_SET", False), ("decrease_volume", True)],
)
def test_who_wants_it_louder_wants_to_hear_it(name: str, muted: bool) -> None:
    made = after(name, [param("series", "60")], muted=True)
    assert made is not None
    assert made[1] is muted


@pytest.mark.parametrize("name", ["set_brightness", "visual_qa", "increase_brightness", ""])
def test_other_commands_are_none_of_its_business(name: str) -> None:
    assert after(name, "nonsense") is None


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ([], "does not say to what"),
        ([param("to", A_BIT)], "does not say to what"),
        ([param("to", "loud")], "to is no number"),
        ([param("to", {"a": []})], "to is no number"),
        ([param("to", "nan")], "to is no number"),
        ([param("to", "-5")], "to is -5"),
    ],
)
def test_a_volume_command_that_makes_no_sense_is_refused(params: Any, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        after("set_volume", params)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
parameters = st.lists(
    json_values
    | st.fixed_dictionaries(
        {"name": st.sampled_from(["to", "number", "series"]), "normValue": json_values}
    ),
    max_size=3,
)


@given(
    st.sampled_from(["set_volume", "VOLUME_SET", "increase_volume", "decrease_volume", "mute"]),
    parameters,
    st.integers(0, 100),
)
def test_whatever_the_cloud_sends_the_volume_stays_in_range(
    name: str, params: Any, volume: int
) -> None:
    try:
        made = after(name, params, volume)
    except InvalidArgument:
        return
    assert made is not None
    assert 0 <= made[0] <= 100

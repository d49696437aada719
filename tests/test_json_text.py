"""What a cloud writes is read whole, or refused where nothing behind could live with it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.json_text import read_json, whole, written

HALVES = st.text(st.characters(max_codepoint=0x7F) | st.sampled_from("\ud83d\ude00\u00e4"))


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_what_is_nested_as_deep_as_any_message_is_read() -> None:
    assert written(read_json(nested(32))) == nested(32)


@pytest.mark.parametrize("depth", [33, 900, 990, 100_000])
def test_what_is_nested_deeper_is_refused_before_anything_stumbles_over_it(depth: int) -> None:
    with pytest.raises(ValueError, match="deep"):
        read_json(nested(depth))


@pytest.mark.parametrize("text", ["NaN", "[-Infinity]", '{"a":1e999}', "", "1 2", "9" * 5000])
def test_what_only_python_reads_as_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what it says is for json_file's reader
        read_json(text)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(read_json(f"[{','.join(['[]'] * 100)}]")) == 100


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("good", "good"),
        ("\ud83d\ude00", "\U0001f600"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00b", "\ufffdb"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
    ],
)
def test_halves_are_joined_and_one_alone_becomes_the_replacement_character(
    text: str, read: str
) -> None:
    assert whole(text) == read


def test_a_half_at_the_end_waits_for_what_follows() -> None:
    assert whole("a\ud83d", goes_on=True) == "a"
    assert whole("a\ude00", goes_on=True) == "a\ufffd"


@given(HALVES)
def test_whatever_halves_come_the_text_can_be_sent(
    text: str,
) -> None:
    assert whole(text).encode().decode() == whole(text)
    assert json.loads(written(text)) == whole(text)

import pytest

from mmid.simcloud.core.json_text import read_json


def test_json_of_any_language_is_read() -> None:
    assert read_json(b'{"text":"\xe4\xbd\xa0","emoji":"\\ud83d\\ude00"}') == {
        "text": "\u4f60",
        "emoji": "\U0001f600",
    }


@pytest.mark.parametrize(
    "text",
    ["{", '["\\ud800"]', '{"\\udfff":1}', b'"\xed\xa0\x80"', b"\xff", "[" * 100_000],
    ids=["cut", "half a pair", "half a pair in a name", "half a pair in bytes", "bytes", "deep"],
)
def test_what_could_not_be_sent_on_is_no_json(text: str | bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whoever reads it says what it was to be
        read_json(text)

"""What a file of the settings gives a cloud is JSON of the right kind, or refused in one line."""

import os
from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.session.clouds import json_file


def test_a_file_that_no_setting_names_is_empty() -> None:
    assert (json_file("", dict), json_file("", list)) == ({}, [])


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "biz.json"
    for mark in (b"", b"\xef\xbb\xbf"):
        path.write_bytes(mark + '{"user_prompt_params":{"room":"厨房"}}'.encode())
        assert json_file(str(path), dict) == {"user_prompt_params": {"room": "厨房"}}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "must hold an object"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":1e999}', "not JSON"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "not JSON: it is nested too deep"),
        (b'{"a":"' + b"x" * 65536 + b'"}', "cannot be read: it is over 64 KiB"),
    ],
    ids=["empty", "bytes", "array", "nan", "infinity", "deep", "large"],
)
def test_a_file_that_cannot_be_sent_is_refused_with_its_name(
    data: bytes, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "biz.json"
    path.write_bytes(data)
    with pytest.raises(SettingsInvalid, match=f"^{path}: {said}"):
        json_file(str(path), dict)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "biz.json")
    with pytest.raises(SettingsInvalid, match=f"^{path}: cannot be read: it is a pipe"):
        json_file(str(path), dict)


def test_a_file_that_is_not_there_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match=r"^/no/biz\.json: cannot be read: No such file"):
        json_file("/no/biz.json", dict)

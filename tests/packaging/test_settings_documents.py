import tomllib
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from mmid.settings.load import judge
from mmid.settings.sources import TABLES, read_layers
from tools.settings_documents import DOCUMENTS, conffile


@pytest.mark.parametrize(
    ("path", "render"), DOCUMENTS.items(), ids=[path.name for path in DOCUMENTS]
)
def test_a_document_is_what_the_settings_say(path: Path, render: Callable[[], str]) -> None:
    assert path.read_text() == render(), "run: python -m tools.settings_documents"


def test_the_file_as_it_is_installed_changes_nothing(tmp_path: Path) -> None:
    installed, empty = tmp_path / "mmid.toml", tmp_path / "empty.toml"
    installed.write_text(conffile())
    empty.write_text("")
    assert judge(read_layers(installed)) == judge(read_layers(empty))


def test_every_commented_line_is_the_default_of_its_key() -> None:
    text = "".join(
        f"{line.removeprefix('#')}\n"
        for line in conffile().splitlines()
        if line.startswith("[")
        or (line.startswith("#") and not line.startswith("# ") and " = " in line)
    )
    said = tomllib.loads(text)
    for table, kind in TABLES.items():
        assert list(said[table]) == [option.name for option in fields(kind)]
    assert said["storage"]["target"] == "file:/var/lib/mmid/device.bin"
    assert said["license"]["app_secret"] == ""

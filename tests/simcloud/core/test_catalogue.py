"""The scenarios that come with simcloud."""

from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.catalogue import DIRECTORY, names, path_of, summary
from mmid.simcloud.core.scenario import Scenario, load_scenario

DOCUMENT = Path(__file__).parents[3] / "docs" / "simcloud.md"


@pytest.mark.parametrize("name", names())
def test_each_can_be_read_says_what_it_is_for_and_does_something(name: str) -> None:
    assert load_scenario(path_of(name)) != Scenario()
    assert summary(name)[0].isupper()
    assert summary(name).endswith(".")
    assert f"`{name}`" in DOCUMENT.read_text()


def test_a_path_is_a_scenario_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    assert path_of(str(own)) == own


def test_a_name_that_is_none_is_answered_with_the_names() -> None:
    with pytest.raises(SettingsInvalid, match=r"floodz: no such file.*floods"):
        path_of("floodz")


def test_they_are_installed_with_the_package() -> None:
    assert "simcloud/*/scenarios/*.toml" in (DIRECTORY.parents[3] / "pyproject.toml").read_text()

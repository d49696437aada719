"""The scenarios that come with simcloud."""

from pathlib import Path

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.clouds import find_scenario, read_scenario, scenario_files, summary
from mmid.simcloud.core.scenario import Scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "simcloud.md"


@pytest.mark.parametrize("name", scenario_files())
def test_each_can_be_read_says_what_it_is_for_and_does_something(name: str) -> None:
    assert read_scenario(name) != Scenario()
    told = summary(scenario_files()[name])
    assert told[0].isupper()
    assert told.endswith(".")
    assert f"`{name}`" in DOCUMENT.read_text()


def test_a_path_is_a_scenario_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    assert find_scenario(str(own)) == own


def test_a_name_that_is_none_is_answered_with_the_names() -> None:
    with pytest.raises(SettingsInvalid, match=r"floodz: no such file.*floods"):
        find_scenario("floodz")


def test_they_are_installed_with_the_package() -> None:
    assert "simcloud/*/scenarios/*.toml" in (DOCUMENT.parents[1] / "pyproject.toml").read_text()

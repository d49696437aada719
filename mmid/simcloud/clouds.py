"""The clouds that simcloud plays, a line each, and the scenarios that come with them.

A cloud is a folder whose package exports one ``SimulatedCloud`` named ``CLOUD``. The
scenarios are the files of its ``scenarios/``; the first line of each is a comment that
says what it does. A copy of one is a good beginning of a scenario of one's own.
"""

from importlib import import_module
from pathlib import Path

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.scenario import Scenario, load_scenario
from mmid.simcloud.core.simulated_cloud import SimulatedCloud

CLOUDS = [
    "mmid.simcloud.multimodal_dialog",
    "mmid.simcloud.license",
    "mmid.simcloud.qwen_realtime",
    "mmid.simcloud.baidu_rtc",
]


def all_clouds() -> list[SimulatedCloud]:
    """Return every cloud's description, in the order of the line that is printed."""
    return [import_module(name).CLOUD for name in CLOUDS]


def scenario_files() -> dict[str, Path]:
    """Return the scenarios that come with the clouds, by name, sorted."""
    folders = [cloud.scenarios for cloud in all_clouds() if cloud.scenarios]
    files = [file for folder in folders for file in folder.glob("*.toml")]
    return {file.stem: file for file in sorted(files, key=lambda file: file.stem)}


def summary(file: Path) -> str:
    """Return the line on what a scenario is for."""
    with file.open(encoding="utf-8") as lines:
        return lines.readline().removeprefix("#").strip()


def find_scenario(given: str) -> Path:
    """Return the file of a scenario: one of ours by its name, or any file by its path.

    Raises:
        SettingsInvalid: it is neither; the text has the names.
    """
    ours, path = scenario_files(), Path(given)
    if given in ours:
        return ours[given]
    if path.suffix != ".toml" and not path.exists():
        raise SettingsInvalid(
            f"{given}: no such file, and no scenario of simcloud's own: {', '.join(ours)}"
        )
    return path


def read_scenario(given: str | Path) -> Scenario:
    """Read a scenario, by its name or its path.

    Raises:
        SettingsInvalid: one line that names the file, the key and what is allowed.
    """
    vocabularies = {cloud.name: cloud.vocabulary for cloud in all_clouds()}
    return load_scenario(find_scenario(str(given)), vocabularies)

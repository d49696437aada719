"""The scenarios that come with simcloud: found by name, each with a line on what it is for.

They are the files of ``scenarios/``; the first line of each is a comment that
says what it does. A copy of one is a good beginning of a scenario of one's own.
"""

from pathlib import Path

from mmid.errors import SettingsInvalid

DIRECTORY = Path(__file__).parents[1] / "multimodal_dialog" / "scenarios"


def names() -> list[str]:
    """Return the names, sorted."""
    return sorted(path.stem for path in DIRECTORY.glob("*.toml"))


def summary(name: str) -> str:
    """Return the line on what a scenario is for."""
    with (DIRECTORY / f"{name}.toml").open(encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def path_of(given: str) -> Path:
    """Return the file of a scenario: one of ours by its name, or any file by its path.

    Raises:
        SettingsInvalid: it is neither; the text has the names.
    """
    if given in names():
        return DIRECTORY / f"{given}.toml"
    path = Path(given)
    if path.suffix != ".toml" and not path.exists():
        raise SettingsInvalid(
            f"{given}: no such file, and no scenario of simcloud's own: {', '.join(names())}"
        )
    return path

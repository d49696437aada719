"""What the pages name is there: pages, headlines, commands, settings."""

import re
from functools import cache
from pathlib import Path

import pytest

from mmid.settings.sources import TABLES
from tests.docs.page import inline_commands, parse_command
from tests.rig.processes import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [
    REPOSITORY / "README.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted((REPOSITORY / "packaging").rglob("*.md")),
]
MAN_PAGES = {"mmid(8)", "mmictl(1)", "mmid.toml(5)", "mmid-simcloud(1)", "org.mmid1(5)"}

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES]
)


@cache
def anchors(page: Path) -> set[str]:
    """What a link may say after ``#``."""
    headlines = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9_ -]", "", one.lower()).replace(" ", "-") for one in headlines}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


@every_page
def test_every_command_that_is_spoken_of_is_one(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in inline_commands(page):
        with pytest.raises(SystemExit) as ended:  # its arguments may have been left out
            parse_command(f"{command} --help", monkeypatch)
        told = capsys.readouterr()
        assert ended.value.code == 0, told.err
        assert all(word in told.out for word in command.split() if word.startswith("--")), command


@every_page
def test_every_setting_that_is_spoken_of_is_one(page: Path) -> None:
    for table, key in re.findall(r"`([a-z]+)\.([a-z_]+)(?: = [^`]*)?`", page.read_text()):
        if table in TABLES and key != "md":
            assert key in TABLES[table].__dataclass_fields__, f"{table}.{key}"


@every_page
def test_every_man_page_that_is_spoken_of_is_one(page: Path) -> None:
    told = set(re.findall(r"\b(?:org\.)?mm[a-z0-9.-]+\([1-8]\)", page.read_text()))
    assert told <= MAN_PAGES


def test_the_readme_names_every_page() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert f"(docs/{page.name})" in readme, page.name

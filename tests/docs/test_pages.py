"""What the pages name is there: pages, headlines, commands, settings."""

import re
import textwrap
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from mmid.dbus.interface import NAME, load
from mmid.errors import TABLE
from mmid.session.clouds import Cloud
from mmid.session.dialects.baidu_rtc.messages import COMMANDS
from mmid.settings.sources import TABLES
from tests.docs.blocks import blocks
from tests.docs.page import inline_commands, parse_command
from tests.rig.processes import REPOSITORY

DOCS = REPOSITORY / "docs"
README = (REPOSITORY / "README.md").read_text()
PAGES = [
    REPOSITORY / "README.md",
    *sorted(DOCS.rglob("*.md")),
    *sorted((REPOSITORY / "packaging").rglob("*.md")),
    REPOSITORY / "relay" / "README.md",
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
    # There it is the relay's settings that are spoken of: relay/tests/test_documents.py.
    words = "" if page.name == "relay.md" else page.read_text()
    for table, key in re.findall(r"`([a-z]+)\.([a-z_]+)(?: = [^`]*)?`", words):
        if table in TABLES and key != "md":
            assert key in TABLES[table].__dataclass_fields__, f"{table}.{key}"


@every_page
def test_every_man_page_that_is_spoken_of_is_one(page: Path) -> None:
    told = set(re.findall(r"\b(?:org\.)?mm[a-z0-9.-]+\([1-8]\)", page.read_text()))
    assert told <= MAN_PAGES


@every_page
def test_every_target_of_make_that_is_spoken_of_is_one(page: Path) -> None:
    commands = re.findall(r"(?:`|^    )make ([a-z][a-z0-9-]*)", page.read_text(), re.MULTILINE)
    makefiles = [REPOSITORY / "Makefile", *page.parent.glob("Makefile")]
    targets = re.findall(r"^([a-z0-9-]+):", "".join(map(Path.read_text, makefiles)), re.MULTILINE)
    # Buildroot has a menuconfig of its own.
    assert set(commands) <= {*targets, "menuconfig"}


@every_page
def test_every_source_file_that_is_spoken_of_is_there(page: Path) -> None:
    names = re.findall(r"`([a-z0-9_./-]+/[a-z0-9_-]+\.(?:py|c|sh|xml))`", page.read_text())
    for name in names:
        assert any((root / name).exists() for root in (REPOSITORY, REPOSITORY / "mmid")), name


@every_page
def test_settings_that_are_shown_can_be_read(page: Path) -> None:
    text = page.read_text()
    shown = [block.text for block in blocks(page, "toml")]
    # A block that stands four columns in, and begins with one of our tables.
    tables = "|".join(TABLES)
    indented = rf"^    \[(?:{tables})\]\n(?:(?:    .*)?\n)*"
    shown += [textwrap.dedent(one) for one in re.findall(indented, text, re.MULTILINE)]
    for settings in shown:
        for table, keys in tomllib.loads(settings).items():
            assert keys.keys() <= TABLES[table].__dataclass_fields__.keys(), settings


def test_the_readme_names_every_page() -> None:
    for page in DOCS.glob("*.md"):
        assert f"(docs/{page.name})" in README, page.name


def test_the_readme_has_every_member_of_the_service_and_no_other() -> None:
    rows = re.findall(r"^\| `(org\.mmid1\.\w+)` \|(.*)\|(.*)\|(.*)\|$", README, re.MULTILINE)
    told = {name: [set(re.findall("`([^`]+)`", one)) for one in cells] for name, *cells in rows}
    assert told == {
        name: [
            {_call(method.name, method.inputs) for method in one.methods.values()},
            {*one.properties},
            {_call(signal.name, signal.signature) for signal in one.signals.values()},
        ]
        for name, one in load().interfaces.items()
        if name.startswith(NAME)
    }


def _call(member: str, signature: str) -> str:
    return f"{member}({signature})" if signature else member


def test_the_readme_has_every_error_that_a_call_may_get() -> None:
    told = re.search(r"Errors are `org\.mmid1\.Error\.` and ([^.]*)\.", README)
    assert told
    assert set(re.findall(r"`(\w+)`", told[1])) == {facts.dbus_name for facts in TABLE.values()}


def test_the_page_of_clouds_has_every_field_of_one() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", (DOCS / "clouds.md").read_text(), re.MULTILINE)
    assert {*rows} == {field.name for field in fields(Cloud)}


@pytest.mark.parametrize("page", ["docs/baidu.md", "docs/man/org.mmid1.5.rst"])
def test_every_command_of_baidu_is_told_with_what_it_brings(page: str) -> None:
    text = " ".join((REPOSITORY / page).read_text().split())
    for name, meaning in {*COMMANDS.values()}:
        short = name.removeprefix("remote_player")
        assert re.search(rf"[`*](?:{name}|{short})[`*]", text), name
        assert not meaning or re.search(rf"[`*]?{meaning}\b", text), meaning

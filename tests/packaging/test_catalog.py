import inspect
import re
from pathlib import Path

import pytest

from mmid.errors import TABLE, MmidError

ROOT = Path(__file__).parents[2]
CATALOG = (ROOT / "systemd" / "mmid.catalog").read_text()
ENTRIES = re.findall(r"^-- ([0-9a-f]{32})\n(.*?)(?=^-- |\Z)", CATALOG, re.MULTILINE | re.DOTALL)
NAMES = {facts.message_id: kind.__name__ for kind, facts in TABLE.items()}

each_entry = pytest.mark.parametrize(
    ("identifier", "entry"), ENTRIES, ids=[NAMES.get(found, found) for found, _ in ENTRIES]
)


def test_every_message_id_of_the_source_has_one_entry() -> None:
    sources = "".join(path.read_text() for path in sorted(ROOT.glob("mmid/**/*.py")))
    used = re.findall(r'"([0-9a-f]{32})"', sources)
    assert len(used) == len(set(used)), "one identifier for two things"
    assert {facts.message_id for facts in TABLE.values()} <= set(used)
    known = [identifier for identifier, _ in ENTRIES]
    assert len(known) == len(set(known))
    assert set(used) - set(known) == set()


@each_entry
def test_an_entry_says_what_happened_and_what_to_do(identifier: str, entry: str) -> None:
    head, _, body = entry.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert fields["Defined-By"] == "mmid"
    assert len(fields["Subject"]) <= 72
    assert re.fullmatch(r"man:(mmid\(8\)|mmid\.toml\(5\)|org\.mmid1\(5\))", fields["Documentation"])
    assert len(body.strip().split("\n\n")) >= 2, "what it means, then what to do"


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_an_entry_is_the_one_of_its_error(kind: type[MmidError]) -> None:
    (entry,) = (entry for found, entry in ENTRIES if found == TABLE[kind].message_id)
    meaning = inspect.cleandoc(kind.__doc__ or "").partition(".\n")[0].removesuffix(".")
    assert entry.startswith(f"Subject: {meaning}\n")
    advice = " ".join(entry.strip().split("\n\n")[-1].split())
    assert advice.startswith(TABLE[kind].remedy.removesuffix("."))


@each_entry
def test_an_entry_is_readable_on_a_serial_console(identifier: str, entry: str) -> None:
    assert max(map(len, entry.splitlines())) <= 90


@each_entry
def test_an_entry_names_only_keys_that_there_are(identifier: str, entry: str) -> None:
    keys = (ROOT / "docs" / "man" / "mmid.toml.keys.rst").read_text().replace("\\", "")
    tables = "cloud|license|storage|clock|audio|dialog|dbus|log"
    for table, key in re.findall(rf"\b({tables})\.([a-z_]+)", entry):
        section = keys.partition(f"[{table}]\n")[2]
        assert f"**{key}**" in section, f"{table}.{key}"

"""The table of license codes is whole, and speaks to the right person."""

import re
from pathlib import Path

import pytest

from mmid.session.license.codes import CODES, CodeClass, LicenseCode, Remedy, lookup

# The vendor's published codes, and the class each has by our reading of it.
PUBLISHED = {
    "100007": "S",
    "100008": "S",
    "100009": "G",
    "100010": "C",
    "100011": "S",
    "100012": "S",
    "100013": "S",
    "100023": "L",
    "100025": "S",
    "100032": "S",
    "100033": "S",
    "200014": "L",
    "200021": "L",
    "200022": "L",
    "300002": "R",
    "500001": "S",
    "500002": "S",
}


def test_every_published_code_has_its_class_and_no_other_code_is_there() -> None:
    assert {code: row.code_class.value for code, row in CODES.items()} == PUBLISHED


@pytest.mark.parametrize("row", CODES.values(), ids=lambda row: row.code)
def test_a_row_reads_as_text_for_a_person(row: LicenseCode) -> None:
    assert row.advice.endswith(".")
    assert row.advice[0] == "m" or row.advice[0].isupper()
    assert not row.meaning.endswith(".")


@pytest.mark.parametrize("code", ["999999", "", "InvalidApiKey"])
def test_an_unknown_code_is_waited_out_and_named(code: str) -> None:
    row = lookup(code)
    assert row.code_class is CodeClass.LONG
    assert row.code == code
    assert code in row.meaning


def test_what_a_purchase_mends_says_buy() -> None:
    assert {row.code for row in CODES.values() if row.remedy is Remedy.BUY} == {
        "100007",
        "100033",
        "200014",
        "200022",
    }


# --- docs/license.md --------------------------------------------------------------------------

GUIDE = Path(__file__).parents[3] / "docs/license.md"
FOLLOWS = {
    CodeClass.STOP: "stops",
    CodeClass.LONG: "hours",
    CodeClass.RETRY: "soon",
    CodeClass.CLOCK: "once",
    CodeClass.REREGISTER: "once",
}


def as_in_the_guide(row: LicenseCode) -> str:
    remedy = f"`{row.remedy}`" + (f", then `{row.at_last}`" if row.at_last else "")
    return f"| {row.code} | {row.meaning} | {FOLLOWS[row.code_class]} | {remedy} | {row.advice} |"


def test_the_guide_has_every_code_as_the_table_has_it() -> None:
    lines = [line for line in GUIDE.read_text().splitlines() if re.match(r"\| [0-9]{6} ", line)]
    assert lines == [as_in_the_guide(row) for row in CODES.values()]


def test_the_guide_explains_every_remedy() -> None:
    explained = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \|$", GUIDE.read_text(), re.MULTILINE)
    assert {Remedy(word) for word in explained} == set(Remedy)

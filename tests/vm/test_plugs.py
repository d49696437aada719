"""The judge of the power cuts is judged: it must see a record that is lost."""

from typing import Any

import pytest

from tests.vm.machine import Report
from tests.vm.plugs import _STORES, _Ledger, _one_life
from tests.vm.scripted import Scripted

STORES = [f"store-{number}" for number in range(_STORES)]


def told(kind: str, number: int) -> list[dict[str, Any]]:
    return [{"kind": kind, "store": store, "number": number} for store in STORES]


def judged(ledger: _Ledger, *reports: Report, saves: int = 0) -> list[str]:
    _one_life(Scripted(*reports), ledger, saves, 0)
    return ledger.wrong


def test_the_record_that_was_told_or_the_next_one_is_right() -> None:
    ledger = _Ledger()
    assert judged(ledger, *told("found", 0), *told("saved", 1), saves=1) == []
    assert judged(ledger, *told("found", 1)) == []
    assert judged(ledger, *told("found", 2)) == []
    assert (ledger.found, ledger.ahead) == (3 * _STORES, _STORES)


@pytest.mark.parametrize("number", [0, 1, 4])
def test_an_older_record_or_one_that_was_never_saved_is_a_loss(number: int) -> None:
    ledger = _Ledger(durable=dict.fromkeys(STORES, 2))
    assert len(judged(ledger, *told("found", number))) == _STORES


def test_a_machine_that_is_off_before_its_plug_is_pulled_is_a_failure() -> None:
    assert "too early" in judged(_Ledger(), *told("found", 0), saves=1)[0]


def test_what_goes_wrong_inside_is_a_failure() -> None:
    result = {"kind": "result", "check": "cut.x", "good": False, "found": "no such device"}
    assert judged(_Ledger(), result) == ["no such device"]

"""The judge of the cut registrations is judged: it must see a record that is lost."""

from typing import Any

import pytest

from tests.image.cuts import Ledger, live
from tests.vm.scripted import Scripted

NOTHING, PENDING, REGISTERED = ("", ""), ("", "cut-1"), ("cut-1", "")


def found(names: tuple[str, str]) -> dict[str, Any]:
    registered, pending = names
    return {"kind": "found", "registered": registered, "pending": pending, "damaged": 0}


def result(good: bool) -> dict[str, Any]:
    return {"kind": "result", "check": "cut.x", "good": good, "found": "no such device"}


def judged(told: str, names: tuple[str, str]) -> list[str]:
    ledger = Ledger(device_name="cut-1" if told else "", told=told)
    ledger.check(found(names))
    return ledger.wrong


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ("", NOTHING),
        ("starting", NOTHING),
        ("starting", PENDING),
        ("starting", REGISTERED),
        ("asked", PENDING),
        ("asked", REGISTERED),
        ("stored", REGISTERED),
    ],
)
def test_what_was_told_is_there_or_what_comes_next(told: str, names: tuple[str, str]) -> None:
    assert judged(told, names) == []


@pytest.mark.parametrize(
    ("told", "names"),
    [
        ("", REGISTERED),
        ("asked", NOTHING),
        ("stored", NOTHING),
        ("stored", PENDING),
        ("stored", ("cut-0", "")),
    ],
)
def test_what_was_told_and_is_not_there_is_a_loss(told: str, names: tuple[str, str]) -> None:
    assert len(judged(told, names)) == 1


def test_a_life_remembers_the_last_that_it_was_told_in_whatever_order_it_came() -> None:
    ledger = Ledger()
    starting = {"kind": "starting", "device_name": "cut-1"}
    lines = [found(NOTHING), starting, {"kind": "stored"}, {"kind": "asked"}]
    live(Scripted(*lines), ledger, "nothing that is told")
    assert (ledger.device_name, ledger.told, ledger.wrong) == ("cut-1", "stored", [])


def test_what_goes_wrong_inside_ends_the_life_and_is_a_failure() -> None:
    machine, ledger = Scripted(found(NOTHING), result(good=False)), Ledger()
    live(machine, ledger, "stored")
    assert (machine.pulled, ledger.wrong) == (1, ["no such device"])


def test_a_machine_that_never_looked_is_a_failure() -> None:
    ledger = Ledger()
    live(Scripted(result(good=True)), ledger, "")
    assert ledger.wrong == ["the machine was off before it had looked"]

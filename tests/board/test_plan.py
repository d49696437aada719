"""The judge of the board's phases is judged; and the cloud's script has the turns they need."""

import tomllib

import pytest

from tests.board.plan import judged, phases, scenario
from tests.rig.board import PROTOCOLS
from tests.vm.machine import Report


def sent(phase: str, *, good: bool = True, oom_kills: int = 0) -> Report:
    return {"phase": phase, "good": good, "oom_kills": oom_kills, "told": ""}


PLAN = {"start": "first_start", "dialogs": "dialogs 3"}


def test_all_phases_that_went_well_are_good_in_the_order_of_the_plan() -> None:
    results = judged(PLAN, [sent("dialogs"), sent("start")])
    assert [(one["phase"], one["good"]) for one in results] == [("start", True), ("dialogs", True)]


@pytest.mark.parametrize(
    "second",
    [[], [sent("dialogs", good=False)], [sent("dialogs", oom_kills=1)]],
    ids=["nothing sent", "failed", "killed"],
)
def test_a_phase_without_a_result_failed_or_with_a_kill_is_not_good(second: list[Report]) -> None:
    assert [one["good"] for one in judged(PLAN, [sent("start"), *second])] == [True, False]


def test_only_the_first_cloud_meets_a_new_board_and_each_holds_dialogs_and_a_tool_call() -> None:
    plan = phases(PROTOCOLS, 100)
    assert [name for name, does in plan.items() if does == "first_start"] == [
        f"{PROTOCOLS[0]}: first start"
    ]
    for cloud in PROTOCOLS:
        assert plan[f"{cloud}: dialogs"] == "dialogs 100"
        assert f"{cloud}: tool call" in plan


def test_the_cloud_calls_the_tool_in_the_turn_after_the_dialogs() -> None:
    turns = tomllib.loads(scenario(3))["turn"]
    assert ["tool_calls" in turn for turn in turns] == [False, False, False, True, False]

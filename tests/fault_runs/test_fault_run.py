"""Small fault runs; ``make fault-runs`` holds five hundred dialogs, and plays all scenarios."""

from pathlib import Path

import pytest

from tests.fault_runs import scenario_run
from tests.fault_runs.fault_run import HARMS, run
from tests.fault_runs.report import faults, lines
from tests.rig.board import PROTOCOLS
from tests.rig.chaos import Harm

DIALOGS = 30

# Those that need no patience.
SCENARIOS = {
    "multimodal-dialog": [
        "closing-codes",
        "commands",
        "commands-malformed",
        "drops",
        "fatal-errors",
        "floods",
        "idle-after-cancel",
        "malformed",
        "repeated-events",
        "stale-audio",
        "turn-errors",
    ],
    "qwen-realtime": ["qwen-closing", "qwen-oddities", "qwen-tools"],
    "baidu-rtc": ["baidu-drops", "baidu-oddities"],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_dialog_through_a_bad_network_is_answered_or_told(
    tmp_path: Path, protocol: str
) -> None:
    # A swallowed connection is found out by the heartbeat, which takes a minute.
    harms: dict[Harm, float] = {
        harm: weight for harm, weight in HARMS.items() if harm is not Harm.SWALLOW
    }
    finished = await run(
        tmp_path, dialogs=DIALOGS, seed=20, devices=10, harms=harms, protocol=protocol
    )
    shown = "\n".join(lines(finished))
    assert not faults(finished.result, DIALOGS), shown
    assert finished.harms, "the network was good"
    endings = [outcome["ending"] for outcome in finished.result.outcomes]
    assert endings.count("answered") > DIALOGS / 3, shown


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_every_dialog_with_a_cloud_that_misbehaves_is_answered_or_told(
    tmp_path: Path, protocol: str
) -> None:
    scenarios = SCENARIOS[protocol]
    result = await scenario_run.run(
        tmp_path, dialogs=3, seed=20, scenarios=scenarios, protocol=protocol
    )
    shown = "\n".join(scenario_run.lines(result, scenarios))
    assert not faults(result, 3 * len(scenarios)), shown

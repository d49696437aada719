"""Every scenario of a cloud in simcloud's catalogue, and a device that holds dialogs in each.

What a scenario does to a client it does to mmid first: each dialog must be
answered or end with an Error, whatever the cloud does.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.clouds import all_clouds, read_scenario, scenario_files
from tests.fault_runs.devices import Plan, Result
from tests.fault_runs.fault_run import hold
from tests.rig.board import cloud_tables

# In these mmid waits for the operator, as it must.
_NOT_PLAYED = {"billing", "not-activated", "baidu-refused"}

# The longest replies last ten minutes; people here hear the beginning.
_PATIENCE_S = 1.5


def played(protocol: str) -> list[str]:
    """Return the names of the scenarios that are a cloud's own, and that can be talked in."""
    folders = {cloud.name: cloud.scenarios for cloud in all_clouds()}
    return [
        name
        for name, file in scenario_files().items()
        if file.parent == folders[protocol] and name not in _NOT_PLAYED
    ]


async def run(
    directory: Path,
    *,
    dialogs: int,
    seed: int,
    scenarios: list[str],
    protocol: str = "multimodal-dialog",
) -> Result:
    """Hold so many dialogs in each scenario, all at once, without any network between."""
    async with AsyncExitStack() as stack:
        clouds = []
        for name in scenarios:
            cloud = SimCloud(directory / "cloud", scenario=read_scenario(name))
            clouds.append(await stack.enter_async_context(cloud))
        urls = [cloud_tables(protocol, cloud.line)["cloud"]["ws_url"] for cloud in clouds]
        described = [cloud.line for cloud in clouds]
        total = dialogs * len(urls)
        plan = Plan(total, seed, urls, str(directory), described, protocol, patience_s=_PATIENCE_S)
        return await hold(plan, directory)


def lines(result: Result, scenarios: list[str]) -> Iterator[str]:
    """Yield a line a scenario: how its dialogs ended, and how long the longest took."""
    for number, name in enumerate(scenarios):
        outcomes = [one for one in result.outcomes if one["device"] == number]
        endings = Counter(" ".join((one["ending"], one["code"])).strip() for one in outcomes)
        shown = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
        longest = max((one["seconds"] for one in outcomes), default=0.0)
        yield f"{name:20} {longest:6.1f} s  {shown}"

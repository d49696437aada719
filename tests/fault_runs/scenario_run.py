"""Every scenario of simcloud's catalogue, and a device that holds dialogs in each.

What a scenario does to a client it does to mmid first: each dialog must be
answered or end with an Error, whatever the cloud does.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.clouds import read_scenario, scenario_files
from tests.fault_runs.devices import Plan, Result
from tests.fault_runs.fault_run import hold

# In these mmid waits for the operator, as it must; or what happens has nothing to do with dialogs.
_NOT_PLAYED = {"billing", "not-activated", "lost-registration"}
PLAYED = [name for name in scenario_files() if name not in _NOT_PLAYED]

# The longest replies last ten minutes; people here hear the beginning.
_PATIENCE_S = 1.5


async def run(directory: Path, *, dialogs: int, seed: int, scenarios: list[str]) -> Result:
    """Hold so many dialogs in each scenario, all at once, without any network between."""
    async with AsyncExitStack() as stack:
        clouds = []
        for name in scenarios:
            cloud = SimCloud(directory / "cloud", scenario=read_scenario(name))
            clouds.append(await stack.enter_async_context(cloud))
        urls = [cloud.line["ws_url"] for cloud in clouds]
        described = clouds[0].line
        total = dialogs * len(urls)
        plan = Plan(total, seed, urls, str(directory), described, patience_s=_PATIENCE_S)
        return await hold(plan, directory)


def lines(result: Result, scenarios: list[str]) -> Iterator[str]:
    """Yield a line a scenario: how its dialogs ended, and how long the longest took."""
    for number, name in enumerate(scenarios):
        outcomes = [one for one in result.outcomes if one["device"] == number]
        endings = Counter(" ".join((one["ending"], one["code"])).strip() for one in outcomes)
        shown = ", ".join(f"{count} {ending}" for ending, count in endings.most_common())
        longest = max((one["seconds"] for one in outcomes), default=0.0)
        yield f"{name:20} {longest:6.1f} s  {shown}"

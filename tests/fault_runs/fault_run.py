"""One fault run: a simulated cloud, bad networks, and devices that hold dialogs through them."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mmid.settings import WorkMode
from tests.fault_runs.devices import Plan, Result
from tests.rig.board import cloud_tables, silence
from tests.rig.chaos import ChaosProxy, Harm, random_fates
from tests.rig.processes import Process, python

# How often each happens. Swallowing is rare because it is slow: a heartbeat's
# silence must pass before anybody can know.
HARMS: dict[Harm, float] = {
    Harm.CUT: 30,
    Harm.HALVE: 20,
    Harm.RESET: 20,
    Harm.STALL: 20,
    Harm.REFUSE: 7,
    Harm.SWALLOW: 3,
}

# People here talk faster than people do, and a stall delivers at once what they asked for.
_SCENARIO = """\
thinking_ms = {thinking_ms}
pace = 0
[multimodal-dialog]
interrupts = 0
[[turn]]
transcript = "how are you this evening"
reply = "very well, thank you"
reply_s = 0.2
"""

# A cloud whose messages name no reply needs time between two, or the second is taken for the
# rest of the first, which was interrupted; the real one was seen to take a second and more.
_THINKING_MS = {"baidu-rtc": 600}

# Two devices with a button and one without: alsa-lib's file plug-in begins anew at every press.
_MODES: tuple[WorkMode, ...] = ("push2talk", "tap2talk", "push2talk", "duplex")

# What the devices can do for a model that calls functions: those of simcloud's scenario.
_FUNCTIONS = ("lamp", "thermometer")

_ASOUND = """\
pcm.microphone {{
  type file  slave.pcm {{ type null }}
  file /dev/null  infile "{microphone}"  format raw
}}
pcm.room {{
  type file  slave.pcm {{ type null }}
  file /dev/null  infile "{room}"  format raw
}}
pcm.loudspeaker {{ type null }}
"""


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a run: of the devices, and of the networks."""

    result: Result
    connections: int
    harms: dict[str, int]


async def run(
    directory: Path,
    *,
    dialogs: int,
    seed: int,
    devices: int,
    harms: Mapping[Harm, float] = HARMS,
    protocol: str = "multimodal-dialog",
) -> Finished:
    """Hold so many dialogs through networks that are as bad as the seed says."""
    async with AsyncExitStack() as stack:
        cloud = await _start_cloud(directory, protocol, stack)
        url = urlsplit(cloud_tables(protocol, cloud)["cloud"]["ws_url"])
        proxies = []
        for number in range(devices):
            dice = random.Random(f"{seed} network {number}")  # noqa: S311 - to be repeatable
            fates = random_fates(dice, dict(harms))
            proxy = ChaosProxy(url.hostname or "", url.port or 0, fates)
            proxies.append(await stack.enter_async_context(proxy))
        urls = [f"wss://{url.hostname}:{proxy.port}{url.path}" for proxy in proxies]
        plan = Plan(dialogs, seed, urls, str(directory), [cloud], protocol, _MODES)
        result = await hold(plan, directory)
    struck = Counter(str(harm) for proxy in proxies for harm in proxy.harms.elements())
    return Finished(result, sum(proxy.connections for proxy in proxies), dict(struck))


async def _start_cloud(directory: Path, protocol: str, stack: AsyncExitStack) -> dict[str, str]:
    scenario = _SCENARIO.format(thinking_ms=_THINKING_MS.get(protocol, 20))
    (directory / "scenario.toml").write_text(scenario)
    options = ("--cert-dir", directory / "cloud", "--scenario", directory / "scenario.toml")
    process = Process(python("mmid.simcloud.main", *options), directory / "simcloud.log")
    await process.start()
    stack.push_async_callback(process.stop)
    described: dict[str, str] = json.loads(await process.first_line())
    return described


async def hold(plan: Plan, directory: Path) -> Result:
    """Let devices hold the dialogs of a plan, in a process of their own."""
    word = random.Random(plan.seed).randbytes(16000)  # noqa: S311 - half a second of noise
    files = {
        "microphone": word + silence(60),
        "room": (silence(2) + word + silence(3)) * 60,
    }
    for name, samples in files.items():
        (directory / f"{name}.pcm").write_bytes(samples)
    tools = [{"type": "function", "function": {"name": name}} for name in _FUNCTIONS]
    (directory / "tools.json").write_text(json.dumps(tools))
    asound = directory / "asound.conf"
    asound.write_text(_ASOUND.format(**{name: directory / f"{name}.pcm" for name in files}))
    process = Process(
        python("tests.fault_runs.devices"),
        directory / "devices.log",
        {"ALSA_CONFIG_PATH": str(asound)},
    )
    answer = await process.communicate(json.dumps(asdict(plan)).encode())
    if not answer:
        raise AssertionError(f"the devices ended: {process.log_text()[-4000:]}")
    return Result(**json.loads(answer))

"""Many devices in one process: ``python -m tests.fault_runs.devices``, a part of a fault run.

Reads a ``Plan`` as JSON from standard input and prints a ``Result`` as JSON: a
process of its own, so that what it weighs is mmid. The microphone and the
loudspeaker are alsa-lib's own file and null PCMs.
"""

import asyncio
import gc
import json
import logging
import sys
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from mmid.hal_linux.time.clock import BoottimeEventLoop
from mmid.secrets import Secret
from mmid.settings import Audio, Cloud, License, Settings, Storage, WorkMode
from mmid.settings import Clock as ClockTable
from mmid.settings.baidu import Baidu
from mmid.settings.qwen import Qwen
from tests.fault_runs.device import Device
from tests.fault_runs.person import Ending, Person
from tests.rig.dialog_settings import dialog_settings

# Each start of these has its end, whatever breaks.
_PAIRS = (("TtsStart", "TtsEnd"), ("AsrStart", "AsrEnd"), ("DataInit", "DataDeinit"))

# So many dialogs a device holds before it is weighed: by then it has met each way to talk, and
# has the buffers that it needs for that. Measured with 10 devices, over each cloud: the heap grows
# by 2 MB from the second to the sixth dialog of each, and by nothing in the fourteen after that,
# while the objects in it become fewer.
_WARM_UP = 6


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        dialogs: how many in all.
        seed: of what people do.
        ws_urls: one for each device.
        directory: for the device records.
        clouds: what simcloud printed, for all devices or one for each.
        protocol: which cloud the devices talk with.
        modes: the work modes of the devices, in turn.
        patience_s: how long people hear a reply before they interrupt it; None: to its end.
    """

    dialogs: int
    seed: int
    ws_urls: list[str]
    directory: str
    clouds: list[dict[str, str]]
    protocol: str = "multimodal-dialog"
    modes: tuple[WorkMode, ...] = ("push2talk",)
    patience_s: float | None = None


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        outcomes: of each dialog, in the order of their ends.
        events: how often each event was heard.
        unbalanced: devices that told a start without its end, or hold the microphone still.
        pss_kib: proportional set size, whenever a tenth of the dialogs was done, once each
            device has held a few.
        left: tasks, threads and descriptors that are still there at the end.
        complaints: what was logged at level error, or raised where nobody waits.
        seconds: how long it took.
    """

    outcomes: list[dict[str, Any]] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=dict)
    unbalanced: list[str] = field(default_factory=list)
    pss_kib: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0


class _Complaints(logging.Handler):
    """Collects what the log says at level error: asyncio reports lost exceptions there."""

    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        self._complaints.append(f"{record.name}: {self.format(record)}"[:2000])


async def _live(plan: Plan, number: int, result: Result) -> None:
    """Switch a device on, have a person hold their share of dialogs with it, switch it off."""
    settings = _settings(plan, number)
    random = Random(f"{plan.seed} person {number}")  # noqa: S311 - to be repeatable
    patience_s = inf if plan.patience_s is None else plan.patience_s
    person = Person(settings.dialog.work_mode, random, patience_s)
    async with Device(settings, person) as device:
        for _ in range(number, plan.dialogs, len(plan.ws_urls)):
            outcome = await person.hold_dialog(number)
            result.outcomes.append(asdict(outcome))
            _weigh(plan, result)
            if outcome.ending is Ending.HUNG:  # so would the next ones
                result.complaints.append(f"board-{number:04} hung: {device.history()}")
                break
    name = settings.license.device_name
    result.events = dict(Counter(result.events) + person.counts)
    result.unbalanced += [
        f"{name}: {person.counts[start]} {start}, {person.counts[end]} {end}"
        for start, end in _PAIRS
        if person.counts[start] != person.counts[end]
    ]
    if device.status.talker:
        result.unbalanced.append(f"{name}: {device.status.talker} holds the microphone")


def _weigh(plan: Plan, result: Result) -> None:
    held = len(result.outcomes)
    warm = held >= _WARM_UP * len(plan.ws_urls)
    if warm and held % max(1, plan.dialogs // 10) == 0:
        gc.collect()
        result.pss_kib.append(_pss_kib())


def _settings(plan: Plan, number: int) -> Settings:
    cloud = plan.clouds[number % len(plan.clouds)]
    mode = plan.modes[number % len(plan.modes)]
    bought: dict[str, Any] = {}
    if plan.protocol != "baidu-rtc":
        bought = {"api_key": Secret(cloud["api_key"])}
    if plan.protocol == "multimodal-dialog":  # it takes an API key alone from who pays as they go
        bought |= {"mode": "pay-as-you-go", "app_id": cloud["app_id"]}
    return Settings(
        cloud=Cloud(
            protocol=plan.protocol,
            ws_url=plan.ws_urls[number],
            ca_file=cloud["ca_file"],
            workspace_id=cloud["workspace_id"] if "api_key" in bought else "",
            connect_timeout_s=10.0,
        ),
        license=License(device_name=f"board-{number:04}", **bought),
        baidu=Baidu(
            instance_url=cloud["baidu_instance_url"],
            app_id=cloud["baidu_app_id"],
            license_key=Secret(cloud["baidu_license_key"]),
        ),
        storage=Storage(target=f"file:{plan.directory}/device-{number}.bin"),
        clock=ClockTable(require_sync=False),
        dialog=dialog_settings(work_mode=mode),
        qwen=Qwen(tools_file=f"{plan.directory}/tools.json"),
        audio=Audio(
            capture_device="room" if mode == "duplex" else "microphone",
            playback_device="loudspeaker",
        ),
    )


async def _run(plan: Plan) -> Result:
    result = Result()
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger().addHandler(_Complaints(result.complaints))
    loop = asyncio.get_running_loop()
    began = loop.time()
    before = _possessions()
    async with asyncio.TaskGroup() as lives:
        for number in range(len(plan.ws_urls)):
            lives.create_task(_live(plan, number, result))
    await loop.shutdown_default_executor()
    result.seconds = loop.time() - began
    gc.collect()  # an exception in a forgotten task is reported when the task goes
    result.left = sorted((_possessions() - before).elements())
    return result


def _pss_kib() -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def _possessions() -> Counter[str]:
    """Return what a process must give back: tasks, threads, file descriptors."""
    tasks = Counter(f"task {task.get_name()}" for task in asyncio.all_tasks())
    threads = Counter(f"thread {thread.name}" for thread in threading.enumerate())
    files: Counter[str] = Counter()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor of this very listing
            files[f"file {str(entry.readlink()).partition(':')[0]}"] += 1
    return tasks + threads + files


def main() -> int:
    """Run the plan."""
    plan = Plan(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=BoottimeEventLoop) as runner:
        result = runner.run(_run(plan))
    json.dump(asdict(result), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

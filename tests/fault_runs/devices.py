"""Many devices in one process: ``python -m tests.fault_runs.devices``, a part of a fault run.

Each device is what ``mmid run`` builds, but for the bus: session, gateway, ALSA
recorder and player (alsa-lib's own file and null PCMs), a device record in a
file. A person talks to each. Reads a ``Plan`` as JSON from standard input and
prints a ``Result`` as JSON: a process of its own, so that what it weighs is mmid.
"""

import asyncio
import gc
import json
import logging
import sys
import threading
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from random import Random
from typing import Any

from mmid import daemon
from mmid.hal_linux.boottime_loop import BoottimeEventLoop
from mmid.hal_linux.clock import KernelClock
from mmid.hal_linux.storage import open_store
from mmid.redaction import Secret
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import Audio, Cloud, License, Settings, Storage
from mmid.settings import Clock as ClockTable
from tests.fault_runs.dialogs import Person

__all__ = ["Plan", "Result"]


# Each start of these has its end, whatever breaks.
_PAIRS = (("TtsStart", "TtsEnd"), ("AsrStart", "AsrEnd"), ("DataInit", "DataDeinit"))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        dialogs: how many in all.
        seed: of what people do.
        ws_urls: one for each device.
        directory: for the device records.
        cloud: what simcloud printed.
        patience_s: how long people hear a reply before they interrupt it; None: to its end.
    """

    dialogs: int
    seed: int
    ws_urls: list[str]
    directory: str
    cloud: dict[str, str]
    patience_s: float | None = None


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        outcomes: of each dialog, in the order of their ends.
        events: how often each event was heard.
        unbalanced: devices that told a start without its end, or hold the microphone still.
        pss_kib: proportional set size, whenever a tenth of the dialogs was done.
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


class _Device:
    """One device and the person who talks to it."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._number = number
        self._patience_s = inf if plan.patience_s is None else plan.patience_s
        self._tenth = max(1, plan.dialogs // 10)
        self._settings = _settings(plan, number)
        self._random = Random(f"{plan.seed} person {number}")  # noqa: S311 - to be repeatable
        self.name = self._settings.license.device_name
        self.status = daemon._first_status(self._settings, KernelClock(False))
        self.person: Person

    async def live(self, dialogs: int, stack: AsyncExitStack, result: Result) -> None:
        """Start, hold the dialogs, stop."""
        book = RecordBook(open_store(self._settings.storage.target))
        await book.load()
        stack.push_async_callback(book.close)
        gateway, supervisor = daemon._build(self._settings, self.status, KernelClock(False), book)
        self.person = Person(gateway, self.status, self._random, self._patience_s)
        running = asyncio.create_task(supervisor.run(), name=f"{self.name} supervisor")
        try:
            for _ in range(dialogs):
                outcome = await self.person.hold_dialog(self._number)
                result.outcomes.append(asdict(outcome))
                self._weigh(result)
                if running.done():
                    break
        finally:
            await _stop(supervisor, running)
        self._judge(result)

    def _weigh(self, result: Result) -> None:
        if len(result.outcomes) % self._tenth == 0:
            gc.collect()
            result.pss_kib.append(_pss_kib())

    def _judge(self, result: Result) -> None:
        counts = Counter(self.person.counts)
        result.events = dict(Counter(result.events) + counts)
        for start, end in (
            ("TtsStart", "TtsEnd"),
            ("AsrStart", "AsrEnd"),
            ("DataInit", "DataDeinit"),
        ):
            if counts[start] != counts[end]:
                result.unbalanced.append(
                    f"{self.name}: {counts[start]} {start}, {counts[end]} {end}"
                )
        if self.status.talker:
            result.unbalanced.append(f"{self.name}: {self.status.talker} holds the microphone")


async def _stop(supervisor: Supervisor, running: asyncio.Task[None]) -> None:
    await supervisor.stop()
    running.cancel()
    (error,) = await asyncio.gather(running, return_exceptions=True)
    if error is not None and not isinstance(error, asyncio.CancelledError):
        raise error


def _settings(plan: Plan, number: int) -> Settings:
    cloud = plan.cloud
    return Settings(
        cloud=Cloud(
            ws_url=plan.ws_urls[number],
            ca_file=cloud["ca_file"],
            workspace_id=cloud["workspace_id"],
            connect_timeout_s=10.0,
        ),
        license=License(
            mode="pay-as-you-go",
            app_id=cloud["app_id"],
            api_key=Secret(cloud["api_key"]),
            device_name=f"board-{number:04}",
        ),
        storage=Storage(target=f"file:{plan.directory}/device-{number}.bin"),
        clock=ClockTable(require_sync=False),
        audio=Audio(capture_device="microphone", playback_device="loudspeaker"),
    )


async def _run(plan: Plan) -> Result:
    result = Result()
    logging.getLogger().addHandler(_Complaints(result.complaints))
    loop = asyncio.get_running_loop()
    began = loop.time()
    before = _possessions()
    async with AsyncExitStack() as stack:
        devices = [_Device(plan, number) for number in range(len(plan.ws_urls))]
        shares = [len(range(number, plan.dialogs, len(devices))) for number in range(len(devices))]
        lives = [
            asyncio.create_task(device.live(share, stack, result))
            for device, share in zip(devices, shares, strict=True)
        ]
        await asyncio.gather(*lives)
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

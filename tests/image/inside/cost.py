"""What the running service takes of the board."""

import asyncio
import time
from pathlib import Path

from tests.image.inside.service import listening
from tests.image.inside.unit import main_pid, show

_IDLE_S = 10.0
_MIB = 1024 * 1024

# Generous: docs/performance.md has the goals, and bench judges them.
_MOST_PSS_KIB = 40 * 1024
_MOST_IDLE_CPU = 0.02


class Costs:
    """The processor time that the unit takes from now on."""

    def __init__(self) -> None:
        self._cpu_s, self._at = _cpu_s(), time.monotonic()

    def share(self) -> float:
        """Return the part of the processor that it took."""
        return (_cpu_s() - self._cpu_s) / (time.monotonic() - self._at)

    def told(self) -> str:
        """Say it in words."""
        return f"{_cpu_s() - self._cpu_s:.2f} s of this slow CPU ({self.share():.1%})"


async def memory_and_idle_cpu_are_told(place: Path) -> str:
    """Connected and listening, nobody talks: what it holds, and what it does."""
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
    costs = Costs()
    await asyncio.sleep(_IDLE_S)  # it is what is measured
    idle = costs.share()
    lines = Path(f"/proc/{main_pid()}/smaps_rollup").read_text().splitlines()[1:]
    rollup = {line.split(":")[0]: int(line.split()[1]) for line in lines}
    peak_mib = int(show("MemoryPeak")) / _MIB
    assert rollup["Pss"] < _MOST_PSS_KIB, rollup
    assert idle < _MOST_IDLE_CPU, f"{idle:.2%}"
    private = rollup["Private_Clean"] + rollup["Private_Dirty"]
    return (
        f"PSS {rollup['Pss']} KiB, RSS {rollup['Rss']} KiB, private {private} KiB; most that the "
        f"unit ever took {peak_mib:.1f} MiB of {int(show('MemoryMax')) / _MIB:.0f}; idle CPU "
        f"{idle:.2%} of this slow one"
    )


def _cpu_s() -> float:
    return int(show("CPUUsageNSec")) / 1e9

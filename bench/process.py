"""What a running process costs, as the kernel counts it."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process, in MiB.

    Attributes:
        pss: proportional set size: what it shares is divided among those who share it.
        private_dirty: what it alone has written: what would be free without it.
        rss: all that it has in memory. On a board where nobody else runs Python, this
            is what PSS is there, but for the C library.
    """

    pss: float
    rss: float
    private_dirty: float


def memory(pid: int) -> Memory:
    """Read ``smaps_rollup``."""
    sizes = {
        line.split(":")[0]: int(line.split()[1]) / 1024
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    }
    return Memory(sizes["Pss"], sizes["Rss"], sizes["Private_Dirty"])


def forget_peak(pid: int) -> None:
    """Let ``peak_mib`` begin anew, with what the process has now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_mib(pid: int) -> float:
    """Return the most memory (RSS) that a process ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU time of all threads, ended ones too, to the nanosecond.

    The clock's number is what clock_getcpuclockid(3) makes of a process id.
    """
    return time.clock_gettime((~pid << 3) | 2)


def wake_ups(pid: int) -> int:
    """Return how often its threads have waited for something and gone on."""
    return sum(
        int(line.split()[1])
        for status in Path(f"/proc/{pid}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def instructions(counts: Path, pid: int) -> float:
    """Return how many million instructions ``count_instructions.c`` has counted in a process."""
    return int.from_bytes((counts / str(pid)).read_bytes(), sys.byteorder) / 1e6

"""What the kernel ends first when a board has no memory left: a tool, and not the daemon.

On a board of 64 MiB a tool, its children and the daemon may need more than there is. The kernel
then ends the largest process, which is the daemon, and a dialog would be the price of a question.
"""

from contextlib import suppress
from pathlib import Path

# As if it had half of the board's memory beside its own (proc_pid_oom_score_adj(5)).
_HALF = "500"


def give_way() -> None:
    """Have this process and its children ended before the daemon; anybody may do that."""
    with suppress(OSError):  # no /proc, or more than that already
        Path("/proc/self/oom_score_adj").write_text(_HALF)

"""What the kernel ends first when a board has no memory left: a tool or a child, not the daemon.

On a board of 64 MiB the daemon and what stands beside it may need more than there is. The kernel
then ends the largest process, which is the daemon, and a dialog would be the price of a question.
"""

from contextlib import suppress
from pathlib import Path

# As if it had half of the board's memory beside its own (proc_pid_oom_score_adj(5)).
_HALF = "500"


def give_way(process: int | str = "self") -> None:
    """Have a process and what it starts from now on ended before the daemon.

    Args:
        process: the number of one of the same user, who need not be root.
    """
    with suppress(OSError):  # no /proc, it has ended, or it is more than that already
        Path(f"/proc/{process}/oom_score_adj").write_text(_HALF)

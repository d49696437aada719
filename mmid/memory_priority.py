"""What the kernel ends first when a board has no memory left: a tool or a child, not the daemon.

On a board of 64 MiB the daemon and what stands beside it may need more than there is. The kernel
then ends the largest process, which is the daemon, and a dialog would be the price of a question.
"""

from contextlib import suppress
from pathlib import Path

# As if it had half of the board's memory beside its own (proc_pid_oom_score_adj(5)); and a
# child a tenth more, so that it ends before the tool, which can tell of it.
_TOOL, _CHILD = 500, 600


def give_way(child: int | None = None) -> None:
    """Have this tool, or a child of whichever process, ended before the daemon.

    Args:
        child: its number; it is the same user's, who need not be root.
    """
    process, score = ("self", _TOOL) if child is None else (child, _CHILD)
    with suppress(OSError):  # no /proc, it has ended, or it is more than that already
        Path(f"/proc/{process}/oom_score_adj").write_text(str(score))

"""The time of a fuzzed dialog, which has no clock of its own."""

from collections.abc import Callable

from mmid.session.dialects.dialect import Dialect
from mmid.session.effects import Effect


def pass_time(
    dialect: Dialect, now: float, seconds: float, see: Callable[[list[Effect]], None]
) -> float:
    """Let time go by from ``now`` on, see what comes of it, and return what time it is then."""
    ends_at, ticks = now + seconds, 0
    while dialect.deadline <= ends_at:
        # A tick may find that another thing is due, and once it does all is done.
        ticks = ticks + 1 if dialect.deadline <= now else 0
        assert ticks < 4, "ticks leave their own deadline in the past"
        now = max(now, dialect.deadline)
        see(dialect.tick(now))
    return ends_at

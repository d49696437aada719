"""The way in: the license and the media path (section 6, rules 2 to 6).

MUST and READY come in either order. The connection is open when the media path is READY and
the license is passed, or nobody asked for it in time. Where it is asked for later still,
everything waits for its PASS.
"""

from math import inf

# No demand for the license so long after READY: none is made (section 6, rule 3: 1 to 2 s).
_GRACE_S = 2.0


class Entrance:
    """Whether the cloud lets us in.

    Attributes:
        answered: the license was asked for, and we answered; never twice.
        passed: the cloud let us in.
    """

    def __init__(self) -> None:
        self.answered = self.passed = False
        self._ready_at = inf

    def media_ready(self, now: float) -> None:
        """The media path is up."""
        self._ready_at = min(now, self._ready_at)

    @property
    def waits_for_pass(self) -> bool:
        """Whether nothing may be sent: the license was shown, and is being looked at."""
        return self.answered and not self.passed

    @property
    def opens_at(self) -> float:
        """When the connection is open, as things stand; ``inf``: not by waiting."""
        if self._ready_at == inf or self.waits_for_pass:
            return inf
        return self._ready_at if self.passed else self._ready_at + _GRACE_S

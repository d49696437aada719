"""The way in: the license and the media path (section 6, rules 2 to 6).

MUST and READY come in either order. The connection is open when the media path is READY and
the license is passed, or nobody asked for it in time. Where it is asked for later still,
everything waits for its PASS.
"""

from math import inf

from mmid.frozen import frozen
from mmid.secrets import Secret, masked, redact

# No demand for the license so long after READY: none is made (section 6, rule 3: 1 to 2 s).
_GRACE_S = 2.0


@frozen
class ActivationIdentity:
    """Who the device is to the cloud (section 1).

    Attributes:
        device_id: devId, for ever the same.
        user_id: uId, for the customer's own books.
        license_key: licKey.
    """

    device_id: str
    user_id: str
    license_key: Secret

    def without_name(self, text: str) -> str:
        """Return a text as a log may have it; to be called before it is cut."""
        return redact(text).replace(self.device_id, masked(self.device_id))


class Activation:
    """Whether the cloud lets us in.

    Args:
        identity: what we show when the license is asked for.

    Attributes:
        identity: the same.
        pass_by: when a license that was asked for late must have passed.
        answered: the license was asked for, and we answered; never twice.
        passed: the cloud let us in.
    """

    def __init__(self, identity: ActivationIdentity) -> None:
        self.identity = identity
        self.pass_by = inf
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

"""What a refusal of the license service means here: what follows it, and what people are shown.

Pure: no clock, no I/O. The counters live as long as the process, so a
registration that is refused is not tried for ever, whatever happens between.
"""

from dataclasses import replace

from mmid.errors import LicenseRefused, MmidError
from mmid.frozen import frozen
from mmid.session.access import HOURS_S
from mmid.session.effects import Next
from mmid.session.license.codes import CodeClass, Remedy, lookup

# License section 4, class R.
RETRY_LIMIT = 5

# When the service's day begins is not published (license section 4, 200021): midnight in
# Shanghai, 8 hours before UTC's, is assumed.
SERVICE_DAY_OFFSET_MS = 8 * 3_600_000
_DAY_MS = 24 * 3_600_000
# A fleet that waited for midnight comes back within this time after it.
_AFTER_MIDNIGHT_S = (60.0, 1800.0)


def long_wait_s(code: str, service_now_ms: int, share: float) -> float:
    """Return how long to wait before asking again after a refusal of class L.

    Args:
        code: the refusal; anything else than a daily limit is asked again after hours.
        service_now_ms: the service's clock, Unix ms.
        share: 0 to 1, where in the spread this device goes.
    """
    low, high = HOURS_S
    until_midnight = 0.0
    if lookup(code).remedy is Remedy.WAIT_UNTIL_MIDNIGHT:
        low, high = _AFTER_MIDNIGHT_S
        until_midnight = (_DAY_MS - (service_now_ms + SERVICE_DAY_OFFSET_MS) % _DAY_MS) / 1000
    return until_midnight + low + share * (high - low)


class Refusals:
    """Counts refusals and decides what follows each.

    Attributes:
        register_anew: the service no longer knows the device: it must be registered again.
        refused: it is final.
        forgiven: somebody asked to try again, and it was neither granted nor stopped since.
    """

    def __init__(self) -> None:
        self._retries = 0
        self._clock_retried = False
        self._registered_anew = False
        self.register_anew = False
        self.refused = False
        self.forgiven = False

    def note(self, code: str) -> Next:
        """Take in one refusal; return what follows.

        ``refused`` tells afterwards whether it is final, ``register_anew``
        whether the device must be registered again.
        """
        following = self._following(code)
        if following is Next.STOP:
            self.forgiven = False
        return following

    def _following(self, code: str) -> Next:
        match lookup(code).code_class:
            case CodeClass.RETRY:
                self._retries += 1
                # 5 to 60 s, it says; the widest range of the back-off is 6 to 60.
                return Next.LATER if self._retries <= RETRY_LIMIT else Next.STOP
            case CodeClass.CLOCK if not self._clock_retried:
                self._clock_retried = True
                return Next.RETRY
            case CodeClass.LONG:
                return Next.HOURS
            case CodeClass.REREGISTER if not self._registered_anew:
                self._registered_anew = self.register_anew = True
                return Next.RETRY
        self.refused = True
        return Next.STOP

    def succeeded(self) -> None:
        """A request was granted; only "once a boot" stays spent."""
        self._retries = 0
        self._clock_retried = self.register_anew = self.refused = self.forgiven = False

    def forgive(self) -> None:
        """Somebody acted: everything may be tried again."""
        self.succeeded()
        self._registered_anew = False
        self.forgiven = True


@frozen
class LicenseTrouble:
    """What stands between the device and its license, as ``LicenseError`` of org.mmid1 shows it.

    Attributes:
        code: the service's code, or our word for it.
        message: what it means and what to do, for a person.
        remedy: what mends it, in a word.
        since_ms: when it was met first, Unix ms.
        next_attempt_ms: when it is tried again without anybody's doing, Unix ms; 0 for never.
    """

    code: str
    message: str
    remedy: Remedy
    since_ms: int
    next_attempt_ms: int = 0

    def to_plain(self) -> dict[str, str | int]:
        """Return the keys and values of the property."""
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy.value,
            "since": self.since_ms,
            "next_attempt": self.next_attempt_ms,
        }

    def after(self, before: "LicenseTrouble | None") -> "LicenseTrouble":
        """Return this trouble as it stands if ``before`` was there: the same one began then."""
        if before is None or before.code != self.code:
            return self
        return replace(self, since_ms=before.since_ms)


def refused(error: LicenseRefused, following: Next, now_ms: int) -> LicenseTrouble:
    """Return the trouble that a refusal of the service is."""
    row = lookup(error.license_code)
    remedy = (row.at_last if following is Next.STOP else None) or row.remedy
    message = f"{error.meaning}. {error.remedy}"
    return LicenseTrouble(error.license_code, message, remedy, now_ms)


def unreadable(error: MmidError, now_ms: int) -> LicenseTrouble:
    """Return the trouble that the one answer to a registration is, when nobody can open it."""
    return LicenseTrouble(error.code, str(error), Remedy.FIX_CODEC, now_ms)

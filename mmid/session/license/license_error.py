"""What stands between the device and its license, as ``LicenseError`` of org.mmid1 shows it.

Pure: the time is an argument. ``access`` keeps one of these while it lasts.
"""

from dataclasses import replace

from mmid.errors import LicenseRefused, MmidError
from mmid.frozen import frozen
from mmid.session.effects import Next
from mmid.session.license.codes import Remedy, lookup


@frozen
class LicenseTrouble:
    """One refusal that lasts.

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
    in_vain = following is Next.STOP and row.at_last is not None
    remedy = row.at_last if in_vain and row.at_last else row.remedy
    message = f"{error.meaning}. {error.remedy}"
    return LicenseTrouble(error.license_code, message, remedy, now_ms)


def unreadable(error: MmidError, now_ms: int) -> LicenseTrouble:
    """Return the trouble that the one answer to a registration is, when nobody can open it."""
    return LicenseTrouble(error.code, str(error), Remedy.FIX_CODEC, now_ms)

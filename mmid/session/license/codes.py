"""The license service's refusal codes: what each means, and what to do about it.

The service's protocol publishes the codes and their meaning; the class and
the advice are ours. ``access`` acts on the class, people read the advice.
"""

from enum import StrEnum

from mmid.frozen import frozen


class CodeClass(StrEnum):
    """How a device goes on after a refusal."""

    RETRY = "R"  # soon, with jitter, at most five times; then stop
    CLOCK = "C"  # once, when the clock is right; then stop
    LONG = "L"  # after hours, and keep telling: somebody may mend it without touching the device
    STOP = "S"  # until somebody acts: trying again cannot help, or does harm
    REREGISTER = "G"  # register anew, once in a boot; then stop


class Remedy(StrEnum):
    """What mends it, in a word that a screen or a script can act on."""

    BUY = "buy"
    ENABLE_IN_CONSOLE = "enable-in-console"
    FIX_CLOCK = "fix-clock"
    FIX_CODEC = "fix-codec"
    FIX_MODE = "fix-mode"
    FIX_SETTINGS = "fix-settings"
    REPORT = "report"
    RESET_IN_CONSOLE = "reset-in-console"
    RETRY = "retry"
    WAIT_UNTIL_MIDNIGHT = "wait-until-midnight"


@frozen
class LicenseCode:
    """One refusal.

    Attributes:
        code: decimal text, as the service sends it.
        code_class: how the device goes on.
        remedy: what mends it, in a word.
        meaning: what the service says with it.
        advice: what mends it, as a sentence for an operator.
        at_last: the remedy when trying again was in vain, if it is another one then.
    """

    code: str
    code_class: CodeClass
    remedy: Remedy
    meaning: str
    advice: str
    at_last: Remedy | None = None


# Laid out by hand: a row is one code, and the columns are read downwards.
# fmt: off
_ROWS = (
    LicenseCode(
        "100007", CodeClass.STOP, Remedy.BUY, "no activation is left in the product's quota",
        "Buy activations for the product, then call Register.",
    ),
    LicenseCode(
        "100008", CodeClass.STOP, Remedy.RESET_IN_CONSOLE, "the device is registered already",
        "Its DeviceSecret was issued before: restore the device record, or reset the device in "
        "the console, or give it another license.device_name; then call Register.",
    ),
    LicenseCode(
        "100009", CodeClass.REREGISTER, Remedy.RETRY, "the device is not registered",
        "mmid registers it again by itself, once; if that does not help, look whether the device "
        "was removed in the console.",
        at_last=Remedy.RESET_IN_CONSOLE,
    ),
    LicenseCode(
        "100010", CodeClass.CLOCK, Remedy.FIX_CLOCK,
        "the request's time is not within 5 minutes of the service's",
        "Set the board's clock (NTP or an RTC); mmid tries again when it was set.",
    ),
    LicenseCode(
        "100011", CodeClass.STOP, Remedy.REPORT, "the request's signature is empty",
        "This is a fault of mmid or of the relay in between: report it with the request id.",
    ),
    LicenseCode(
        "100012", CodeClass.STOP, Remedy.FIX_SETTINGS,
        "the device name is longer than 32 characters",
        "Shorten license.device_name to 32 characters.",
    ),
    LicenseCode(
        "100013", CodeClass.STOP, Remedy.FIX_SETTINGS,
        "the device name has characters that are not allowed",
        "Use only letters, digits, '-' and '_' in license.device_name.",
    ),
    LicenseCode(
        "100023", CodeClass.LONG, Remedy.ENABLE_IN_CONSOLE, "the device is disabled",
        "Enable the device in the console; mmid looks again every few hours.",
    ),
    LicenseCode(
        "100025", CodeClass.STOP, Remedy.RESET_IN_CONSOLE,
        "the device was activated already and cannot be registered again",
        "Reset the device in the console, then call Register.",
    ),
    LicenseCode(
        "100032", CodeClass.STOP, Remedy.FIX_MODE,
        "the application's access mode is not the device's",
        "Make license.mode and the application's access mode in the console agree: license or "
        "pay-as-you-go.",
    ),
    LicenseCode(
        "100033", CodeClass.STOP, Remedy.BUY, "the activation's validity is over",
        "Renew the license of the device, then call Register.",
    ),
    LicenseCode(
        "200014", CodeClass.LONG, Remedy.BUY, "the quota of calls is used up",
        "Buy calls for the product; mmid looks again every few hours.",
    ),
    LicenseCode(
        "200021", CodeClass.LONG, Remedy.WAIT_UNTIL_MIDNIGHT, "today's limit of calls is reached",
        "Wait until the service's day is over (midnight in Shanghai), or raise the limit.",
    ),
    LicenseCode(
        "200022", CodeClass.LONG, Remedy.BUY, "the quota of calls has expired",
        "Renew the quota of the product; mmid looks again every few hours.",
    ),
    LicenseCode(
        "300002", CodeClass.RETRY, Remedy.RETRY, "the platform could not get a token",
        "Wait; if it stays, check license.api_key and the application in the console.",
        at_last=Remedy.FIX_SETTINGS,
    ),
    LicenseCode(
        "500001", CodeClass.STOP, Remedy.REPORT, "the sealed values differ from the clear ones",
        "This is a fault of mmid or of the relay in between: report it with the request id.",
    ),
    LicenseCode(
        "500002", CodeClass.STOP, Remedy.FIX_SETTINGS, "the request cannot be decrypted",
        "Check license.app_secret and license.app_id: one of them is of another product; or the "
        "device record was copied from another device.",
    ),
)
# fmt: on

CODES = {row.code: row for row in _ROWS}


def lookup(code: str) -> LicenseCode:
    """Return the row of a code; one that is not published is waited out like class L."""
    return CODES.get(code) or LicenseCode(
        code,
        CodeClass.LONG,
        Remedy.RETRY,
        f"the service refused with code {code}, which it does not document",
        "Ask the service's support with the code and the request id; mmid looks again every "
        "few hours.",
    )

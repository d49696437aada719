"""What follows a failure: the one table, by the class of the error.

An error that the cloud sent has a code of the cloud's, and its dialect knows what that
means (``effects.Close`` carries it). What ``Access`` knows better, it is asked first. All
others are here.
"""

from mmid.errors import (
    MmidError,
    NotProvisioned,
    RegistrationUnreadable,
    SettingsInvalid,
    StorageFailed,
)
from mmid.session.effects import Next

_FOLLOWS: dict[type[MmidError], Next] = {
    # Somebody must act: trying again would only meet the same.
    NotProvisioned: Next.STOP,
    RegistrationUnreadable: Next.STOP,
    SettingsInvalid: Next.STOP,
    # Flash that refuses is not worn out by trying: seldom, but for ever.
    StorageFailed: Next.LATER,
}


def what_follows(error: MmidError) -> Next:
    """Return what to do after an error: the table's, else another attempt with back-off."""
    return next((_FOLLOWS[kind] for kind in type(error).__mro__ if kind in _FOLLOWS), Next.RETRY)

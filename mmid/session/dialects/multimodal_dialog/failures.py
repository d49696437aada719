"""What a ``multimodal-dialog`` error means for the connection (section 11)."""

from mmid.session.effects import Next

# Nothing was said: a quick press. The turn just ends.
SILENT_TURN_ERRORS = frozenset({"451"})

# InvalidParameter: the cloud found fault with what Start said.
START_REFUSED = "421"

# Waiting cannot mend these; the operator must. Connect() tries again.
_STOP = frozenset({START_REFUSED, "432", "AccessDenied.Unpurchased", "Model.AccessDenied"})

# An operator can mend it from afar.
_HOURS = frozenset({"433"})

# Trying again at once would meet the same, or make it worse.
_LATER = frozenset({"424", "449"})


def after_failure(code: str, *, listened: bool) -> Next:
    """Return what to do after a failure that ended the task.

    Args:
        code: what the cloud said.
        listened: it had listened before, so Start was in order: what it found fault with
            later was one message, perhaps one that crossed another, and need not come again.
    """
    if code == START_REFUSED and listened:
        return Next.RETRY
    if code in _STOP:
        return Next.STOP
    if code in _HOURS:
        return Next.HOURS
    return Next.LATER if code in _LATER else Next.RETRY

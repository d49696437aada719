"""What follows what goes wrong (section 13): one table for errors, one for the end.

No table of codes is published. So the text decides, as far as it was seen on the wire; all
of it is in this file.
"""

from enum import StrEnum

from mmid.frozen import frozen
from mmid.session.effects import Next

# The type of an error that blames one event of ours; the session goes on.
_OUR_EVENT = "invalid_request_error"


class Following(StrEnum):
    """What follows an ``error``."""

    NOTHING = "nothing"  # it came too late to matter
    WAIT = "wait"  # another response is active: ask again when it has ended
    EMPTY = "empty"  # nothing was said: the turn ends
    TELL = "tell"  # the turn under way ends; the session goes on
    SUSPECT = "suspect"  # the same, and the session is given up if nothing more comes


# A piece of the message, lower case -> what follows. The first that fits counts.
_BY_MESSAGE = (
    ("none active response", Following.NOTHING),
    ("already has an active response", Following.WAIT),
    ("error committing input audio buffer", Following.EMPTY),
    ("session.finish", Following.NOTHING),
)


def after_error(kind: str, message: str) -> Following:
    """Return what follows an ``error`` of this type."""
    lowered = message.lower()
    for piece, following in _BY_MESSAGE:
        if piece in lowered:
            return following
    return Following.TELL if kind == _OUR_EVENT else Following.SUSPECT


@frozen
class Ending:
    """What an end of the connection means.

    Attributes:
        next: what follows.
        idle: it is the ordinary end of a session in which nobody talked: nobody is told.
        told: it is told even if nobody is in a turn.
    """

    next: Next
    idle: bool = False
    told: bool = False


# A piece of the reason of a close, lower case -> what it means; 1007 stands for all of them.
_BY_REASON = (
    ("no response was generated", Ending(Next.RETRY, idle=True)),
    # The account, the plan, the voice, a parameter: somebody must act, and may do so from afar.
    ("good standing", Ending(Next.HOURS, told=True)),
    ("free tier", Ending(Next.HOURS, told=True)),
    ("arrear", Ending(Next.HOURS, told=True)),
    ("voice", Ending(Next.HOURS, told=True)),
    ("parameter", Ending(Next.HOURS, told=True)),
    ("model", Ending(Next.HOURS, told=True)),
)


def after_close(reason: str) -> Ending:
    """Return what a close with this reason means."""
    lowered = reason.lower()
    return next((ending for piece, ending in _BY_REASON if piece in lowered), Ending(Next.RETRY))

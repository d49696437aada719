"""The state of a simulated dialog, and what its present turn has to remember."""

from dataclasses import dataclass
from enum import StrEnum

from mmid.simcloud.core.scenario import Turn
from mmid.simcloud.core.speech import Speech


class Phase(StrEnum):
    """The state of the dialog, as the wire names it."""

    IDLE = "Idle"
    LISTENING = "Listening"
    THINKING = "Thinking"
    RESPONDING = "Responding"


@dataclass(slots=True)
class PresentTurn:
    """What the present turn has to remember.

    Attributes:
        script: what will be understood and answered.
        speech: what is arriving, None when nothing is.
        interim: how many interim texts were sent.
        replying: reply audio has begun and not ended.
        replied: RespondingEnded was sent.
        cut: the cloud ended the speech or the reply by itself; what the client
            sent before it could know is no mistake of the client.
    """

    script: Turn
    speech: Speech | None = None
    interim: int = 0
    replying: bool = False
    replied: bool = False
    cut: bool = False

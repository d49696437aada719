"""What the stages of every dialect have in common: how one lasts and ends, and who presses.

A stage is what *we* are doing about the dialog. Each dialect has a table of its own; every
stage in it has a deadline with a named exit, so that no stage can hold the dialog for ever.
The clouds that always take speech, without a permission for it, go through the same stages
(``TurnStage``): their tables say how long, and what ends one.
"""

from enum import StrEnum

from mmid.events import State
from mmid.frozen import frozen


class Exit(StrEnum):
    """What is done when a stage lasts too long."""

    NONE = "none"  # it has no deadline
    RECONNECT = "reconnect"  # tell, close, connect anew
    ASK = "ask"  # ask the cloud to listen, which ends whatever it does
    END_SPEECH = "end-speech"  # close the microphone as if it had been released
    LISTEN = "listen"  # nothing was said
    GIVE_UP = "give-up"  # tell, end the turn, listen
    ANSWER = "answer"  # answer for the functions that did not


@frozen
class StageFacts:
    """What a stage shows, and how it ends by itself.

    Attributes:
        state: the public state, or None to keep the one shown before.
        deadline_s: longest stay in seconds; 0: none, or a setting.
        exit: what is done then.
        waits_for: what did not come, for the message.
        attended: somebody waits for the cloud, so its silence is asked about sooner.
        renewed_by_text: the deadline counts from the cloud's last text, not from the beginning.
    """

    state: State | None
    deadline_s: float
    exit: Exit
    waits_for: str
    attended: bool = False
    renewed_by_text: bool = False


@frozen
class WorkModeRules:
    """Who opens the microphone, and who hears where a speech ends.

    In tap2talk the clouds let the microphone stream all the time. Here it is open from
    StartSpeech to the end of the speech only: a board does not listen to a room that it was
    not asked to listen to. In duplex that is the point: a voice interrupts a reply, and an
    echo canceller must be in front of it.

    Attributes:
        pressed: the microphone is opened by a press and closed again; else it is always open.
        framed: we say where a speech begins and ends; else the cloud hears it.
    """

    pressed: bool
    framed: bool


WORK_MODES: dict[str, WorkModeRules] = {
    "push2talk": WorkModeRules(pressed=True, framed=True),
    "tap2talk": WorkModeRules(pressed=True, framed=False),
    "duplex": WorkModeRules(pressed=False, framed=False),
}


class TurnStage(StrEnum):
    """What a connection is doing, with a cloud that listens all the time."""

    STARTING = "starting"  # the cloud does not take speech yet
    LISTENING = "listening"  # nothing is under way
    TALKING = "talking"  # the microphone that a press opened goes up
    TRAILING = "trailing"  # it was closed; has the cloud heard a voice?
    RECOGNISING = "recognising"  # the speech is over, or a question was put
    THINKING = "thinking"  # the cloud has understood, and has said nothing
    CALLING = "calling"  # functions are called, and not all have answered
    RESPONDING = "responding"  # the reply arrives
    PLAYING = "playing"  # it has arrived; the loudspeaker still has some
    CLOSED = "closed"


# In duplex: a voice is heard, and nothing more of it for so long. It was none, or its end was
# lost; while it is thought to go on, nothing can be asked.
VOICE_S = 60.0

# The stages in which somebody waits for an answer: leaving one is an interruption.
TURN_STAGES = frozenset(
    {
        TurnStage.RECOGNISING,
        TurnStage.THINKING,
        TurnStage.CALLING,
        TurnStage.RESPONDING,
        TurnStage.PLAYING,
    }
)

# The stages in which a speech or a question may begin without one.
FREE_STAGES = frozenset({TurnStage.LISTENING, TurnStage.TRAILING})

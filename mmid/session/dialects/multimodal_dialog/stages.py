"""The stages of a ``multimodal-dialog`` connection: what each waits for, and for how long.

The cloud has three states (Listening, Thinking, Responding) and says which
one it is in; a stage is what *we* are doing about it. Every stage has a
deadline with a named exit, so that no stage can hold the dialog for ever.

    STARTING ──Listening──▶ LISTENING ──press──▶ TALKING ──release──▶ RECOGNISING
                              ▲    ▲                                       │
                 Listening    │    │ nothing to say                   Thinking
              ┌───────────────┘    └──────────────────────────────────┐    │
          RESUMING ◀──drained── PLAYING ◀──RespondingEnded── RESPONDING ◀── THINKING

    RECOGNISING, THINKING, RESPONDING, PLAYING, RESUMING, IDLE
        ──press, Interrupt, Ask, Say──▶ ASKING ──RequestAccepted and Listening──▶ ...
"""

from dataclasses import dataclass
from enum import StrEnum

from mmid.events import State

__all__ = ["STAGES", "TURN_STAGES", "Exit", "Stage", "StageFacts"]


class Stage(StrEnum):
    """What this connection is doing."""

    STARTING = "starting"  # Start was sent; audio and speech are not allowed yet
    LISTENING = "listening"  # the cloud listens and nobody talks
    TALKING = "talking"  # SendSpeech was sent; the microphone goes up
    RECOGNISING = "recognising"  # the speech is over; the cloud has not moved on yet
    THINKING = "thinking"  # the model works
    RESPONDING = "responding"  # the reply arrives
    PLAYING = "playing"  # the reply has arrived; the loudspeaker still has some
    RESUMING = "resuming"  # the turn is over here; the cloud has not listened yet
    IDLE = "idle"  # the cloud is in a state that is none of its three
    ASKING = "asking"  # RequestToSpeak was sent
    CLOSED = "closed"  # nothing is sent any more


class Exit(StrEnum):
    """What is done when a stage lasts too long."""

    NONE = "none"  # the heartbeat watches over it
    RECONNECT = "reconnect"  # tell, close, connect anew
    ASK = "ask"  # send RequestToSpeak: the documented way back to Listening
    END_SPEECH = "end-speech"  # close the microphone as if it had been released


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What a stage shows, and how it ends by itself.

    Attributes:
        state: the public state, or None to keep the one shown before.
        deadline_s: longest stay in seconds; 0 for none.
        exit: what is done then.
        waits_for: what did not come, for the message.
    """

    state: State | None
    deadline_s: float
    exit: Exit
    waits_for: str


# STARTING's deadline is the setting connect_timeout_s, less the time the
# connection took, given to the dialect; the others are ours: the service promises a text at least
# every 60 s, and answers directives in well under a second.
STAGES: dict[Stage, StageFacts] = {
    Stage.STARTING: StageFacts(State.CONNECTING, 0, Exit.RECONNECT, "Listening after Start"),
    Stage.LISTENING: StageFacts(State.LISTENING, 0, Exit.NONE, "a press"),
    Stage.TALKING: StageFacts(State.LISTENING, 120, Exit.END_SPEECH, "the end of the speech"),
    Stage.RECOGNISING: StageFacts(None, 15, Exit.ASK, "Thinking after the speech"),
    Stage.THINKING: StageFacts(State.THINKING, 60, Exit.ASK, "a reply"),
    Stage.RESPONDING: StageFacts(State.RESPONDING, 60, Exit.ASK, "more of the reply"),
    Stage.PLAYING: StageFacts(None, 120, Exit.ASK, "the loudspeaker"),
    Stage.RESUMING: StageFacts(None, 5, Exit.ASK, "Listening after the turn"),
    Stage.IDLE: StageFacts(State.IDLE, 10, Exit.ASK, "Listening"),
    Stage.ASKING: StageFacts(None, 5, Exit.RECONNECT, "Listening after RequestToSpeak"),
    Stage.CLOSED: StageFacts(State.OFFLINE, 0, Exit.NONE, "nothing"),
}

# The stages in which somebody waits for an answer: leaving one is an interruption.
TURN_STAGES = frozenset({Stage.RECOGNISING, Stage.THINKING, Stage.RESPONDING, Stage.PLAYING})

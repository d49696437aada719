"""The stages of a ``multimodal-dialog`` connection, and what a work mode changes about them.

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

In tap2talk a release before the cloud heard anything goes to TRAILING, and
from there to RECOGNISING or back to LISTENING. In duplex nobody presses:
TALKING and TRAILING are not used. docs/dialog-states.md has every input of
every stage, as this code answers it.
"""

from enum import StrEnum

from mmid.events import State
from mmid.session.dialects.heartbeat import ANSWER_S, SILENCE_S
from mmid.session.dialects.stages import Exit, StageFacts


class Stage(StrEnum):
    """What this connection is doing."""

    STARTING = "starting"  # Start was sent; audio and speech are not allowed yet
    LISTENING = "listening"  # the cloud listens and nobody talks
    TALKING = "talking"  # the microphone that a press opened goes up
    TRAILING = "trailing"  # it was closed, and the cloud has heard nothing of it yet
    RECOGNISING = "recognising"  # the speech is over; the cloud has not moved on yet
    THINKING = "thinking"  # the model works
    RESPONDING = "responding"  # the reply arrives
    PLAYING = "playing"  # the reply has arrived; the loudspeaker still has some
    RESUMING = "resuming"  # the turn is over here; the cloud has not listened yet
    IDLE = "idle"  # the cloud is in a state that is none of its three
    ASKING = "asking"  # the floor is wanted: RequestToSpeak
    CLOSED = "closed"  # nothing is sent any more


# The service promises a text at least every 60 s, and answers directives in
# well under a second; the rest is ours. Two are settings: STARTING has what the
# connection left of cloud.connect_timeout_s, TALKING has dialog.max_speech_s.
# fmt: off
STAGES: dict[Stage, StageFacts] = {
    Stage.STARTING: StageFacts(State.CONNECTING, 15, Exit.RECONNECT, "Listening after Start"),
    # People may be silent for months; a living cloud answers heartbeats, and that renews it.
    Stage.LISTENING: StageFacts(
        State.LISTENING, SILENCE_S + ANSWER_S, Exit.RECONNECT, "any sign of life",
        renewed_by_text=True,
    ),
    Stage.TALKING: StageFacts(
        State.LISTENING, 120, Exit.END_SPEECH, "the end of the speech", attended=True
    ),
    Stage.TRAILING: StageFacts(State.LISTENING, 3, Exit.LISTEN, "speech in what was recorded"),
    Stage.RECOGNISING: StageFacts(
        None, 15, Exit.ASK, "the cloud to think about it", attended=True
    ),
    Stage.THINKING: StageFacts(State.THINKING, 60, Exit.ASK, "a reply", attended=True),
    Stage.RESPONDING: StageFacts(
        State.RESPONDING, 60, Exit.ASK, "more of the reply", attended=True
    ),
    # A player keeps 4 MiB, 17 minutes at 32 kbit/s, and tells within seconds when it is stuck.
    Stage.PLAYING: StageFacts(None, 1200, Exit.ASK, "the loudspeaker"),
    Stage.RESUMING: StageFacts(None, 5, Exit.ASK, "Listening after the turn"),
    Stage.IDLE: StageFacts(State.IDLE, 10, Exit.ASK, "Listening"),
    Stage.ASKING: StageFacts(None, 5, Exit.RECONNECT, "Listening after RequestToSpeak"),
    Stage.CLOSED: StageFacts(State.OFFLINE, 0, Exit.NONE, "nothing"),
}
# fmt: on

# The stages in which somebody waits for an answer: leaving one is an interruption.
TURN_STAGES = frozenset({Stage.RECOGNISING, Stage.THINKING, Stage.RESPONDING, Stage.PLAYING})

# The stages in which the cloud listens and nobody talks: a speech or a question may begin.
CLOUD_LISTENS = frozenset({Stage.LISTENING, Stage.TRAILING})

_ALWAYS = frozenset(Stage) - {Stage.STARTING, Stage.CLOSED}

# The stages in which the cloud gives up (444) after 20 s without audio, by work mode (section
# 7). In tap2talk the rule is for Listening only, but audio may be sent in every state.
FED: dict[str, frozenset[Stage]] = {
    "push2talk": frozenset({Stage.TALKING}),
    "tap2talk": _ALWAYS,
    "duplex": _ALWAYS,
}

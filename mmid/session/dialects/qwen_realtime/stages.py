"""The stages of a Qwen-Omni Realtime connection, and what a work mode changes about them.

    STARTING ──session.updated──▶ LISTENING ──press──▶ TALKING ──release──▶ RECOGNISING
                                    ▲                                          │
                                    │                              response.created
                                 drained                                       ▼
                                 PLAYING ◀──response.done── RESPONDING ◀── THINKING
                                                                          ▲    │
                                                  all functions answered  │    ▼
                                                                         CALLING

The service always takes audio; an interruption needs nobody's permission. A response that
was cancelled may still send a little: it is dead, and what it sends is dropped, while the
next turn goes on (section 8). Only the next *request* waits until it has ended.

In tap2talk and duplex the service hears by itself where a speech begins and ends. Where a
release comes before it has heard anything, TRAILING sends it the silence that it needs.
In duplex nobody presses: a speech begins in LISTENING. A response that nobody asked for
(``idle_timeout_ms``) goes from LISTENING to THINKING.

Every stage but LISTENING has a deadline with a named exit. LISTENING is left before the
service would end the session (section 11).
"""

from enum import StrEnum

from mmid.events import State
from mmid.session.dialects.stages import Exit, StageFacts


class RealtimeStage(StrEnum):
    """What this connection is doing."""

    STARTING = "starting"  # the session is not as we want it yet
    LISTENING = "listening"  # nothing is under way
    TALKING = "talking"  # the microphone that a press opened goes up
    TRAILING = "trailing"  # it was closed; has the service heard a voice?
    RECOGNISING = "recognising"  # the speech is over, or a question was put
    THINKING = "thinking"  # a response is active and has said nothing
    CALLING = "calling"  # functions are called, and not all have answered
    RESPONDING = "responding"  # the reply arrives
    PLAYING = "playing"  # it has arrived; the loudspeaker still has some
    CLOSED = "closed"


# No document has these times but the first: what cloud.connect_timeout_s has left.
# fmt: off
STAGES: dict[RealtimeStage, StageFacts] = {
    RealtimeStage.STARTING: StageFacts(State.CONNECTING, 0, Exit.RECONNECT, "session.updated"),
    RealtimeStage.LISTENING: StageFacts(State.LISTENING, 0, Exit.NONE, ""),
    RealtimeStage.TALKING: StageFacts(State.LISTENING, 0, Exit.END_SPEECH, "the end of the speech"),
    RealtimeStage.TRAILING: StageFacts(
        State.LISTENING, 3, Exit.LISTEN, "speech in what was recorded"
    ),
    RealtimeStage.RECOGNISING: StageFacts(None, 15, Exit.GIVE_UP, "a response"),
    RealtimeStage.THINKING: StageFacts(State.THINKING, 60, Exit.GIVE_UP, "a reply"),
    # The contract: a function has 30 s, then the model is told that it did not answer.
    RealtimeStage.CALLING: StageFacts(State.THINKING, 30, Exit.ANSWER, "the answer of a function"),
    RealtimeStage.RESPONDING: StageFacts(State.RESPONDING, 60, Exit.GIVE_UP, "more of the reply"),
    # A player keeps 4 MiB: 17 minutes at 32 kbit/s, 87 seconds of samples at 24 kHz.
    RealtimeStage.PLAYING: StageFacts(None, 1200, Exit.GIVE_UP, "the loudspeaker"),
    RealtimeStage.CLOSED: StageFacts(State.OFFLINE, 0, Exit.NONE, ""),
}
# fmt: on

# The stages in which somebody waits for an answer: leaving one is an interruption.
TURN_STAGES = frozenset(
    {
        RealtimeStage.RECOGNISING,
        RealtimeStage.THINKING,
        RealtimeStage.CALLING,
        RealtimeStage.RESPONDING,
        RealtimeStage.PLAYING,
    }
)

# The stages in which a speech or a question may begin without one.
FREE_STAGES = frozenset({RealtimeStage.LISTENING, RealtimeStage.TRAILING})

"""The stages of a Qwen-Omni Realtime connection: how long each lasts, and what ends it.

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

from mmid.events import State
from mmid.session.dialects.stages import Exit, StageFacts, TurnStage

# No document has these times but the first: what cloud.connect_timeout_s has left.
# fmt: off
STAGES: dict[TurnStage, StageFacts] = {
    TurnStage.STARTING: StageFacts(State.CONNECTING, 0, Exit.RECONNECT, "session.updated"),
    TurnStage.LISTENING: StageFacts(State.LISTENING, 0, Exit.NONE, ""),
    TurnStage.TALKING: StageFacts(State.LISTENING, 0, Exit.END_SPEECH, "the end of the speech"),
    TurnStage.TRAILING: StageFacts(
        State.LISTENING, 3, Exit.LISTEN, "speech in what was recorded"
    ),
    TurnStage.RECOGNISING: StageFacts(None, 15, Exit.GIVE_UP, "a response"),
    TurnStage.THINKING: StageFacts(State.THINKING, 60, Exit.GIVE_UP, "a reply"),
    # The contract: a function has 30 s, then the model is told that it did not answer.
    TurnStage.CALLING: StageFacts(State.THINKING, 30, Exit.ANSWER, "the answer of a function"),
    TurnStage.RESPONDING: StageFacts(State.RESPONDING, 60, Exit.GIVE_UP, "more of the reply"),
    # A player keeps 4 MiB: 17 minutes at 32 kbit/s, 87 seconds of samples at 24 kHz.
    TurnStage.PLAYING: StageFacts(None, 1200, Exit.GIVE_UP, "the loudspeaker"),
    TurnStage.CLOSED: StageFacts(State.OFFLINE, 0, Exit.NONE, ""),
}
# fmt: on

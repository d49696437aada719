"""The stages of a Baidu RTC connection: how long each lasts, and what ends it.

    STARTING ──READY, PASS──▶ LISTENING ──press──▶ TALKING ──STOP──▶ RECOGNISING
                                ▲                                        │
                                │                                     [Q] final
                             drained                                     ▼
                             PLAYING ◀──TTS_END── RESPONDING ◀─BEGIN─ THINKING

A frame names neither its turn nor its reply: only the order of the frames tells what belongs
to what. So what comes of a reply that was interrupted is dropped until something comes that
can only be of the next turn.

* Push2talk (section 6): START_LONGTEXT_REC and STOP_LONGTEXT_REC frame the speech. A final
  question before STOP is of the turn before.
* Tap2talk is continuous recognition from a press on. VOICE_DISAPPEAR or the final question
  closes the microphone. Where a release comes before a voice was heard, TRAILING sends the
  silence that the cloud needs to hear the end.
* In duplex nobody presses: a speech begins in LISTENING, or interrupts a reply.

A reply that nobody asked for (``tts_sayhi``) goes from LISTENING to RESPONDING.
"""

from mmid.events import State
from mmid.session.dialects.stages import Exit, StageFacts, TurnStage

# STARTING: what cloud.connect_timeout_s has left. RECOGNISING: section 6. No document has the
# other times.
# fmt: off
STAGES: dict[TurnStage, StageFacts] = {
    TurnStage.STARTING: StageFacts(
        State.CONNECTING, 0, Exit.RECONNECT, "the media path and the license"
    ),
    TurnStage.LISTENING: StageFacts(State.LISTENING, 0, Exit.NONE, ""),
    TurnStage.TALKING: StageFacts(State.LISTENING, 0, Exit.END_SPEECH, "the end of the speech"),
    TurnStage.TRAILING: StageFacts(State.LISTENING, 3, Exit.LISTEN, "speech in what was recorded"),
    TurnStage.RECOGNISING: StageFacts(None, 15, Exit.GIVE_UP, "what was understood"),
    TurnStage.THINKING: StageFacts(State.THINKING, 60, Exit.GIVE_UP, "a reply"),
    TurnStage.RESPONDING: StageFacts(State.RESPONDING, 15, Exit.LISTEN, "more of the reply"),
    # A player keeps 4 MiB: over two minutes at 16 kHz.
    TurnStage.PLAYING: StageFacts(None, 1200, Exit.GIVE_UP, "the loudspeaker"),
    TurnStage.CLOSED: StageFacts(State.OFFLINE, 0, Exit.NONE, ""),
}
# fmt: on

"""How the floor is taken: interruptions, in every order in which the cloud may answer."""

import pytest

from mmid.session.effects import Effect, Moved
from tests.session.dialects.multimodal_dialog.trace import (
    CONNECTED,
    REPLYING,
    TALKED,
    THINKING,
    Rehearsal,
    dialect,
    follow,
)

GRANTED = """
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart
"""

# One interruption just before, so that the next may not be sent for 0.3 s.
JUST_ASKED = f"""{REPLYING}
        interrupt                 | flush player; TtsEnd; > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
        ask what                  | flush player; > RequestToRespond prompt what
        < state Thinking          | show thinking
"""

TRACES = {
    "a press during a reply silences it, and what was said meanwhile goes first": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        mic two                   |
        < RequestAccepted         |
        mic three                 |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one; backlog two; backlog three
        mic four                  | audio four
        release                   | > StopSpeech
        < SpeechStarted           | AsrStart
        < SpeechEnded             | AsrEnd
        < state Thinking          | show thinking
        < state Responding        | show responding; TtsStart; start player
        speaker starts            | > LocalRespondingStarted
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingEnded
    """,
    "what still comes of the cut reply is dropped": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        << 8000                   | note
        << 8000 x9                |
        < RespondingContent final it is on |
        < RespondingEnded         |
        < state Responding        |
        < RespondingStarted       |
        < SpeechContent final hi  |
        < SpeechEnded             |
        {GRANTED}
    """,
    "the cut reply's end at the loudspeaker is not reported": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        speaker drained           |
        {GRANTED}
        speaker starts            |
        speaker drained           |
    """,
    "a press while the end of a reply plays cuts it, and its TtsEnd is not told twice": f"""
        {REPLYING}
        < RespondingEnded         | TtsEnd; finish player
        press                     | flush player; > RequestToSpeak
        speaker drained           |
        {GRANTED}
    """,
    "a press while the cloud thinks interrupts it": f"""{THINKING}
        press                     | flush player; > RequestToSpeak
        {GRANTED}
    """,
    "a press before the cloud moved on from the last speech interrupts it": f"""{TALKED}
        press                     | flush player; AsrEnd; > RequestToSpeak
        mic one                   |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; SpeechRestart; backlog one
    """,
    "a press after the turn, before the cloud listens again, is a start and no restart": f"""
        {REPLYING}
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingEnded
        press                     | flush player; > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechStart
    """,
    "a press while the cloud is idle asks for the floor": f"""{CONNECTED}
        < state Idle              | note; show idle
        press                     | flush player; > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechStart
    """,
    "Listening before RequestAccepted waits for it": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        < state Listening         |
        mic two                   |
        < RequestAccepted         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one; backlog two
    """,
    "a RequestAccepted that never comes after Listening costs half a second": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        < state Listening         |
        0.49 s later              |
        0.01 s later              | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
        < RequestAccepted         |
        < state Listening         |
        mic two                   | audio two
    """,
    "press and release before the permission send the speech and its end at once": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        release                   |
        press                     | refused Busy
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one; > StopSpeech
        mic two                   |
    """,
    "a speech cancelled before the permission leaves a dialog that listens": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        cancel                    |
        mic two                   |
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
        press                     | flush player; > SendSpeech; SpeechStart
    """,
    "a press after a cancelled one uses the permission that was asked for": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        release                   |
        cancel                    |
        press                     |
        mic two                   |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog two
        mic three                 | audio three
        release                   | > StopSpeech
    """,
    "a microphone that fails before the permission leaves a dialog that listens": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        mic fails                 |
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
    """,
    "an interruption silences the reply and leaves a dialog that listens": f"""{REPLYING}
        interrupt                 | flush player; TtsEnd; > RequestToSpeak
        interrupt                 |
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
    """,
    "an interruption drops the question that waited for the floor, and says so": f"""{REPLYING}
        ask what time             | flush player; TtsEnd; > RequestToSpeak
        interrupt                 | Error busy
        interrupt                 |
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
    """,
    "an interruption drops the question that was too soon after others": f"""{CONNECTED}
        ask one                   | flush player; > RequestToRespond prompt one
        ask two                   | flush player; > RequestToSpeak
        ask three                 | Error busy
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > RequestToRespond prompt three
        < state Listening         | SpeechPrepare
        ask four                  | flush player; > RequestToRespond prompt four
        < state Listening         | SpeechPrepare
        ask five                  | flush player
        interrupt                 | Error busy
        3 s later                 | SpeechPrepare
    """,
    "an interruption leaves a speech alone that waits for the floor": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        interrupt                 |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
    """,
    "a press after an interruption asks only once": f"""{REPLYING}
        interrupt                 | flush player; TtsEnd; > RequestToSpeak
        press                     |
        mic one                   |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
    """,
    "a question during a reply interrupts it first": f"""{REPLYING}
        ask what time             | flush player; TtsEnd; > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > RequestToRespond prompt what time
        < state Thinking          | show thinking
    """,
    "a text to speak during a reply interrupts it first": f"""{REPLYING}
        say good morning          | flush player; TtsEnd; > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > RequestToRespond transcript good morning
    """,
    "a press drops the question that waited for the floor, and says so": f"""{REPLYING}
        ask what time             | flush player; TtsEnd; > RequestToSpeak
        press                     | Error busy
        mic one                   |
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
    """,
    "a second question drops the one that waited for the floor, and says so": f"""{REPLYING}
        ask what time             | flush player; TtsEnd; > RequestToSpeak
        say good morning          | Error busy
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > RequestToRespond transcript good morning
    """,
    "a question while a speech waits for the floor is refused": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        ask what time             | refused Busy
    """,
    "requests for the floor are 0.3 s apart": f"""{JUST_ASKED}
        press                     | flush player
        mic one                   |
        0.29 s later              |
        0.01 s later              | > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
    """,
    "a cloud that listens before the next request for the floor may be sent needs none": f"""
        {JUST_ASKED}
        press                     | flush player
        mic one                   |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
        1 s later                 |
    """,
    "a cloud that left Listening again has not given the floor": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        < state Listening         |
        < state Thinking          |
        < RequestAccepted         |
        3 s later                 |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
    """,
    "a RequestAccepted that nobody waits for does nothing": f"""{CONNECTED}
        < RequestAccepted         |
        press                     | flush player; > SendSpeech; SpeechStart
        < RequestAccepted         |
    """,
    "a cloud that flickers cannot hold us while we ask": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        2 s later                 |
        < state Listening         |
        < state Thinking          |
        2 s later                 |
        < state Listening         |
        < state Thinking          |
        0.9 s later               |
        0.1 s later | Error cloud; stop recorder; flush player; show offline; \
close retry: connection-lost
    """,
    "an interruption that is not obeyed costs nobody anything but a connection": f"""{REPLYING}
        interrupt                 | flush player; TtsEnd; > RequestToSpeak
        5 s later | stop recorder; flush player; show offline; close retry: connection-lost
    """,
    "a turn error while we ask for the floor is told, and the asking goes on": f"""{REPLYING}
        press                     | flush player; TtsEnd; > RequestToSpeak
        mic one                   |
        < Error 500 LLMTimeoutError | Error LLMTimeoutError
        < RequestAccepted         |
        < state Listening         | SpeechPrepare; > SendSpeech; show listening; SpeechRestart; \
backlog one
    """,
}


@pytest.mark.parametrize("behaviour", TRACES)
def test_that(behaviour: str) -> None:
    follow(TRACES[behaviour])


# --- what the black box is told ----------------------------------------------------------------

TURN = [
    ("open", "starting begin"),
    ("< Started d-1", ""),
    ("< state Listening", "listening Listening"),
    ("press", "talking start_speech"),
    ("release", "recognising stop_speech"),
    ("< SpeechContent final my secret plan", ""),
    ("< SpeechEnded", ""),
    ("< state Thinking", "thinking Thinking"),
    ("< state Responding", "responding Responding"),
    ("< RespondingEnded", "playing RespondingEnded"),
    ("speaker drained", "resuming playback_finished"),
    ("5 s later", "asking deadline"),
    ("< RequestAccepted", ""),
    ("< state Listening", "listening Listening"),
    ("press", "talking start_speech"),
    ("mic fails", "resuming recorder_failed"),
    ("< state My secret state", "idle other-state"),
    ("1 s later", ""),
    ("ask my secret question", "asking ask"),
    ("< state Listening", ""),
    ("< RequestAccepted", "recognising RequestAccepted"),
    ("< Error 500 LLMTimeoutError", "resuming Error"),
    ("< state Listening", "listening Listening"),
    ("58 s later", "closed heartbeat"),
]


def moves(effects: list[Effect]) -> str:
    return " ".join(f"{one.stage} {one.cause}" for one in effects if isinstance(one, Moved))


def test_every_move_is_told_with_its_cause_and_nothing_that_was_said() -> None:
    rehearsal = Rehearsal(dialect())
    assert [(given, moves(rehearsal.do(given))) for given, _ in TURN] == TURN


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("leave", "end"),
        ("drop", "lost"),
        ("< Stopped", "Stopped"),
        ("< fatal 449 TooManyInterrupt", "task-failed"),
    ],
)
def test_the_black_box_is_told_what_ended_the_connection(given: str, cause: str) -> None:
    assert moves(follow(CONNECTED).do(given)) == f"closed {cause}"

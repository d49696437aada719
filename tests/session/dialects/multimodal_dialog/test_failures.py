"""What each error of the cloud does to the turn, the connection and what comes after it."""

import pytest

from mmid.events import Error
from mmid.session.effects import Close, Emit, Next
from tests.session.dialects.multimodal_dialog.cloud_frames import output_frame, server_frame
from tests.session.dialects.multimodal_dialog.trace import (
    CONNECTED,
    REPLYING,
    TALKED,
    THINKING,
    follow,
)

# multimodal-dialog section 11: every error that ends the task.
FATAL = [
    ("421", "InvalidParameter", Next.RETRY),  # Start was in order, or it had not listened
    ("422", "DirectiveNotSupported", Next.RETRY),
    ("424", "AudioFormatError", Next.LATER),
    ("432", "AppConfigError", Next.STOP),
    ("433", "BillingAuthError", Next.HOURS),
    ("444", "ClientAudioTimeout", Next.RETRY),
    ("449", "TooManyInterrupt", Next.LATER),
    ("599", "NeverHeardOf", Next.RETRY),
]
GATEWAY = [
    ("AccessDenied.Unpurchased", Next.STOP),
    ("Model.AccessDenied", Next.STOP),
    ("ResponseTimeout", Next.RETRY),
    ("NeverHeardOf", Next.RETRY),
]


@pytest.mark.parametrize(("code", "name", "following"), FATAL)
def test_a_fatal_error_is_told_by_its_name_and_closes_the_connection(
    code: str, name: str, following: Next
) -> None:
    follow(f"""{CONNECTED}
        < fatal {code} {name} | Error {name}; stop recorder; flush player; show offline; \
close {following}: {code}
        < state Listening     |
    """)


@pytest.mark.parametrize(("code", "following"), GATEWAY)
def test_a_gateway_error_is_told_by_its_code_and_closes_the_connection(
    code: str, following: Next
) -> None:
    follow(f"""{CONNECTED}
        < task-failed {code} | Error {code}; stop recorder; flush player; show offline; \
close {following}: {code}
    """)


def test_a_failure_of_the_task_tells_the_clouds_own_words_once_even_in_mid_reply() -> None:
    rehearsal = follow(REPLYING)
    effects = rehearsal.dialect.receive_text(server_frame("fatal 444 ClientAudioTimeout"), 0.0)
    told = [e.event for e in effects if isinstance(e, Emit) and isinstance(e.event, Error)]
    assert told == [Error("ClientAudioTimeout", "so it is")]
    (close,) = [e for e in effects if isinstance(e, Close)]
    assert str(close.error) == "the cloud said ClientAudioTimeout: so it is"


def test_a_failure_before_the_first_listening_is_told_too() -> None:
    follow("""
        open                            | > Start
        < fatal 421 InvalidParameter    | Error InvalidParameter; stop recorder; flush player; \
show offline; close stop: 421
    """)


def test_what_an_error_says_is_cut_and_made_whole() -> None:
    rehearsal = follow(THINKING)
    frame = output_frame("Error", error_name="N\ud83d", error_message="\ude00" + "x" * 1_000_000)
    (told,) = [e.event for e in rehearsal.dialect.receive_text(frame, 0.0) if isinstance(e, Emit)]
    assert told == Error("N\ufffd", "\ufffd" + "x" * 1023)


TRACES = {
    "a turn error ends the turn and keeps the connection": f"""{THINKING}
        < Error 500 LLMTimeoutError | Error LLMTimeoutError; stop recorder; flush player
        < state Listening           | show listening; SpeechPrepare
        press                       | flush player; > SendSpeech; SpeechStart
    """,
    "a turn error in mid-reply silences it and closes what is open": f"""{REPLYING}
        < Error 426 InvalidTtsVoice | Error InvalidTtsVoice; stop recorder; flush player; TtsEnd
        << 8000                     | note
        speaker drained             |
        < state Listening           | show listening; SpeechPrepare
    """,
    "a turn error in mid-speech closes the microphone": f"""{CONNECTED}
        press                       | flush player; > SendSpeech; SpeechStart
        mic one                     | audio one
        < SpeechStarted             | AsrStart
        < Error 425 NoInputAudioError | Error NoInputAudioError; stop recorder; flush player; AsrEnd
        mic two                     |
        release                     |
        < state Listening           | SpeechPrepare
    """,
    "a turn error with nobody in a turn is told and nothing else": f"""{CONNECTED}
        < Error 500 LLMTimeoutError | Error LLMTimeoutError
        press                       | flush player; > SendSpeech; SpeechStart
    """,
    "a turn error without a name is told by its code": f"""{TALKED}
        < raw {{"header":{{"event":"result-generated","status_code":200}},\
"payload":{{"output":{{"event":"Error","error_code":500}}}}}} | \
Error 500; stop recorder; flush player; AsrEnd
    """,
    "a turn error without a code is told as the cloud's": f"""{TALKED}
        < raw {{"header":{{"event":"result-generated"}},\
"payload":{{"output":{{"event":"Error"}}}}}} | Error cloud; stop recorder; flush player; AsrEnd
    """,
    "five seconds after a turn error without Listening the floor is asked for": f"""{THINKING}
        < Error 500 LLMTimeoutError | Error LLMTimeoutError; stop recorder; flush player
        4.9 s later                 |
        0.1 s later                 | note; flush player; > RequestToSpeak
        < RequestAccepted           |
        < state Listening           | show listening; SpeechPrepare
    """,
    "a session that the cloud ends is a lost connection": f"""{CONNECTED}
        < Stopped | stop recorder; flush player; show offline; close retry: connection-lost
    """,
}


@pytest.mark.parametrize("behaviour", TRACES)
def test_that(behaviour: str) -> None:
    follow(TRACES[behaviour])

"""What the cloud says out of turn: unknown, malformed, late, twice, or in an odd order."""

import json

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

TRACES = {
    "an event that is not known is noted and ignored": f"""{CONNECTED}
        < VideoStarted            | note
        press                     | flush player; > SendSpeech; SpeechStart
    """,
    "many events that are not known are noted once, and counted at the end": f"""{CONNECTED}
        < VideoStarted            | note
        < VideoStarted            |
        < state Dreaming          | note; show idle
        < VideoStarted            |
        leave | stop recorder; flush player; note; show offline; > Stop; close retry
    """,
    "an event without a name is noted and ignored": f"""{CONNECTED}
        < raw {{"header":{{"event":"result-generated"}},"payload":{{"output":{{"a":1}}}}}} | note
    """,
    "the envelope's own news has no effect": f"""{CONNECTED}
        < task-started            |
        < task-finished           |
        < raw {{"header":{{"event":"result-generated"}}}} |
        < raw {{"header":{{"event":"result-generated"}},"payload":{{}}}} |
        < raw {{"header":{{"event":"never-heard-of"}}}} |
    """,
    "a state that is not known is idle, and the way out is asked for": f"""{CONNECTED}
        < state Dreaming          | note; show idle
        10 s later                | note; flush player; > RequestToSpeak
        < RequestAccepted         |
        < state Listening         | show listening; SpeechPrepare
    """,
    "a state that is not known closes a speech and its microphone": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        < SpeechStarted           | AsrStart
        < state Dreaming          | note; stop recorder; AsrEnd; show idle
        mic one                   |
        release                   |
    """,
    "a state that is not known closes a reply": f"""{REPLYING}
        < state Dreaming          | note; TtsEnd; finish player; show idle
        << 8000                   | note
    """,
    "a state before the first Listening does not make the dialog ready": """
        open                      | > Start
        < state Idle              | note
        press                     | refused NotReady
        < state Listening         | show listening; SpeechReady; SpeechPrepare
    """,
    "an unfinished turn before the first Listening does not lengthen the wait for it": """
        open                      | > Start
        < state Thinking          | note
        < state Responding        |
        << 8000                   | note
        15 s later | stop recorder; flush player; note; show offline; close retry: connection-lost
    """,
    "Listening said twice prepares twice, and is ready once": f"""{CONNECTED}
        < state Listening         | SpeechPrepare
    """,
    "Listening said again in mid-speech does not end the speech": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        < state Listening         |
        mic one                   | audio one
    """,
    "a cloud that hears the end of the speech closes the microphone": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        mic one                   | audio one
        < SpeechStarted           | AsrStart
        < SpeechEnded             | stop recorder; AsrEnd
        mic two                   |
        release                   |
        < state Thinking          | show thinking
    """,
    "a cloud that thinks in mid-speech closes the microphone": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        < state Thinking          | stop recorder; show thinking
        mic one                   |
        release                   |
    """,
    "a cloud that replies in mid-speech closes the microphone": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        < SpeechStarted           | AsrStart
        < state Responding | stop recorder; AsrEnd; show responding; TtsStart; start player
        mic one                   |
        << one                    | play one
    """,
    "the start of a speech is told once, its end only if the start was": f"""{TALKED}
        < SpeechStarted           |
        < SpeechEnded             | AsrEnd
        < SpeechEnded             |
    """,
    "a start of speech outside a speech is not told": f"""{THINKING}
        < SpeechStarted           |
        < SpeechEnded             |
    """,
    "a speech that was never said to end ends when the cloud thinks": f"""{TALKED}
        < state Thinking          | AsrEnd; show thinking
        < SpeechEnded             |
        < SpeechStarted           |
        < SpeechContent final hi  | AsrComplete hi
        < state Responding        | show responding; TtsStart; start player
    """,
    "a speech that was never said to end ends with the turn": f"""{TALKED}
        < state Listening         | AsrEnd; SpeechPrepare
    """,
    "RespondingStarted alone begins the reply": f"""{THINKING}
        < RespondingStarted       | show responding; TtsStart; start player
        < state Responding        |
        << one                    | play one
    """,
    "Responding without Thinking begins the reply": f"""{TALKED}
        < state Responding        | AsrEnd; show responding; TtsStart; start player
    """,
    "Responding said twice, or while the end plays, begins nothing anew": f"""{REPLYING}
        < state Responding        |
        < RespondingStarted       |
        < RespondingEnded         | TtsEnd; finish player
        < state Responding        |
        < RespondingStarted       |
        < RespondingEnded         |
    """,
    "a reply that the cloud thinks over again has an end before its new start": f"""{REPLYING}
        < state Thinking          | TtsEnd; finish player; show thinking
        << stale                  | note
        < state Responding        | show responding; TtsStart; start player
        << next                   | play next
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingStarted; > LocalRespondingEnded
    """,
    "a second reply without a Listening in between is played and reported like the first": f"""
        {REPLYING}
        speaker fails             |
        < RespondingEnded         | TtsEnd; > LocalRespondingEnded
        < state Responding        | TtsStart; start player
        << next                   | play next
        speaker starts            | > LocalRespondingStarted
    """,
    "a reply that ends with Listening and no RespondingEnded is played out": f"""{REPLYING}
        < state Listening         | TtsEnd; finish player; show listening; SpeechPrepare
        speaker drained           |
    """,
    "the end of a reply that never began is ignored": f"""{THINKING}
        < RespondingEnded         |
    """,
    "the reply's text is told wherever it comes, but not during the next speech": f"""{THINKING}
        < RespondingContent partial it | LlmIncomplete it
        < state Responding        | show responding; TtsStart; start player
        < RespondingEnded         | TtsEnd; finish player
        < RespondingContent final it is on | LlmComplete it is on
        < state Listening         | show listening; SpeechPrepare
        press                     | flush player; > SendSpeech; SpeechStart
        < RespondingContent final it is on |
    """,
    "what is spoken is told, or what is shown if nothing is spoken": f"""{THINKING}
        < raw {{"header":{{"event":"result-generated"}},"payload":{{"output":\
{{"event":"RespondingContent","text":"**on**","spoken":"on","finished":true}}}}}} | \
DisplayText **on**; LlmComplete on
        < raw {{"header":{{"event":"result-generated"}},"payload":{{"output":\
{{"event":"RespondingContent","text":"shown"}}}}}} | LlmIncomplete shown
    """,
    "binary frames outside a reply are noted once a turn, and dropped": """
        open                      | > Start
        << 640                    | note
        << 640 x5                 |
        < state Listening         | show listening; SpeechReady; SpeechPrepare
        << 640                    | note
        press                     | flush player; > SendSpeech; SpeechStart
        << 640                    |
        release                   | > StopSpeech
        << 640                    |
        < state Thinking          | show thinking
        << 640                    |
        < state Responding        | show responding; TtsStart; start player
        << 1                      | play 1
        << one                    | play one
        << 3201                   | play 3201
        < RespondingEnded         | TtsEnd; finish player
        << 640                    |
        speaker drained           | > LocalRespondingStarted; > LocalRespondingEnded
        << 640                    |
    """,
    "a speech that was cancelled is heard of no more": f"""{TALKED}
        < state Listening         | AsrEnd; SpeechPrepare
        < SpeechContent partial h |
        < SpeechContent final hi  |
        press                     | flush player; > SendSpeech; SpeechStart
        cancel                    | > CancelSpeech
        < SpeechStarted           |
        < SpeechContent partial h |
        < SpeechContent final hi  |
        < SpeechEnded             |
    """,
    "a question has no speech that could be heard": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        cancel                    | > CancelSpeech
        < state Listening         | SpeechPrepare
        ask what                  | flush player; > RequestToRespond prompt what
        < SpeechStarted           |
        < SpeechContent final hi  |
        < SpeechEnded             |
        < state Thinking          | show thinking
    """,
    "a heartbeat's echo is told": f"""{CONNECTED}
        < HeartBeat               | Heartbeat
    """,
    "48 s of silence are answered by a heartbeat, and 10 more end the connection": f"""{CONNECTED}
        47.9 s later              |
        0.1 s later               | > HeartBeat
        9.9 s later               |
        0.1 s later | stop recorder; flush player; show offline; close retry: connection-lost
    """,
    "a heartbeat that is answered keeps the connection": f"""{CONNECTED}
        48 s later                | > HeartBeat
        5 s later                 |
        < HeartBeat               | Heartbeat
        47.9 s later              |
        0.1 s later               | > HeartBeat
        < SpeechEnded             |
        47.9 s later              |
    """,
    "any text of the cloud breaks the silence, even nonsense": f"""{CONNECTED}
        47 s later                |
        < VideoStarted            | note
        47 s later                |
        < raw nonsense            | Error malformed-message
        47 s later                |
        1 s later                 | > HeartBeat
    """,
    "audio does not break the silence, but saves a cloud whose echo waits behind it": f"""{REPLYING}
        7.9 s later               |
        << one                    | play one
        0.1 s later               | > HeartBeat
        9.9 s later               |
        << two                    | play two
        0.1 s later               | > HeartBeat
        9 s later                 |
        < HeartBeat               | Heartbeat
    """,
    "a cloud that dies in mid-speech is noticed within 20 s": f"""{CONNECTED}
        40 s later                |
        press                     | flush player; > SendSpeech; SpeechStart
        7.9 s later               |
        0.1 s later               | > HeartBeat
        mic one                   | audio one
        9.9 s later               |
        0.1 s later | stop recorder; flush player; Error connection-lost; show offline; \
close retry: connection-lost
    """,
    "a speech that goes on is no reason to ask again and again": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        8 s later                 | > HeartBeat
        mic one                   | audio one
        1 s later                 |
        < HeartBeat               | Heartbeat
        7 s later                 |
        mic two                   | audio two
        < SpeechStarted           | AsrStart
        7.9 s later               |
    """,
    "a cloud that dies in mid-reply is an Error": f"""{REPLYING}
        8 s later                 | > HeartBeat
        10 s later | stop recorder; flush player; TtsEnd; Error connection-lost; show offline; \
close retry: connection-lost
    """,
}


@pytest.mark.parametrize("behaviour", TRACES)
def test_that(behaviour: str) -> None:
    follow(TRACES[behaviour])


# Python 3.11 reads it, and cannot write it again.
NESTED = {"commands": [{"name": "x", "params": json.loads("[" * 500 + "]" * 500)}]}

MALFORMED = {
    "not JSON": "nonsense",
    "nothing": "",
    "half a frame": '{"header":{"event":"result-generated"',
    "two frames in one": '{"header":{}}{"header":{}}',
    "an array": "[]",
    "a number": "17",
    "null": "null",
    "a number of 5000 digits": "9" * 5000,
    "no header": '{"payload":{"output":{"event":"Started"}}}',
    "a header that is text": '{"header":"result-generated"}',
    "an event that is a number": '{"header":{"event":7}}',
    "a status code that is a list": '{"header":{"event":"result-generated","status_code":[200]}}',
    "a payload that is text": '{"header":{"event":"result-generated"},"payload":"output"}',
    "an output that is a list": '{"header":{"event":"result-generated"},"payload":{"output":[1]}}',
    "a state that is a number": server_frame("state Listening").replace('"Listening"', "5"),
    "a text that is a number": server_frame("SpeechContent final hi").replace('"hi"', "5"),
    "a finished that is text": server_frame("SpeechContent final hi").replace("true", '"yes"'),
    "a dialog id that is a list": server_frame("Started d-1").replace('"d-1"', '["d-1"]'),
    "brackets without end": "[" * 100_000,
    "objects without end": '{"header":' * 100_000,
    "a dialog id of a megabyte": output_frame("Started", dialog_id="d" * 1_000_000),
    "a state of a megabyte": output_frame("DialogStateChanged", state="L" * 1_000_000),
    "a round of a megabyte": output_frame("RespondingContent", text="a", round_id="r" * 1_000_000),
    "arrays in arrays": output_frame("RespondingContent", extra_info=NESTED),
    "a failure whose code is an object": '{"header":{"event":"task-failed","error_code":{}}}',
}


@pytest.mark.parametrize("form", MALFORMED)
def test_a_malformed_message_is_told_and_survived(form: str) -> None:
    rehearsal = follow(REPLYING)
    (told,) = rehearsal.dialect.receive_text(MALFORMED[form], rehearsal.now)
    assert isinstance(told, Emit)
    assert isinstance(told.event, Error)
    assert told.event.code == "malformed-message"
    assert told.event.message.startswith("the cloud sent ")
    assert len(told.event.message) < 250, "a huge message must not become a huge Error"
    assert rehearsal.act("<< one") == "play one"


def test_more_than_ten_malformed_messages_end_the_connection() -> None:
    rehearsal = follow(CONNECTED)
    for form in list(MALFORMED)[:10]:
        effects = rehearsal.dialect.receive_text(MALFORMED[form], rehearsal.now)
        assert not any(isinstance(effect, Close) for effect in effects)
        rehearsal.act("< state Listening")
    *_, last = rehearsal.dialect.receive_text("nonsense", rehearsal.now)
    assert isinstance(last, Close)
    assert (last.error.code if last.error else "", last.next) == ("malformed-message", Next.RETRY)

"""The push-to-talk dialog as traces: what people, the board and the cloud do, and what follows."""

import random

import pytest

from mmid.session.effects import Play, SendAudio, SpeechDropped
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import server_frame
from tests.session.dialects.multimodal_dialog.trace import (
    CONNECTED,
    LOST,
    REPLYING,
    TALKED,
    THINKING,
    Rehearsal,
    dialect,
    follow,
)

# multimodal-dialog section 13, line by line: a log of the vendor's own device.
# The 8000 + 1788 bytes while Thinking are in it, and so is their number:
# 371 200 bytes of reply are 46 frames of 8000 and one of 3200.
SEED_TRACE = """
    open                                  | > Start
    < task-started                        |
    < Started d-1                         | save d-1
    < state Listening                     | show listening; SpeechReady; SpeechPrepare
    press                                 | flush player; > SendSpeech; SpeechStart
    mic what time                         | audio what time
    < SpeechStarted                       | AsrStart
    mic is it                             | audio is it
    release                               | > StopSpeech
    < SpeechContent final what time is it | AsrComplete what time is it
    < SpeechEnded                         | AsrEnd
    < state Thinking                      | show thinking
    << 8000                               | note
    << 1788                               |
    < state Responding                    | show responding; TtsStart; start player
    < RespondingStarted                   |
    << 8000                               | play 8000
    speaker starts                        | > LocalRespondingStarted
    << 8000 x45                           | play 8000 x45
    < RespondingContent final noon        | LlmComplete noon
    << 3200                               | play 3200
    < RespondingEnded                     | TtsEnd; finish player
    speaker drained                       | > LocalRespondingEnded
    < state Listening                     | show listening; SpeechPrepare
    press                                 | flush player; > SendSpeech; SpeechStart
"""


def test_the_vendors_own_push_to_talk_trace_is_followed_step_by_step() -> None:
    follow(SEED_TRACE)


TRACES = {
    "partial texts are told as they grow": f"""{TALKED}
        < SpeechContent partial turn on the   | AsrIncomplete turn on the
        < SpeechContent final turn on the lamp| AsrComplete turn on the lamp
        < SpeechEnded                         | AsrEnd
        < state Thinking                      | show thinking
        < state Responding                    | show responding; TtsStart; start player
        < RespondingContent partial it is     | LlmIncomplete it is
        < RespondingContent final it is on    | LlmComplete it is on
    """,
    "a quick press that the cloud heard nothing in ends without an Error": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        release                   | > StopSpeech
        < Error 451 NoSpeechRecognized | note; stop recorder; flush player
        < state Listening         | SpeechPrepare
        press                     | flush player; > SendSpeech; SpeechStart
    """,
    "a speech without a reply ends with the next Listening": f"""{THINKING}
        < state Listening         | show listening; SpeechPrepare
    """,
    "a cancelled speech is dropped by the cloud, and nothing more of it is sent": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        mic one                   | audio one
        < SpeechStarted           | AsrStart
        cancel                    | > CancelSpeech; AsrEnd
        mic two                   |
        release                   |
        < state Listening         | SpeechPrepare
        press                     | flush player; > SendSpeech; SpeechStart
    """,
    "a cancelled speech after which the cloud is idle waits for its Listening": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        cancel                    | > CancelSpeech
        < state Idle              | note; show idle
        < state Listening         | show listening; SpeechPrepare
    """,
    "a microphone that fails in mid-speech cancels the speech": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        mic one                   | audio one
        mic fails                 | > CancelSpeech
    """,
    "cancel and release without a speech do nothing": f"""{CONNECTED}
        cancel                    |
        release                   |
        mic one                   |
        press                     | flush player; > SendSpeech; SpeechStart
    """,
    "a second press while somebody talks is refused, and changes nothing": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        press                     | refused Busy
        ask what                  | refused Busy
        say hello                 | refused Busy
        interrupt                 |
        mic one                   | audio one
        release                   | > StopSpeech
    """,
    "before the first Listening nobody can talk or ask": """
        press                     | refused NotReady
        open                      | > Start
        press                     | refused NotReady
        < Started d-1             | save d-1
        press                     | refused NotReady
        ask what                  | refused NotReady
        say hello                 | refused NotReady
        interrupt                 | refused NotReady
        mic one                   |
        < state Listening         | show listening; SpeechReady; SpeechPrepare
        press                     | flush player; > SendSpeech; SpeechStart
    """,
    "a question in Listening is sent at once, as a prompt": f"""{CONNECTED}
        ask what time             | flush player; > RequestToRespond prompt what time
        < state Thinking          | show thinking
        < state Responding        | show responding; TtsStart; start player
    """,
    "a text to speak is sent at once, as a transcript": f"""{CONNECTED}
        say good morning          | flush player; > RequestToRespond transcript good morning
    """,
    "an empty text is refused": f"""{CONNECTED}
        ask                       | refused InvalidArgument
        say                       | refused InvalidArgument
    """,
    "an interruption with nothing to interrupt does nothing": f"""{CONNECTED}
        interrupt                 |
    """,
    "a reply without a sample still reports its start and its end": f"""{THINKING}
        < state Responding        | show responding; TtsStart; start player
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingStarted; > LocalRespondingEnded
    """,
    "a loudspeaker that pauses inside a reply is reported once": f"""{REPLYING}
        speaker starts            |
        speaker drained           |
        speaker starts            |
        < RespondingEnded         | TtsEnd; finish player
        speaker drained           | > LocalRespondingEnded
        speaker drained           |
    """,
    "a loudspeaker that fails drops the rest of the reply, and the turn ends": f"""{REPLYING}
        speaker fails             |
        << 8000                   | note
        << 8000                   |
        < RespondingEnded         | TtsEnd; > LocalRespondingEnded
        < state Listening         | show listening; SpeechPrepare
    """,
    "a loudspeaker that cannot be opened does not hold the turn": f"""{THINKING}
        < state Responding        | show responding; TtsStart; start player
        speaker fails             |
        < RespondingEnded         | TtsEnd; > LocalRespondingStarted; > LocalRespondingEnded
    """,
    "a loudspeaker that fails while it plays the end out ends the turn": f"""{REPLYING}
        < RespondingEnded         | TtsEnd; finish player
        speaker fails             | > LocalRespondingEnded
    """,
    "after a loudspeaker's failure the next reply is played again": f"""{REPLYING}
        speaker fails             |
        < RespondingEnded         | TtsEnd; > LocalRespondingEnded
        < state Listening         | show listening; SpeechPrepare
        press                     | flush player; > SendSpeech; SpeechStart
        release                   | > StopSpeech
        < state Thinking          | show thinking
        < state Responding        | show responding; TtsStart; start player
        << next                   | play next
        speaker starts            | > LocalRespondingStarted
    """,
    "leaving says Stop last": f"""{CONNECTED}
        leave                     | stop recorder; flush player; show offline; > Stop; close retry
        leave                     |
        drop                      |
    """,
    "leaving in the middle of a reply closes what is open, without an Error": f"""{REPLYING}
        leave | stop recorder; flush player; TtsEnd; show offline; > Stop; close retry
    """,
    "a connection that breaks while nobody uses it is no Error": f"""{CONNECTED}
        drop                      | stop recorder; flush player; {LOST}
        drop                      |
    """,
    "a connection that breaks in mid-speech is an Error": f"""{CONNECTED}
        press                     | flush player; > SendSpeech; SpeechStart
        < SpeechStarted           | AsrStart
        drop | stop recorder; flush player; AsrEnd; Error connection-lost; {LOST}
    """,
    "a connection that breaks in mid-reply is an Error": f"""{REPLYING}
        drop | stop recorder; flush player; TtsEnd; Error connection-lost; {LOST}
    """,
    "after the end nothing is heard, said or refused with another error": f"""{CONNECTED}
        leave                     | stop recorder; flush player; show offline; > Stop; close retry
        < state Listening         |
        < raw nonsense            |
        press                     | refused NotReady
        ask what                  | refused NotReady
        interrupt                 | refused NotReady
        release                   |
        cancel                    |
        mic one                   |
        mic fails                 |
        speaker starts            |
        speaker drained           |
        speaker fails             |
        600 s later               |
    """,
}


@pytest.mark.parametrize("behaviour", TRACES)
def test_that(behaviour: str) -> None:
    follow(TRACES[behaviour])


def test_a_dialog_is_resumed_by_its_id_and_the_clouds_answer_replaces_it() -> None:
    rehearsal = follow(
        """
        open                      | > Start
        < Started d-1             | save d-1
        < state Listening         | show listening; SpeechReady; SpeechPrepare
        """,
        dialog_id="d-0",
    )
    assert rehearsal.dialect.machine.frames.dialog_id == "d-1"


@pytest.mark.parametrize("frame", ["Started", "state Listening"])
def test_the_dialog_id_stays_if_the_cloud_names_none(frame: str) -> None:
    rehearsal = follow("open | > Start", dialog_id="d-0")
    rehearsal.act(f"< {frame}")
    assert rehearsal.dialect.machine.frames.dialog_id == "d-0"


def test_every_byte_of_a_reply_is_played_once_and_in_order() -> None:
    rehearsal = follow(THINKING)
    rehearsal.act("< state Responding")
    draw = random.Random(13)  # noqa: S311 - not a secret
    sent = [draw.randbytes(draw.choice([0, 1, 7, 640, 8000])) for _ in range(200)]
    effects = [e for data in sent for e in rehearsal.dialect.receive_binary(data, rehearsal.now)]
    assert b"".join(e.data for e in effects if isinstance(e, Play)) == b"".join(sent)


def test_the_first_sample_after_the_press_is_the_first_that_is_sent() -> None:
    rehearsal = follow(CONNECTED)
    rehearsal.act("press")
    spoken = [bytes([n]) * 640 for n in range(50)]
    effects = [
        effect for data in spoken for effect in rehearsal.dialect.record(data, rehearsal.now)
    ]
    assert effects == [SendAudio(data) for data in spoken]


def test_speech_that_waits_for_permission_is_bounded_to_five_seconds_of_the_sample_rate() -> None:
    rehearsal = Rehearsal(dialect(dialog_settings(us_sample_rate=8000)))
    for given in ("open", "< state Listening", "< state Thinking", "press"):
        rehearsal.act(given)
    second = bytes(8000 * 2)
    told = [rehearsal.dialect.record(second, rehearsal.now) for _ in range(7)]
    assert told == [[]] * 5 + [[SpeechDropped(len(second))]] * 2
    rehearsal.act("< RequestAccepted")
    effects = rehearsal.dialect.receive_text(server_frame("state Listening"), rehearsal.now)
    assert sum(len(e.data) for e in effects if isinstance(e, SendAudio)) == 5 * len(second)

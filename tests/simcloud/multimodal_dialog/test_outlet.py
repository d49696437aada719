"""What leaves the cloud when a scenario's faults strike."""

import json

import pytest

from mmid.simcloud.core.actions import SendText
from mmid.simcloud.core.scenario import Fault
from tests.simcloud.multimodal_dialog.talk import FRAME, READY, RESPOND, TASK, Talk

FAULTS: list[tuple[str, str, list[str]]] = [
    ("Start", "drop", ["drop"]),
    ("Start", "mute", []),
    ("Started", "close:1011:sorry", ["task-started", "Started", "close 1011 sorry"]),
    ("Started", "delay:50", ["task-started", "pause", "Started", "Listening"]),
    ("Started", "early-binary", ["task-started", "Started", "stray 640", "Listening"]),
    ("Started", "odd-binary", ["task-started", "Started", "stray 641", "Listening"]),
    ("Started", "invalid-utf8", ["task-started", "Started", "sendraw", "Listening"]),
    ("Started", "not-json", ["task-started", "Started", "not-json", "Listening"]),
    ("Started", "huge-text", ["task-started", "Started", "huge-text", "Listening"]),
    ("Started", "unknown-event", ["task-started", "Started", "SomethingNew", "Listening"]),
    ("Listening", "task-failed:Quota:no: more", [*READY, "error Quota", "close 1000"]),
    ("Listening", "fatal:433:Billing:no", [*READY, "error 433", "close 1000"]),
    ("Listening", "turn-error:500:X:y", [*READY, "error 500", "Listening"]),
    ("Listening", "error:451", [*READY, "error 451", "Listening"]),
    ("Listening", "error:ResponseTimeout", [*READY, "error ResponseTimeout", "close 1000"]),
    ("Start", "lose", []),
    ("Started", "lose", ["task-started", "Listening"]),
    ("Started", "repeat:2", ["task-started", *["Started"] * 3, "Listening"]),
    ("Started", "unknown-state", ["task-started", "Started", "unknown-state", "Listening"]),
    ("Started", "empty-binary", ["task-started", "Started", "stray 0", "Listening"]),
    ("Started", "half-frame", ["task-started", "Started", "sendraw", "drop"]),
    ("Started", "bad-opcode", ["task-started", "Started", "sendraw", "pause", "drop"]),
    ("Listening", "long-reason:1011", [*READY, "sendraw", "pause", "drop"]),
    ("Listening", "text-flood:7", [*READY, "7 x text-flood"]),
    ("Listening", "audio-flood:9", [*READY, "9 x stray 8000"]),
]


@pytest.mark.parametrize(("when", "do", "expected"), FAULTS)
def test_a_fault_strikes_at_its_moment(when: str, do: str, expected: list[str]) -> None:
    talk = Talk(faults=(Fault(when, do),))
    assert talk.start() == expected


def test_a_huge_text_is_larger_than_a_mebibyte() -> None:
    talk = Talk(faults=(Fault("HeartBeat", "huge-text"),))
    talk.start()
    header = {"action": "continue-task", "task_id": TASK, "streaming": "duplex"}
    frame = json.dumps({"header": header, "payload": {"input": {"directive": "HeartBeat"}}})
    sizes = [len(a.text) for a in talk.core.text(frame, talk.now) if isinstance(a, SendText)]
    assert max(sizes) > 1 << 20


def test_a_fault_counts_over_all_connections() -> None:
    talk = Talk(faults=(Fault("Listening", "drop", nth=2, times=2),))
    assert talk.start() == READY
    for _ in range(2):
        talk.again()
        assert talk.start() == [*READY, "drop"]
    talk.again()
    assert talk.start() == READY


def test_a_turn_error_forgives_what_the_client_could_not_know() -> None:
    talk = Talk(faults=(Fault("SpeechAudio", "turn-error:500:InternalAsrError:x", nth=2),))
    talk.start()
    talk.say("SendSpeech")
    talk.audio()
    assert talk.audio() == ["error 500", "heard 6400 cut", "Listening"]
    assert talk.audio() == []
    assert talk.say("StopSpeech") == []
    talk.say("SendSpeech")
    assert talk.audio() == ["SpeechStarted"]


def test_a_turn_error_in_a_reply_ends_it() -> None:
    talk = Talk(faults=(Fault("ReplyAudio", "turn-error:500:InternalLLMError:x"),))
    talk.start()
    talk.say("RequestToRespond", **RESPOND)
    assert talk.run() == [
        "Responding",
        "RespondingStarted",
        "audio 8000",
        "error 500",
        "cut",
        "Listening",
    ]


def test_a_muted_cloud_says_nothing_more() -> None:
    talk = Talk(faults=(Fault("HeartBeat", "mute"),))
    talk.start()
    assert talk.say("HeartBeat") == talk.say("HeartBeat") == []
    assert talk.audio() == []


def test_a_lost_frame_of_speech_was_not_heard() -> None:
    talk = Talk(faults=(Fault("SpeechAudio", "lose", nth=2),))
    talk.start()
    talk.say("SendSpeech")
    for _ in range(3):
        talk.audio()
    assert talk.say("StopSpeech")[0] == f"heard {2 * len(FRAME)} stop"


def test_a_lost_directive_is_not_obeyed() -> None:
    talk = Talk(faults=(Fault("RequestToSpeak", "lose"),))
    talk.start()
    assert talk.say("RequestToSpeak") == []
    assert talk.say("RequestToSpeak") == ["RequestAccepted", "Listening"]


def test_a_turn_error_at_a_directive_comes_instead_of_what_it_asks_for() -> None:
    talk = Talk(faults=(Fault("StopSpeech", "error:451"),))
    talk.start()
    talk.say("SendSpeech")
    talk.audio()
    assert talk.say("StopSpeech") == ["error 451", "heard 3200 cut", "Listening"]
    assert talk.run() == []


def test_a_lost_text_does_not_put_the_idle_limit_off() -> None:
    talk = Talk(faults=(Fault("HeartBeat", "lose"),))
    talk.start()
    limit = talk.core.deadline
    talk.now += 30
    assert talk.say("HeartBeat") == []
    assert talk.core.deadline == limit

"""The course of a dialog where a scenario, or a work mode, has it otherwise."""

import pytest

from mmid.simcloud.core.scenario import ScriptedTurn
from tests.simcloud.multimodal_dialog.talk import HEARD, READY, REPLYING, RESPOND, Talk, tone


@pytest.mark.parametrize("reply", ["five six", ""])
def test_without_a_voice_there_is_text_and_then_listening(reply: str) -> None:
    talk = Talk(turns=(ScriptedTurn(reply=reply, spoken=False),))
    talk.start()
    assert talk.say("RequestToRespond", **RESPOND) == ["Thinking"]
    trace = talk.run()
    assert trace[-1] == "Listening"
    assert not {"Responding", "RespondingStarted", "RespondingEnded"} & set(trace)
    assert ("RespondingContent five six." in trace) == bool(reply)
    assert talk.say("RequestToRespond", **RESPOND) == ["Thinking"]


def test_stale_audio_comes_around_the_permission_if_the_scenario_says_so() -> None:
    talk = Talk(stale_audio=True)
    talk.start()
    talk.say("RequestToRespond", **RESPOND)
    talk.run(lambda out: "RespondingStarted" in out)
    assert talk.say("RequestToSpeak") == [
        *("stray 8000", "RequestAccepted", "stray 8000", "Listening", "stray 4000")
    ]
    assert talk.say("RequestToSpeak") == ["RequestAccepted", "Listening"]


def test_cancel_leads_to_idle_if_the_scenario_says_so_and_the_floor_leads_back() -> None:
    talk = Talk(after_cancel="Idle")
    talk.start()
    talk.say("SendSpeech")
    talk.audio()
    assert talk.say("CancelSpeech") == ["heard 3200 cancel", "Idle"]
    assert talk.say("RequestToSpeak") == ["RequestAccepted", "Listening"]


def test_the_end_of_a_speech_may_go_without_saying() -> None:
    talk = Talk(speech_ended=False)
    talk.start()
    talk.say("SendSpeech")
    talk.audio()
    expected = [word for word in HEARD if word != "SpeechEnded"]
    assert talk.say("StopSpeech") == ["heard 3200 stop", *expected]
    assert talk.run() == REPLYING


def test_a_scenario_sets_the_pause_that_ends_a_speech() -> None:
    talk = Talk(pause_ms=200)
    talk.start(parameters__upstream__mode="tap2talk")
    talk.audio(tone(0.2))
    assert talk.audio(bytes(6400))[-1] == "Thinking"


@pytest.mark.parametrize(("interrupts", "granted"), [(1, 1), (3, 3), (0, 20)])
def test_a_scenario_sets_how_many_interruptions_are_a_storm(interrupts: int, granted: int) -> None:
    talk = Talk(interrupts=interrupts)
    talk.start()
    answers = [word for _ in range(20) for word in talk.say("RequestToSpeak")]
    assert answers.count("RequestAccepted") == granted
    assert ("error 449" in answers) == (granted < 20)


def test_in_tap_to_talk_a_cancelled_speech_is_forgotten() -> None:
    talk = Talk()
    assert talk.start(parameters__upstream__mode="tap2talk") == READY
    talk.audio(tone(0.3))
    assert talk.say("CancelSpeech") == ["heard 9600 cancel", "Listening"]
    assert talk.audio(bytes(32000)) == []
    assert talk.audio(tone(0.3))[0] == "SpeechStarted"


def test_in_duplex_a_cancelled_speech_is_no_directive() -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode="duplex")
    talk.audio(tone(0.3))
    assert talk.say("CancelSpeech")[0] == "error 421"


@pytest.mark.parametrize("mode", ["tap2talk", "duplex"])
def test_a_question_in_text_is_answered_in_every_mode(mode: str) -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode=mode)
    talk.audio(bytes(3200))
    assert talk.say("RequestToRespond", **RESPOND) == ["Thinking"]
    assert talk.run() == REPLYING


def test_in_duplex_two_speeches_follow_each_other_by_voice_alone() -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode="duplex")
    for _ in range(2):
        talk.audio(tone(0.3))
        assert talk.audio(bytes(22400))[-1] == "Thinking"
        assert "audio 8000" in talk.run(lambda out: "audio 8000" in out)
        assert talk.audio(bytes(3200)) == []  # it goes on hearing, and nothing was said
        assert talk.audio(tone(0.2))[:2] == ["cut", "Listening"]
        assert talk.audio(bytes(22400))[-1] == "Thinking"
        talk.run(lambda out: "RespondingEnded" in out)
        assert talk.say("LocalRespondingEnded") == ["Listening"]


def test_in_duplex_word_of_the_loudspeaker_may_come_turns_too_late() -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode="duplex")
    talk.audio(tone(0.3))
    talk.audio(bytes(22400))
    talk.run(lambda out: "RespondingEnded" in out)
    talk.audio(tone(0.3))  # cuts the reply that is playing
    talk.audio(bytes(22400))
    assert talk.say("LocalRespondingStarted") == []  # of the reply that was cut
    assert talk.say("LocalRespondingEnded") == []
    assert talk.run(lambda out: "Responding" in out) == ["Responding"]
    assert talk.say("LocalRespondingEnded") == []
    assert talk.run()[-1] == "whole"
    assert talk.say("LocalRespondingEnded") == ["Listening"]

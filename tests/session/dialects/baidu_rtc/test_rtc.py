"""The dialect, one input after the other: what no trace of a whole dialog has."""

from collections.abc import Callable
from math import inf
from typing import Any

import pytest

from mmid.errors import Busy, InvalidArgument, LicenseRefused, NotReady, Unsupported
from mmid.events import Command, Error, Heartbeat, LlmComplete, TtsEnd, TtsStart
from mmid.secrets import redact
from mmid.session.dialects.baidu_rtc.rtc import BaiduRtc
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import (
    Close,
    Next,
    Note,
    Play,
    SaveDialog,
    SendAudio,
    SpeechDropped,
    Unauthorized,
)
from mmid.session.endpoint import ClosedUnheard
from tests.session.dialects.baidu_rtc.connection import (
    BEGIN,
    COMING,
    DEVICE,
    END,
    FAILED,
    GONE,
    KEY,
    MUST,
    PASS,
    READY,
    SOUND,
    SPEECH,
    connection,
    opened,
    sent,
    told,
    words,
)
from tests.session.dialects.baidu_rtc.test_rules import call
from tests.simcloud.qwen_realtime.test_protocol import JPEG


def asked(dialect: BaiduRtc | None = None) -> BaiduRtc:
    """Return a dialect that has put a question in writing, at 1 s."""
    dialect = dialect or opened()
    dialect.ask("what", 1.0)
    return dialect


# --- the license --------------------------------------------------------------------------


def test_the_license_is_answered_with_the_triples_half_that_is_ours() -> None:
    (active,) = sent(connection().receive_text(MUST, 0.1))
    assert active == (f'[E]:[LIC]:[ACTIVE]:{{"devId":"{DEVICE}","uId":"user-7","licKey":"{KEY}"}}')


def test_a_refusal_is_told_with_the_reason_and_is_final() -> None:
    dialect = connection()
    dialect.receive_text(MUST, 0.1)
    effects = dialect.receive_text(f"{FAILED}device {DEVICE}\x1b has\nno license, key {KEY}", 0.2)
    (error,) = [event for event in told(effects) if isinstance(event, Error)]
    assert error.code == "license-refused"
    assert error.message.endswith(": device ki***01\\x1b has no license, key ***")
    close = effects[-1]
    assert isinstance(close, Close)
    assert isinstance(close.error, LicenseRefused)
    assert close.next is Next.STOP
    assert effects[0] == Unauthorized(close.error), "shown before it is told"
    assert dialect.receive_text(PASS, 0.3) == []


@pytest.mark.parametrize("whose", [DEVICE, KEY])
def test_what_is_cut_in_two_is_masked_all_the_same(whose: str) -> None:
    refused = told(connection().receive_text(FAILED + "x" * 250 + f" {whose}", 0.2))
    failed = told(connection().receive_text("[E]:[ERROR]:" + "x" * 1018 + f" {whose}", 0.2))
    for event in (*refused, *failed):
        assert isinstance(event, Error)
        assert whose[:4] not in event.message


def test_a_reason_without_an_end_is_cut() -> None:
    effects = connection().receive_text(FAILED + "x" * 100_000, 0.2)
    assert len(told(effects)[0].message) < 400


def test_a_refusal_in_mid_turn_ends_what_was_begun() -> None:
    dialect = asked()
    dialect.receive_text(BEGIN, 2.0)
    found = words(dialect.receive_text(FAILED, 3.0))
    assert found[1:3] == ["stop recorder", "TtsEnd"]
    assert found[-1] == "close stop license-refused"


def test_a_license_that_is_asked_for_late_must_pass_in_time() -> None:
    dialect = connection()
    dialect.receive_text(READY, 0.0)
    dialect.tick(2.0)
    dialect.receive_text(MUST, 5.0)
    assert dialect.deadline == 20.0
    assert words(dialect.tick(20.0))[-1] == "close retry connection-lost"


def test_speech_that_waits_for_a_license_is_bounded_and_the_oldest_goes() -> None:
    dialect = opened()
    dialect.machine.activation.answered = dialect.machine.activation.passed = False
    dialect.start_speech(1.0)
    dialect.receive_text(MUST, 1.0)
    effects = [effect for at in range(60) for effect in dialect.record(SPEECH, 1.0 + at / 10)]
    dropped = sum(effect.count for effect in effects if isinstance(effect, SpeechDropped))
    assert dropped == 10 * len(SPEECH)
    late = [effect for effect in dialect.receive_text(PASS, 8.0) if isinstance(effect, SendAudio)]
    assert len(late) == 50


def test_no_way_in_ends_the_attempt() -> None:
    dialect = connection()
    dialect.receive_text(MUST, 1.0)
    assert dialect.deadline == 15.0
    assert words(dialect.tick(15.0))[-1] == "close retry connection-lost"
    assert dialect.deadline == inf


def test_neither_key_nor_name_nor_picture_is_logged() -> None:
    dialect = opened()
    active = sent(connection().receive_text(MUST, 0.1))[0]
    assert KEY not in dialect.trace(active)
    assert DEVICE not in dialect.trace(active)
    assert DEVICE not in dialect.trace(f"[E]:[LIC]:[RES]:[FAILED]:{DEVICE}")
    assert KEY not in redact(f"licKey {KEY}")
    assert dialect.trace("[E]:[IMG]:AAAA") == "[E]:[IMG]:<4 characters>"
    assert dialect.trace("[Q]:hello") == "[Q]:hello"


# --- the end ------------------------------------------------------------------------------


@pytest.mark.parametrize(("again", "codes"), [(False, []), (True, ["connection-lost"])])
def test_a_connection_that_ends_without_a_word_is_told_the_second_time(
    again: bool, codes: list[str]
) -> None:
    effects = connection(again=again).closed(None, "", 0.1)
    events = told(effects)
    assert [event.code for event in events] == codes
    assert all("baidu.app_id" in event.message and event.remedy for event in events)
    assert isinstance(effects[-1], Close)
    assert isinstance(effects[-1].error, ClosedUnheard)


def test_a_connection_that_breaks_after_a_word_is_an_ordinary_loss() -> None:
    dialect = connection()
    dialect.receive_text(READY, 0.1)
    effects = dialect.closed(1001, "bye", 0.2)
    assert isinstance(effects[-1], Close)
    assert not isinstance(effects[-1].error, ClosedUnheard)


def test_lost_in_mid_turn_the_missing_ends_are_told_and_then_the_error() -> None:
    dialect = asked()
    dialect.receive_text("[A]:[M]:it is", 2.0)
    dialect.receive_text(BEGIN, 2.0)
    assert words(dialect.closed(None, "", 3.0)) == [
        "stop recorder",
        "LlmComplete it is",
        "TtsEnd",
        "Error connection-lost the connection broke: the rest of the reply is lost ",
        "close retry connection-lost",
    ]
    talking = opened("duplex")
    talking.receive_text("[E]:[VOICE_COMING]", 1.0)
    assert words(talking.closed(None, "", 3.0))[1:3] == [
        "AsrEnd",
        "Error connection-lost the connection broke: what was said is lost ",
    ]


def test_an_instance_for_another_work_mode_is_not_talked_over() -> None:
    dialect = connection("push2talk", made_for="duplex")
    assert words(dialect.begin(0.0))[-1] == "close retry"


def test_after_the_end_nothing_is_done() -> None:
    dialect = opened()
    assert words(dialect.end(1.0)) == ["stop recorder", "close retry"]
    assert dialect.end(1.0) == dialect.closed(None, "", 1.0) == []
    assert dialect.receive_text(MUST, 1.0) == dialect.receive_binary(SOUND, 1.0) == []
    with pytest.raises(NotReady):
        dialect.interrupt(1.0)


def test_a_pong_is_a_heartbeat() -> None:
    assert told(opened().pong(1.0)) == [Heartbeat()]


# --- what means nothing -------------------------------------------------------------------


def test_what_is_not_known_is_counted_and_costs_one_line() -> None:
    dialect = opened()
    effects = [effect for _ in range(1000) for effect in dialect.receive_text("[E]:[NEW]", 1.0)]
    effects += dialect.receive_binary(b"\xa5" * 8, 1.0)
    assert [type(effect) for effect in effects] == [Note]
    assert dialect.machine.ignored == 1001


def test_a_stray_binary_is_no_sound_of_a_reply() -> None:
    dialect = asked()
    dialect.receive_text(BEGIN, 2.0)
    assert not [e for e in dialect.receive_binary(b"\xa5" * 8, 2.0) if isinstance(e, Play)]


def test_the_marker_before_some_sound_is_taken_off_and_half_samples_are_joined() -> None:
    dialect = asked()
    dialect.receive_text(BEGIN, 2.0)
    marked = b"[A]:[PCM]:[RAW]:16000:1:16:0:0:0:" + SOUND[:-1]
    effects = dialect.receive_binary(marked, 2.0) + dialect.receive_binary(b"\0" + SOUND, 2.0)
    heard = [effect.data for effect in effects if isinstance(effect, Play)]
    assert b"".join(heard) == SOUND + SOUND
    assert all(len(data) % 2 == 0 for data in heard)


def played(effects: list[Any]) -> int:
    return sum(len(effect.data) for effect in effects if isinstance(effect, Play))


def test_sound_that_no_voice_follows_soon_is_bounded_and_forgotten() -> None:
    dialect = opened()
    for _ in range(100):
        assert dialect.receive_binary(bytes(3200), 1.0) == []
    assert played(dialect.receive_text(BEGIN, 1.5)) == 64 * 1024 // 3200 * 3200
    late = opened()
    late.receive_binary(SOUND, 1.0)
    assert played(late.receive_text(BEGIN, 2.1)) == 0


def test_of_a_reply_that_waits_for_the_one_before_as_much_is_kept_as_a_player_keeps() -> None:
    dialect = asked()
    for text in (BEGIN, END, BEGIN):
        dialect.receive_text(text, 2.0)
        dialect.receive_binary(SOUND, 2.0)
    assert dialect.machine.stage is TurnStage.PLAYING
    for _ in range(5):
        dialect.receive_binary(bytes(1 << 20), 2.0)
    kept = played(dialect.playback_finished(3.0))
    assert 3 << 20 < kept <= 4 << 20


def test_packets_stay_as_they_are_however_short() -> None:
    dialect = opened(upstream_mode="raw-opus", downstream_mode="raw-opus")
    asked(dialect)
    assert dialect.receive_binary(b"\xa5" * 8, 1.5) == [
        Note("the cloud said something that mmid does not know or take; it is counted from here on")
    ]
    dialect.receive_text(BEGIN, 2.0)
    assert Play(b"\xf8\xff\xfe") in dialect.receive_binary(b"\xf8\xff\xfe", 2.0)
    assert dialect.speech_frame(b"abc") == b"abc"


@pytest.mark.parametrize(("rate_hz", "shortest"), [(16_000, 640), (8_000, 320)])
def test_a_frame_of_samples_is_20_ms_at_least(rate_hz: int, shortest: int) -> None:
    dialect = connection(us_sample_rate=rate_hz, ds_sample_rate=rate_hz)
    assert dialect.speech_frame(b"\1\0") == b"\1\0" + bytes(shortest - 2)
    assert len(dialect.speech_frame(bytes(3200))) == 3200


# --- what people want ---------------------------------------------------------------------


def test_texts_leave_fewer_than_ten_a_second_and_too_many_are_refused() -> None:
    dialect = opened()
    texts = [text for _ in range(3) for text in sent(dialect.ask("what", 5.0))]
    texts += [text for _ in range(6) for text in sent(dialect.say("yes", 5.1))]
    assert len(texts) == 9
    with pytest.raises(Busy):
        _say_for_ever(dialect, 5.2)
    for wish in (dialect.start_speech, dialect.interrupt):
        with pytest.raises(Busy):
            wish(5.2)
    with pytest.raises(Busy):  # before the microphone is opened
        dialect.check_speech()
    assert dialect.machine.stage is TurnStage.THINKING
    assert dialect.deadline == 6.0
    later = [len(sent(dialect.tick(at))) for at in (6.0, 6.5, 7.05, 8.1, 9.2)]
    assert max(later) <= 9
    assert sum(later) >= 32


@pytest.mark.parametrize("wild", [lambda n: f"[Q]:{n}", lambda n: call(f"s{n}")])
def test_a_service_gone_wild_is_not_answered_without_end(wild: Callable[[int], str]) -> None:
    dialect = opened()
    for number in range(100):
        dialect.receive_text(wild(number), 5.0)
    assert len([text for at in range(6, 30) for text in sent(dialect.tick(float(at)))]) <= 32


def _say_for_ever(dialect: BaiduRtc, now: float) -> None:
    while True:
        dialect.say("yes", now)


def test_what_needs_a_listening_cloud_is_refused_before() -> None:
    dialect = connection()
    wishes: list[Callable[[], Any]] = [
        dialect.check_speech,
        lambda: dialect.ask("what", 0.1),
        lambda: dialect.interrupt(0.1),
        lambda: dialect.tool_result("s", "{}", 0.1),
        lambda: dialect.update_info(0.1, images=[JPEG]),
    ]
    for wish in wishes:
        with pytest.raises(NotReady):
            wish()


def test_what_this_cloud_cannot_do_is_said() -> None:
    dialect = opened("duplex")
    with pytest.raises(Unsupported):
        dialect.check_speech()
    wishes: list[Callable[[], Any]] = [
        lambda: dialect.ask("what", 1.0, biz_params={"a": 1}),
        lambda: dialect.ask("what", 1.0, images=[JPEG]),
        lambda: dialect.update_info(1.0, images=[JPEG]),
    ]
    for wish in wishes:
        with pytest.raises(Unsupported):
            wish()
    assert dialect.machine.stage is TurnStage.LISTENING


def test_nobody_asks_while_somebody_talks() -> None:
    dialect = opened()
    dialect.start_speech(1.0)
    with pytest.raises(Busy):
        dialect.ask("what", 1.0)
    with pytest.raises(Busy):
        dialect.say("yes", 1.0)


def test_a_picture_answers_a_wish_once_and_is_of_no_other_turn() -> None:
    dialect = asked()
    assert told(dialect.receive_text("[E]:[UPLOAD_IMAGE]", 2.0)) == [Command("upload_image", "[]")]
    with pytest.raises(InvalidArgument):
        dialect.ask("", 2.1, images=[JPEG, JPEG])
    texts = sent(dialect.ask("what is it?", 2.2, images=[JPEG]))
    picture, question = texts
    assert picture.startswith("[E]:[IMG]:/9j/")
    assert question == "[T]:what is it?"
    with pytest.raises(Unsupported):
        dialect.ask("", 2.3, images=[JPEG])
    dialect.receive_text("[E]:[UPLOAD_IMAGE]", 3.0)
    dialect.ask("another", 4.1)
    with pytest.raises(Unsupported):
        dialect.ask("", 4.2, images=[JPEG])


@pytest.mark.parametrize(
    "cut",
    [
        lambda dialect: dialect.interrupt(3.0),
        lambda dialect: dialect.receive_text("[E]:[MODEL]:[ERROR]:busy", 3.0),
        lambda dialect: dialect.tick(62.0),
    ],
    ids=["interrupted", "an error", "given up"],
)
def test_a_turn_that_was_cut_wants_no_picture_any_more(cut: Callable[[BaiduRtc], Any]) -> None:
    dialect = asked()
    dialect.receive_text("[E]:[UPLOAD_IMAGE]", 2.0)
    cut(dialect)
    assert dialect.machine.stage is TurnStage.LISTENING
    with pytest.raises(Unsupported):
        dialect.ask("", 63.0, images=[JPEG])


def test_a_wish_for_a_picture_that_comes_behind_an_interruption_is_none() -> None:
    dialect = asked()
    dialect.interrupt(2.0)
    assert dialect.receive_text("[E]:[UPLOAD_IMAGE]", 2.1) == []
    with pytest.raises(Unsupported):
        dialect.ask("", 2.2, images=[JPEG])


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ('{"warm":true}', r'"result":"ok","message":"{\"warm\":true}"'),
        ('{"error":"no"}', r'"result":"error","message":"{\"error\":\"no\"}"'),
        ("", '"result":"ok"'),
    ],
)
def test_a_function_is_answered_under_its_id_once(result: str, says: str) -> None:
    dialect = asked()
    (command,) = told(dialect.receive_text(call("s1"), 2.0))
    assert command.name == "tool_call"
    assert told(dialect.receive_text(call("s1"), 2.0)) == []
    assert sent(dialect.tool_result("s1", result, 3.0)) == [f'[F]:{{"session_id":"s1",{says}}}']
    with pytest.raises(InvalidArgument):
        dialect.tool_result("s1", result, 3.0)


@pytest.mark.parametrize("wish", [call("s1"), "[E]:[UPLOAD_IMAGE]"], ids=["call", "picture"])
def test_a_wish_of_the_cloud_shows_that_a_question_without_a_final_was_understood(
    wish: str,
) -> None:
    dialect = opened()
    dialect.start_speech(1.0)
    dialect.record(SPEECH, 1.0)
    dialect.receive_text("[Q]:[M]:what", 1.5)
    dialect.stop_speech(2.0)
    assert "AsrEnd" in words(dialect.receive_text(wish, 3.0))
    assert dialect.machine.stage is TurnStage.THINKING
    assert dialect.machine.stage_deadline == 63.0, "not the 15 s that a question may take"


@pytest.mark.parametrize("mode", ["push2talk", "duplex"])
def test_a_function_that_answers_after_the_reply_has_another_reply_awaited(mode: str) -> None:
    dialect = asked(opened(mode))
    for text in (BEGIN, call("s1"), END):
        dialect.receive_text(text, 2.0)
    dialect.playback_finished(2.0)
    assert dialect.machine.stage is TurnStage.LISTENING
    if mode == "duplex":  # but not where somebody talks meanwhile
        dialect.receive_text("[E]:[VOICE_COMING]", 2.5)
    assert sent(dialect.tool_result("s1", "{}", 3.0))
    awaits = TurnStage.LISTENING if mode == "duplex" else TurnStage.THINKING
    assert dialect.machine.stage is awaits


def test_a_picture_that_is_shown_after_the_reply_has_another_reply_awaited() -> None:
    dialect = asked()
    for text in (BEGIN, "[E]:[UPLOAD_IMAGE]", END):
        dialect.receive_text(text, 2.0)
    dialect.playback_finished(2.0)
    assert dialect.machine.stage is TurnStage.LISTENING
    assert sent(dialect.ask("", 3.0, images=[JPEG]))
    assert (dialect.machine.stage, dialect.deadline) == (TurnStage.THINKING, 63.0)


@pytest.mark.parametrize(
    ("wish", "grant"),
    [
        (call("s1"), lambda dialect: dialect.tool_result("s1", "{}", 3.0)),
        ("[E]:[UPLOAD_IMAGE]", lambda dialect: dialect.ask("", 3.0, images=[JPEG])),
    ],
    ids=["a call", "a picture"],
)
def test_a_cloud_whose_wish_was_granted_has_its_whole_time_to_reply(
    wish: str, grant: Callable[[BaiduRtc], Any]
) -> None:
    dialect = asked()
    dialect.receive_text(wish, 2.0)
    grant(dialect)
    assert (dialect.machine.stage, dialect.deadline) == (TurnStage.THINKING, 63.0)


def test_a_function_of_a_turn_that_was_interrupted_is_not_answered() -> None:
    dialect = asked()
    dialect.receive_text(call("s1"), 2.0)
    dialect.interrupt(3.0)
    with pytest.raises(InvalidArgument):
        dialect.tool_result("s1", "{}", 4.0)
    assert dialect.deadline == inf


def test_a_result_that_is_longer_than_a_message_is_refused_and_a_shorter_one_awaited() -> None:
    dialect = asked()
    dialect.receive_text(call("s1"), 2.0)
    with pytest.raises(InvalidArgument, match="16384 bytes"):
        dialect.tool_result("s1", "x" * 16_385, 3.0)
    assert sent(dialect.tool_result("s1", "x" * 16_384, 4.0))


def test_a_function_has_30_s_and_more_than_eight_are_not_told() -> None:
    dialect = asked()
    found = [told(dialect.receive_text(call(f"s{number}"), 2.0)) for number in range(10)]
    assert [len(events) for events in found] == [1] * 8 + [0] * 2
    assert dialect.deadline == 32.0
    effects = dialect.tick(32.0)
    assert [event.code for event in told(effects)] == ["tool"] * 8


def test_an_error_of_the_cloud_ends_what_it_was_asked_and_leaves_a_reply_alone() -> None:
    error = "[E]:[MODEL]:[ERROR]:busy"
    dialect = asked()
    assert words(dialect.receive_text(error, 2.0))[-1] == "SpeechPrepare"
    speaking = asked()
    speaking.receive_text(BEGIN, 2.0)
    assert len(words(speaking.receive_text(error, 3.0))) == 1


def test_the_devices_name_is_masked_in_whatever_the_cloud_says_of_an_error_or_an_end() -> None:
    (error,) = told(opened().receive_text(f"[E]:[ERROR]:{DEVICE} is busy", 2.0))
    assert error.message == "[E]:[ERROR]:ki***01 is busy"
    close = opened().closed(1008, f"too many of {DEVICE}", 2.0)[-1]
    assert isinstance(close, Close)
    assert str(close.error).endswith("too many of ki***01")


def test_an_error_and_the_conversations_id_are_heard_before_the_way_in_is_open() -> None:
    dialect = connection()
    assert [event.code for event in told(dialect.receive_text("[E]:[ERROR]:busy", 0.1))] == [
        "cloud"
    ]
    assert dialect.receive_text("[E]:[CONID]:7", 0.1) == [SaveDialog("7", resumable=False)]
    assert dialect.receive_text("[A]:hello", 0.1) == [
        Note("the cloud said something that mmid does not know or take; it is counted from here on")
    ]


def test_the_conversations_id_is_shown_and_not_kept() -> None:
    assert opened().receive_text("[E]:[CONID]:4711", 1.0) == [SaveDialog("4711", resumable=False)]


@pytest.mark.parametrize(
    ("mode", "question", "answer"),
    [("both", "what", True), ("asr", "what", False), ("llm", "", True), ("none", "", False)],
)
def test_texts_that_nobody_wants_are_not_told(mode: str, question: str, answer: bool) -> None:
    dialect = opened(text_mode=mode)
    dialect.start_speech(1.0)
    dialect.record(SPEECH, 1.0)
    dialect.stop_speech(2.0)
    effects = dialect.receive_text("[Q]:what", 3.0)
    effects += dialect.receive_text("[A]:it", 3.0)
    effects += dialect.receive_text(BEGIN, 3.0) + dialect.receive_text(END, 3.0)
    assert f"AsrComplete {question}" in words(effects)
    assert (LlmComplete("it") in told(effects)) is answer


def test_a_question_that_nobody_wants_to_read_is_known_again_and_cuts_no_reply() -> None:
    dialect = opened("duplex", text_mode="llm")
    dialect.receive_text("[Q]:what", 1.0)
    dialect.receive_text(BEGIN, 1.5)
    assert words(dialect.receive_text("[Q]:what", 1.6)) == []
    assert dialect.machine.stage is TurnStage.RESPONDING


def test_a_loudspeaker_that_fails_lets_the_next_reply_be_heard() -> None:
    dialect = asked()
    dialect.receive_text(BEGIN, 2.0)
    dialect.playback_failed(2.1)
    assert not [e for e in dialect.receive_binary(SOUND, 2.2) if isinstance(e, Play)]
    assert words(dialect.receive_text(END, 2.3)) == ["TtsEnd", "SpeechPrepare"]
    asked(dialect)
    dialect.receive_text(BEGIN, 3.0)
    assert Play(SOUND) in dialect.receive_binary(SOUND, 3.1)


def test_a_reply_whose_text_came_while_another_was_heard_is_heard_to_its_end() -> None:
    dialect = asked()
    dialect.receive_text(BEGIN, 2.0)
    dialect.receive_binary(SOUND, 2.1)
    dialect.receive_text(END, 2.2)
    dialect.receive_text("[A]:[M]:and", 2.3)
    dialect.playback_finished(2.4)
    assert TtsStart() in told(dialect.receive_text(BEGIN, 2.5))
    assert Play(SOUND) in dialect.receive_binary(SOUND, 2.6)
    assert TtsEnd() in told(dialect.receive_text(END, 2.7))


def test_a_speech_whose_end_the_cloud_heard_is_followed_by_silence() -> None:
    dialect = opened("tap2talk")
    dialect.start_speech(3.0)
    dialect.receive_text(COMING, 3.1)
    dialect.receive_text(GONE, 3.2)
    assert "audio" in words(dialect.tick(3.3))


@pytest.mark.parametrize("codec", ["pcm", "raw-opus"])
def test_no_silence_passes_what_waits_for_the_license(codec: str) -> None:
    dialect = connection("tap2talk", upstream_mode=codec, downstream_mode=codec)
    dialect.receive_text(READY, 0.1)
    dialect.tick(2.2)
    dialect.start_speech(3.0)
    dialect.receive_text(MUST, 3.1)
    dialect.record(SPEECH, 3.2)
    dialect.stop_speech(3.3)
    assert "audio" not in words(dialect.tick(3.4))
    first, *_, last = [e for e in dialect.receive_text(PASS, 3.5) if isinstance(e, SendAudio)]
    assert first.data == SPEECH != last.data


def test_in_duplex_a_voice_goes_on_with_a_spoken_question_and_interrupts_a_written_one() -> None:
    spoken = opened("duplex")
    spoken.receive_text("[Q]:what", 1.0)
    assert words(spoken.receive_text("[E]:[VOICE_COMING]", 50.0)) == []
    assert (spoken.machine.stage, spoken.deadline) == (TurnStage.THINKING, 110.0)
    written = asked(opened("duplex"))
    assert words(written.receive_text("[E]:[VOICE_COMING]", 2.0)) == ["SpeechRestart", "AsrStart"]


def test_in_duplex_no_reply_begins_while_somebody_talks() -> None:
    dialect = opened("duplex")
    dialect.receive_text("[E]:[VOICE_COMING]", 1.0)
    assert dialect.receive_text(BEGIN, 3.0) == dialect.receive_binary(SOUND, 3.0) == []


def test_of_two_beginnings_soon_after_an_interruption_the_second_is_of_the_next_reply() -> None:
    dialect = asked()
    dialect.interrupt(2.0)
    dialect.ask("another", 2.0)
    assert words(dialect.receive_text(BEGIN, 2.1)) == []
    assert words(dialect.receive_text(BEGIN, 2.2)) == ["TtsStart", "start player"]


def test_in_duplex_a_voice_that_was_none_is_forgotten() -> None:
    dialect = opened("duplex")
    dialect.receive_text("[E]:[VOICE_COMING]", 1.0)
    assert dialect.deadline == 16.0
    assert words(dialect.tick(16.0)) == ["AsrEnd"]


def test_in_duplex_the_microphone_is_opened_again_after_it_failed() -> None:
    dialect = opened("duplex")
    dialect.recorder_failed(1.0)
    assert words(dialect.tick(6.0)) == ["start recorder"]

"""The service as tables of traces: what goes in, what must come out."""

import json
from typing import Any

import pytest

from mmid.simcloud.baidu_rtc.vocabulary import RtcTurn
from mmid.simcloud.core.codecs import ReplyFormat, encode
from mmid.simcloud.core.scenario import Fault, ScriptedTurn
from tests.simcloud.baidu_rtc.talk import (
    BEGIN,
    END,
    MUST,
    PASS,
    PUSH_TO_TALK,
    READY,
    REPLY,
    SPEAKING,
    START,
    STOP,
    Talk,
    active,
)
from tests.simcloud.qwen_realtime.talk import tone

ASKED = ["[Q]:one two three four"]
TALKING_OVER = ("[SET]:[AUTO_INT]:[TRUE]",)


def said(**turn: Any) -> tuple[ScriptedTurn, ...]:
    """Return the usual turn with a table of its own."""
    own = (RtcTurn(**turn),)
    return (
        ScriptedTurn(transcript="one two three four", reply="five six seven eight", tables=own),
    )


@pytest.mark.parametrize(
    ("must", "first", "later"),
    [
        ("first", [MUST, READY], []),
        ("second", [READY, MUST], []),
        ("late", [READY], [MUST]),
        ("never", [READY], []),
    ],
)
def test_ready_and_the_licence_come_in_every_order(
    must: str, first: list[str], later: list[str]
) -> None:
    talk = Talk(must=must)
    assert talk.run(1.0) == first
    assert talk.run(3.0) == later
    if must != "never":
        assert talk.send(active()) == []
        assert talk.run() == [PASS]
    assert talk.refusals == []


def test_push_to_talk_follows_the_documented_trace() -> None:
    talk = Talk()
    assert talk.open(*PUSH_TO_TALK) == []
    assert talk.send(START) == []
    assert talk.speak(1.0) == ["[Q]:[M]:one", "[Q]:[M]:one two"]
    assert talk.send(STOP) == ["heard 32000 stop", *ASKED]
    assert talk.run() == SPEAKING
    assert talk.refusals == []


def test_continuous_recognition_hears_by_itself_where_a_speech_is() -> None:
    talk = Talk(turns=said(continued="and five"))
    talk.open(*TALKING_OVER)
    assert talk.speak(0.5, loudness=0) == []
    assert talk.speak(0.5) == ["[E]:[VOICE_COMING]", "[Q]:[M]:one", "[Q]:[M]:one two"]
    ended = talk.speak(0.7, loudness=0)
    assert ended == [
        "[Q]:[M]:one two three",
        "[E]:[VOICE_DISAPPEAR]",
        "heard 54400 silence",
        *ASKED,
        "[Q]:[C]:and five",
    ]
    assert talk.run() == SPEAKING
    assert talk.refusals == []


@pytest.mark.parametrize(
    ("rules", "trace"),
    [
        ({}, ["[E]:[VOICE_COMING]", END, "cut"]),
        ({"interrupt_end": False}, ["[E]:[VOICE_COMING]", "cut"]),
        ({"stale_audio": True}, ["[E]:[VOICE_COMING]", "stray 1280", END, "cut"]),
    ],
)
def test_a_voice_cuts_the_reply_that_it_talks_over(rules: dict[str, Any], trace: list[str]) -> None:
    talk = Talk(pace=1.0, **rules)
    talk.open(*TALKING_OVER)
    talk.speak(0.5)
    talk.speak(0.7, loudness=0)
    talk.run(0.35)
    assert talk.audio(tone(0.1)) == trace
    assert talk.run() == []


def test_without_barge_in_nobody_listens_during_a_reply() -> None:
    talk = Talk(pace=1.0)
    talk.open("[SET]:[AUTO_INT]:[FALSE]")
    talk.speak(0.5)
    talk.speak(0.7, loudness=0)
    talk.run(0.35)
    assert talk.audio(tone(0.1)) == []
    assert talk.send("[B]") == [END, "cut"]
    assert talk.audio(tone(0.1)) == ["[E]:[VOICE_COMING]"]


@pytest.mark.parametrize("message", ["[B]", "[B]:"])
def test_a_reply_is_interrupted_before_the_next_press(message: str) -> None:
    talk = Talk(pace=1.0)
    talk.open(*PUSH_TO_TALK)
    talk.press()
    talk.run(0.35)
    assert talk.send(message) == [END, "cut"]
    assert talk.press() == ["heard 6400 stop", *ASKED]
    assert talk.refusals == []


def test_a_press_that_was_cancelled_has_no_reply() -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK)
    talk.press()
    assert talk.send("[B]") == []
    assert talk.run() == []


def test_of_a_press_too_short_nothing_is_understood_and_nothing_said() -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK)
    assert [*talk.send(START), *talk.audio(tone(0.02)), *talk.send(STOP)] == ["heard 640 too short"]
    assert talk.run() == []


def without(*words: str) -> list[str]:
    return [word for word in SPEAKING if word not in words]


FINAL, FIRST = "[A]:five six seven eight", "audio 3200"


@pytest.mark.parametrize(
    ("rules", "trace"),
    [
        ({"final": "none"}, without(FINAL)),
        ({"final": "early"}, [FINAL, *without(FINAL)]),
        ({"end": False}, without(END)),
        ({"begin": "late"}, [*SPEAKING[1:3], BEGIN, *SPEAKING[3:]]),
        ({"odd_audio": True}, [word.replace("3200", "2867") for word in without("audio 1280")]),
    ],
)
def test_replies_take_the_liberties_of_the_scenario(
    rules: dict[str, Any], trace: list[str]
) -> None:
    talk = Talk(**rules)
    talk.open(*PUSH_TO_TALK)
    talk.press()
    got = talk.run()
    assert [word for word in got if word != "audio 1946"] == trace


def test_a_reply_comes_in_deltas_with_a_marker_and_a_transcript_with_a_suffix() -> None:
    suffix = "|||[name]:1&[emotion]:calm&[score]:0.9"
    talk = Talk(delta=True, marker=True, suffix=suffix)
    talk.open(*PUSH_TO_TALK)
    assert talk.press()[-1] == f"[Q]:one two three four{suffix}"
    interim = [word for word in talk.run() if word.startswith("[A]:[M]")]
    assert interim == ["[A]:[M]:five", "[A]:[M]: six", "[A]:[M]: seven", "[A]:[M]: eight"]
    assert {head.count(b":") for head in talk.heads} == {9}


@pytest.mark.parametrize(
    ("turn", "trace"),
    [
        ({"question": "none"}, []),
        ({"question": "twice"}, [*ASKED, "[Q]:[C]:one two three four"]),
    ],
)
def test_a_final_transcript_is_missing_or_there_twice(
    turn: dict[str, Any], trace: list[str]
) -> None:
    talk = Talk(turns=said(**turn))
    talk.open(*PUSH_TO_TALK)
    assert talk.press()[1:] == trace
    assert talk.run() == SPEAKING


def test_a_filler_goes_before_the_reply_and_is_no_part_of_it() -> None:
    talk = Talk(turns=said(hint="let me see"))
    talk.open(*PUSH_TO_TALK)
    talk.press()
    assert talk.run() == ["[A]:[H]:let me see", *SPEAKING]


def test_a_greeting_is_spoken_before_any_turn() -> None:
    talk = Talk(greeting="five six seven eight")
    talk.open(*PUSH_TO_TALK)
    assert talk.run() == SPEAKING


def test_typed_text_is_answered_and_text_to_speak_is_spoken() -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK)
    assert talk.send("[T]:[E]:[LIC]:hello") == []
    assert talk.run() == SPEAKING
    talk.send("[TTS]:five six seven eight")
    assert talk.run() == SPEAKING
    assert talk.refusals == []


def test_the_reply_waits_for_the_picture_that_was_asked_for() -> None:
    talk = Talk(turns=said(picture=True))
    talk.open(*PUSH_TO_TALK)
    assert talk.press()[-1] == "[E]:[UPLOAD_IMAGE]"
    assert talk.run(9.0) == []
    assert talk.send("[E]:[IMG]:AAAA") == []
    assert talk.run() == SPEAKING
    assert talk.told("image") == [{"bytes": 3}]
    talk.press()
    assert talk.run(11.0) == SPEAKING  # nobody took one
    talk.send("[E]:[IMG]:AAAA")
    assert talk.refusals == ["a picture, but UPLOAD_IMAGE asked for none"]


@pytest.mark.parametrize("old", [False, True])
def test_the_reply_waits_for_what_functions_return(old: bool) -> None:
    calls = ({"name": "lamp", "id": "call-1", "arguments": {"on": True, "room": "hall"}},)
    turn = ScriptedTurn(transcript="one", reply="five six seven eight", tool_calls=calls)
    talk = Talk(turns=(turn,), old_calls=old)
    talk.open(*PUSH_TO_TALK)
    prefix, _, body = talk.press()[-1].partition("]:{")
    assert prefix == ("[F]:[C" if old else "[F")
    call = json.loads("{" + body)
    assert call["session_id"] == "call-1"
    parameters = [{"on": True}, {"room": "hall"}]
    assert json.loads(call["content"]) == {"function_name": "lamp", "parameter_list": parameters}
    assert talk.run(30.0) == []
    result = '[F]:{"session_id":"call-1","result":"ok","message":"lit"}'
    assert talk.send(result) == []
    assert talk.run() == SPEAKING
    talk.send(result)
    assert talk.refusals == ["[F] with a session_id that waits for no answer"]


def test_nobody_waits_any_more_for_what_an_interrupted_turn_had_asked_for() -> None:
    calls = ({"name": "lamp", "id": "call-1"},)
    talk = Talk(turns=(ScriptedTurn(tool_calls=calls),))
    talk.open(*PUSH_TO_TALK)
    talk.press()
    talk.send("[B]")
    talk.send('[F]:{"session_id":"call-1","result":"ok"}')
    assert talk.refusals == ["[F] with a session_id that waits for no answer"]
    assert talk.run() == []


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (active(), "a second ACTIVE"),
        (START, "a press in a press"),
        (f"{START}:", "a press in a press"),
        ("[SET]:[DEVICE_INFO]:{}", "a second"),
        ("[SET]:[AUTO_INT]:true", "takes"),
        ("[T]:", "without a text"),
        ("[TTS]:", "without a text"),
        ("[T]:a\nb", "control characters"),
        ("[T]:" + "x" * 20_000, "16384 bytes"),
        ("[F]:7", "only the keys"),
        ("[F]:{", "not JSON"),
        ('[F]:{"session_id":"x","result":"fine"}', "ok or error"),
        ('[F]:{"session_id":"x","result":"ok"}', "waits for no answer"),
        ("[E]:[IMG]:AAAA", "asked for none"),
        ("[E]:[LIC]:[RES]:[PASS]:", "no message of the protocol"),
        ("hello", "no message of the protocol"),
        ('{"type":"hello"}', "no message of the protocol"),
    ],
)
def test_what_a_client_may_not_say_is_in_the_journal(message: str, refusal: str) -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK, START)
    assert talk.refusals == []
    talk.send(message)
    assert len(talk.refusals) == 1
    assert refusal in talk.refusals[0]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        '{"devId":"d","licKey":"k"}',
        '{"devId":"d","uId":"u","licKey":"k","extra":"e"}',
        '{"deviceId":"d","uId":"u","licenseKey":"k"}',
        '{"devId":"","uId":"u","licKey":"k"}',
        '{"devId":7,"uId":"u","licKey":"k"}',
        '{"devId":"d","uId":"u","licKey":"\\ud800"}',
        "[" * 5000,
    ],
)
def test_active_has_exactly_its_keys_and_nothing_is_activated_otherwise(body: str) -> None:
    talk = Talk()
    talk.run(1.0)
    assert talk.send(f"[E]:[LIC]:[ACTIVE]:{body}") == []
    assert talk.run() == []
    assert len(talk.refusals) == 1
    assert talk.book.used == 0


def test_nothing_is_heard_before_the_connection_is_open() -> None:
    talk = Talk(must="second", pass_ms=1000)
    talk.send(active())
    talk.run(0.5)
    talk.audio(tone(0.1))
    talk.send("[B]")
    talk.send(active())
    talk.audio(tone(0.1))
    talk.run()
    talk.send("[B]")
    talk.audio(tone(0.1))
    assert talk.refusals == [
        "ACTIVE, but there was no MUST",
        *["the connection is not open: READY, and PASS or a while without MUST"] * 2,
        "the licence has not passed",
        "[B] before [SET]:[DEVICE_INFO]",
        "audio before [SET]:[DEVICE_INFO]",
    ]


def test_a_licence_that_has_passed_is_not_enough_without_ready() -> None:
    talk = Talk()
    talk.run(0.0)
    talk.now -= 0.1
    assert talk.send(active()) == []
    assert talk.run(0.0) == [PASS]
    talk.send("[B]")
    assert len(talk.refusals) == 1


def test_who_never_answers_must_is_not_heard() -> None:
    for must, until in (("first", 2.0), ("second", 2.0), ("late", 5.0)):
        talk = Talk(must=must)
        talk.run(until)
        talk.send("[SET]:[DEVICE_INFO]:{}")
        talk.audio(tone(0.1))
        assert talk.refusals == ["MUST was not answered"] * 2


def test_after_a_late_must_the_client_holds_its_audio() -> None:
    talk = Talk(must="late", pass_ms=500)
    talk.run(1.5)
    talk.send("[SET]:[DEVICE_INFO]:{}")
    talk.audio(tone(0.1))
    assert talk.run(2.0) == [MUST]
    talk.audio(tone(0.1))  # it may not have read it
    assert talk.refusals == []
    talk.send(active())
    talk.audio(tone(0.1))
    assert talk.refusals == ["the licence has not passed"]
    assert talk.run(1.0) == [PASS]
    talk.audio(tone(0.1))
    assert len(talk.refusals) == 1


@pytest.mark.parametrize("size", [0, 8, 639, 641, 6402])
def test_a_binary_that_is_no_audio_is_in_the_journal(size: int) -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK, START)
    talk.audio(bytes(size))
    assert talk.refusals == [f"a binary frame of {size} bytes; samples of 20 to 200 ms"]


def test_audio_belongs_to_a_press_and_to_the_mode_of_the_instance() -> None:
    talk = Talk(long_audio=True)
    talk.open()
    talk.audio(tone(0.1))
    talk.send(PUSH_TO_TALK[0])
    talk.audio(tone(0.1))
    talk.send(STOP)
    assert talk.refusals == [
        "continuous audio, but the instance is for push-to-talk",
        "audio, but nobody presses",
        "a release, but nobody presses",
    ]
    other = Talk(long_audio=False)
    other.open()
    other.send(START)
    other.send(PUSH_TO_TALK[0])
    other.send(START)
    assert other.refusals == [
        "a press, but recognition is continuous",
        "a press, but the instance has asr_long_audio_mode false",
    ]


def test_a_press_into_a_reply_needs_an_interruption() -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK)
    talk.press()
    talk.send(START)
    assert talk.refusals == ["a press into a reply, without [B] before it"]


def test_eleven_messages_in_a_second_are_too_many() -> None:
    talk = Talk()
    talk.open()
    talk.run(1.0)
    for _ in range(11):
        talk.send("[B]")
        talk.now -= 0.05
    assert talk.refusals == ["more than 10 messages a second"]


def test_a_url_that_opens_nothing_breaks_without_a_word() -> None:
    talk = Talk(wrong="id is of no instance")
    assert talk.run() == ["1006"]
    assert talk.refusals == ["id is of no instance"]


def test_the_service_keeps_alive_with_binaries_that_are_no_audio() -> None:
    talk = Talk(keepalive_ms=500)
    assert talk.run(1.2) == [MUST, READY, "stray 8", "stray 8"]


def test_side_channels_and_nonsense_are_said_where_the_scenario_wants_it() -> None:
    say = Fault("[Q]", "say:[E]:[CONID]:42"), Fault("ReplyAudio", "binary:8", nth=2)
    talk = Talk(*say)
    talk.open(*PUSH_TO_TALK)
    assert talk.press()[-1] == "[E]:[CONID]:42"
    assert talk.run().count("stray 8") == 1


def test_opus_crosses_the_wire_as_bare_packets() -> None:
    form = ReplyFormat("raw-opus", 16_000, 20, 24)
    packets = encode(tone(0.5), form)
    talk = Talk(form=form)
    talk.open(*PUSH_TO_TALK, START)
    for packet in packets:
        talk.audio(packet)
    heard = talk.send(STOP)[0].split()
    assert heard[0] == "heard"
    assert abs(int(heard[1]) - 16_000) < 2000
    frames = [word for word in talk.run() if word.startswith("audio")]
    assert len(frames) == len(encode(REPLY, form))
    talk.send(START)
    talk.audio(b"")
    talk.audio(b"\xff")
    assert len(talk.refusals) == 1


def test_a_lost_connection_leaves_its_speech_in_the_journal() -> None:
    talk = Talk()
    talk.open(*PUSH_TO_TALK, START)
    talk.audio(tone(0.1))
    assert talk.leave() == ["heard 3200 lost"]

"""The protocol core, as tables of traces: what goes in, what must come out."""

import json
import math
from typing import Any

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.actions import CloseSocket, JournalLine, SendText
from mmid.simcloud.core.scenario import ScriptedTurn
from tests.simcloud.multimodal_dialog.talk import (
    FRAME,
    HEARD,
    READY,
    REPLY,
    REPLYING,
    RESPOND,
    SAY,
    TASK,
    Talk,
    short,
    start_payload,
    tone,
)


def test_push_to_talk_follows_the_published_trace() -> None:
    talk = Talk()
    assert talk.start() == READY
    assert talk.say("SendSpeech") == []
    assert talk.audio() == ["SpeechStarted"]
    assert talk.audio() + talk.audio() == []
    assert talk.audio() == ["SpeechContent one"]
    assert talk.say("StopSpeech") == ["heard 12800 stop", *HEARD]
    assert talk.run() == REPLYING
    assert talk.say("LocalRespondingStarted") == []
    assert talk.say("LocalRespondingEnded") == ["Listening"]
    assert talk.say("Stop") == ["Stopped", "task-finished", "close 1000"]
    assert talk.say("HeartBeat") == []


def test_text_frames_have_the_lengths_of_the_published_log() -> None:
    talk = Talk()
    header = {"action": "run-task", "task_id": TASK, "streaming": "duplex"}
    frame = json.dumps({"header": header, "payload": start_payload()})
    texts = [a.text for a in talk.core.text(frame, talk.now) if isinstance(a, SendText)]
    assert [len(text) for text in texts] == [109, 192, 223]


def test_a_given_dialog_is_resumed_and_a_foreign_one_refused() -> None:
    talk = Talk()
    old = "11111111-2222-3333-4444-555555555555"
    talk.start(input__dialog_id=old)
    for own in (old, "", None):
        assert talk.say("HeartBeat", dialog_id=own) == ["HeartBeat"]
    assert talk.say("HeartBeat", dialog_id=old[::-1])[0] == "error 421"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("transcript", ["SpeechContent one two three four."]),
        ("dialog", [line for line in REPLYING if line.startswith("RespondingContent")]),
        ("", []),
    ],
)
def test_only_the_texts_that_were_asked_for_are_sent(texts: str, expected: list[str]) -> None:
    talk = Talk()
    talk.start(parameters__downstream__intermediate_text=texts)
    talk.say("SendSpeech")
    talk.audio()
    trace = talk.say("StopSpeech") + talk.run()
    assert [line for line in trace if "Content" in line] == expected


def test_incremental_texts_add_up_to_the_reply() -> None:
    talk = Talk()
    talk.start(parameters__downstream__incremental_response=True)
    talk.say("RequestToRespond", type="prompt", text="x", dialog_id=None)
    texts = [line[18:] for line in talk.run() if line.startswith("RespondingContent")]
    assert len(texts) == 4
    assert "".join(texts) == SAY.reply + "."


def test_rate_limit_spreads_the_reply_over_time() -> None:
    talk = Talk(pace=0.0, thinking_ms=0)
    talk.start(parameters__downstream__transmit_rate_limit=10_000)
    talk.say("RequestToRespond", type="prompt", text="", dialog_id=None)
    began = talk.now
    trace = talk.run()
    assert talk.now - began == pytest.approx(len(REPLY) / 10_000)
    assert trace.count("audio 1000") == 20


def test_request_to_respond_speaks_a_transcript_or_asks_the_model() -> None:
    talk = Talk()
    talk.start()
    assert talk.say("RequestToRespond", type="transcript", text="hi", dialog_id=None) == [
        "Thinking"
    ]
    assert "RespondingContent hi." in talk.run()
    talk.say("LocalRespondingEnded")
    assert talk.say("RequestToRespond", type="prompt", text="", dialog_id=None) == ["Thinking"]
    assert talk.run() == REPLYING


def test_request_to_speak_cuts_the_reply_and_listens() -> None:
    talk = Talk()
    talk.start()
    talk.say("RequestToRespond", type="prompt", text="", dialog_id=None)
    talk.run(lambda out: "audio 8000" in out)
    assert talk.say("RequestToSpeak") == ["cut", "RequestAccepted", "Listening"]
    assert talk.run() == []
    assert talk.say("RequestToSpeak") == ["RequestAccepted", "Listening"]
    assert talk.say("LocalRespondingEnded")[0] == "error 421"


def test_cancel_speech_drops_it_and_listens() -> None:
    talk = Talk()
    talk.start()
    talk.say("SendSpeech")
    talk.audio()
    assert talk.say("CancelSpeech") == ["heard 3200 cancel", "Listening"]
    assert talk.say("SendSpeech") == []


def test_a_quick_press_is_no_speech_and_the_dialog_goes_on() -> None:
    talk = Talk()
    talk.start()
    talk.say("SendSpeech")
    talk.audio(FRAME[:3198])
    assert talk.say("StopSpeech") == ["heard 3198 too-short", "error 451", "Listening"]
    assert talk.say("SendSpeech") == []


def test_tap_to_talk_hears_the_end_of_the_speech_itself() -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode="tap2talk")
    assert talk.audio(bytes(3200)) == []
    assert talk.audio(tone(0.5)) == ["SpeechStarted", "SpeechContent one"]
    assert talk.audio(bytes(22080)) == ["SpeechContent one two", "SpeechContent one two three"]
    assert talk.audio(bytes(320)) == [f"heard {3200 + 16000 + 22400} silence", *HEARD]
    assert talk.audio(tone(0.5)) == []  # a voice cannot interrupt here
    assert talk.run() == REPLYING
    assert talk.say("SendSpeech")[0] == "error 421"


def test_in_duplex_a_voice_interrupts_and_silence_does_not() -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode="duplex")
    talk.audio(tone(0.2))
    talk.audio(bytes(22400))
    talk.run(lambda out: "audio 8000" in out)
    assert talk.audio(bytes(3200)) == []
    assert talk.audio(tone(0.1)) == ["cut", "Listening", "SpeechStarted"]
    assert talk.say("LocalRespondingEnded") == []  # sent before the client could know


def test_commands_travel_as_a_json_string() -> None:
    command = {"name": "VOLUME_SET", "params": [{"name": "series", "normValue": "70"}]}
    talk = Talk(turns=(ScriptedTurn(commands=(command,)),), pace=0.0)
    talk.start()
    talk.say("RequestToRespond", type="prompt", text="", dialog_id=None)
    last: dict[str, Any] = {}
    while talk.core.deadline < talk.now + 1:
        talk.now = max(talk.now, talk.core.deadline)
        for action in talk.core.tick(talk.now):
            if isinstance(action, SendText) and action.name == "RespondingContent":
                last = json.loads(action.text)["payload"]["output"]
    assert json.loads(last["extra_info"]["commands"]) == [command]


def test_stray_audio_comes_while_thinking_if_the_scenario_says_so() -> None:
    talk = Talk(stray_audio=True)
    talk.start()
    trace = talk.say("RequestToRespond", type="prompt", text="", dialog_id=None)
    assert trace == ["Thinking", "stray 8000", "stray 1788"]


@pytest.mark.parametrize(
    ("mode", "directives", "expected"),
    [
        ("push2talk", [], "task-failed ResponseTimeout"),
        ("push2talk", ["SendSpeech"], "Error ClientAudioTimeout"),
        ("tap2talk", [], "Error ClientAudioTimeout"),
        ("duplex", [], "Error ClientAudioTimeout"),
    ],
)
def test_silence_has_a_limit(mode: str, directives: list[str], expected: str) -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode=mode)
    for name in directives:
        talk.say(name)
    began, talk.now = talk.now, talk.core.deadline
    assert talk.now - began == (60 if "Response" in expected else 20)
    sent = [a for a in talk.core.tick(talk.now) if isinstance(a, SendText)]
    assert expected.split(maxsplit=1)[0] == sent[0].name
    assert expected.split()[1] in sent[0].text
    assert talk.core.deadline == math.inf


def test_a_heartbeat_puts_the_idle_limit_off_and_audio_does_not() -> None:
    talk = Talk()
    talk.start(parameters__upstream__mode="tap2talk")
    limit = talk.now + 60
    for _ in range(5):
        talk.now += 10
        talk.audio(bytes(3200))
    assert talk.core.deadline == limit
    talk.say("HeartBeat")
    assert talk.core.deadline == talk.now + 20  # now the audio rule is the nearer one


def test_reply_audio_does_not_put_the_idle_limit_off() -> None:
    talk = Talk(thinking_ms=0)
    texts = {"intermediate_text": "", "transmit_rate_limit": 100, "sample_rate": 24000}
    talk.start(parameters__downstream=texts)
    talk.say("RequestToRespond", **RESPOND)
    began = talk.now
    assert talk.run()[-2:] == ["error ResponseTimeout", "close 1000"]
    assert talk.now - began == 60


def test_a_storm_of_interruptions_is_refused() -> None:
    talk = Talk()
    talk.start()
    for _ in range(5):
        talk.now += 0.39
        assert talk.say("RequestToSpeak") == ["RequestAccepted", "Listening"]
    assert talk.say("RequestToSpeak") == ["error 449", "close 1000"]


def test_calm_interruptions_are_not() -> None:
    talk = Talk()
    talk.start()
    for _ in range(12):
        talk.now += 0.41
        assert talk.say("RequestToSpeak") == ["RequestAccepted", "Listening"]


WRONG_ORDERS: list[tuple[str, list[tuple[str, dict[str, Any]] | bytes], str]] = [
    ("audio without SendSpeech", [FRAME], "error 421"),
    ("StopSpeech without SendSpeech", [("StopSpeech", {})], "error 421"),
    ("SendSpeech twice", [("SendSpeech", {}), ("SendSpeech", {})], "error 421"),
    ("SendSpeech in Thinking", [("RequestToRespond", RESPOND), ("SendSpeech", {})], "error 421"),
    ("ask in Thinking", [("RequestToRespond", RESPOND)] * 2, "error 421"),
    ("ask in a speech", [("SendSpeech", {}), ("RequestToRespond", RESPOND)], "error 421"),
    ("ask without dialog_id", [("RequestToRespond", {"type": "prompt", "text": ""})], "error 421"),
    ("ask without text", [("RequestToRespond", {**RESPOND, "text": None})], "error 421"),
    ("ask of another type", [("RequestToRespond", {**RESPOND, "type": "song"})], "error 421"),
    ("played when nothing was", [("LocalRespondingStarted", {})], "error 421"),
    ("played out when nothing was", [("LocalRespondingEnded", {})], "error 421"),
    ("cancel in Thinking", [("RequestToRespond", RESPOND), ("CancelSpeech", {})], "error 421"),
    ("unknown directive", [("Sing", {})], "error 422"),
    ("half a sample", [("SendSpeech", {}), b"\x00" * 321], "error 424"),
    ("text where an object should be", [("UpdateInfo", {"dialog_id": 7})], "error 421"),
]


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [case[1:] for case in WRONG_ORDERS],
    ids=[case[0] for case in WRONG_ORDERS],
)
def test_a_wrong_order_is_refused_with_its_reason(
    inputs: list[tuple[str, dict[str, Any]] | bytes], expected: str
) -> None:
    talk = Talk()
    talk.start()
    for item in inputs:
        out = talk.audio(item) if isinstance(item, bytes) else talk.say(item[0], **item[1])
    assert expected in out
    assert out[-1] == "close 1000"


def test_played_out_before_the_reply_has_ended_is_refused() -> None:
    talk = Talk()
    talk.start()
    talk.say("RequestToRespond", **RESPOND)
    talk.run(lambda out: "audio 8000" in out)
    assert talk.say("LocalRespondingStarted") == []
    assert talk.say("LocalRespondingEnded")[0] == "error 421"


def test_nothing_but_start_comes_first_and_start_only_once() -> None:
    assert Talk().say("HeartBeat")[0] == "error 421"
    assert Talk().audio()[0] == "error 421"
    talk = Talk()
    talk.start()
    assert talk.start()[0] == "error 421"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"input__app_id": None}, "input.app_id is missing"),
        ({"input__app_id": "mm_0"}, "app_id"),
        ({"input__workspace_id": None}, "workspace_id is missing"),
        ({"input__workspace_id": "llm-x"}, "Model.AccessDenied"),
        ({"input__dialog_id": "short"}, "dialog_id"),
        ({"model": None}, "payload.model"),
        ({"task_group": "x"}, "payload.task_group"),
        ({"parameters": None}, "payload.parameters is missing"),
        ({"parameters__upstream": []}, "must be dict, not list"),
        ({"parameters__upstream__type": None}, "upstream.type is missing"),
        ({"parameters__upstream__mode": "shout"}, "allowed: push2talk, tap2talk, duplex"),
        ({"parameters__upstream__sample_rate": 44100}, "allowed: 8000, 16000"),
        ({"parameters__upstream__sample_rate": True}, "must be int, not bool"),
        ({"parameters__upstream__audio_format": "opus"}, "AudioFormatError"),
        ({"parameters__downstream__sample_rate": "24000"}, "must be int, not str"),
        ({"parameters__downstream__audio_format": "wav"}, "allowed: pcm, opus, mp3, raw-opus"),
        ({"parameters__downstream__volume": 101}, "0 to 100"),
        ({"parameters__downstream__intermediate_text": "all"}, "intermediate_text"),
        ({"parameters__client_info": None}, "client_info is missing"),
        ({"parameters__client_info": {}}, "client_info.user_id is missing"),
        ({"parameters__client_info__user_id": "x" * 37}, "1 to 36 characters"),
        ({"parameters__client_info__signature": {"timestamp": 1}}, "signature.timestamp"),
    ],
)
def test_a_wrong_start_is_refused_and_the_field_named(changes: dict[str, Any], word: str) -> None:
    talk = Talk()
    header = {"action": "run-task", "task_id": TASK, "streaming": "duplex"}
    frame = json.dumps({"header": header, "payload": start_payload(**changes)})
    text, close = [a for a in talk.core.text(frame, talk.now) if not isinstance(a, JournalLine)]
    assert isinstance(text, SendText)
    assert word in text.text
    assert close == CloseSocket(1000)


def test_a_reply_that_cannot_be_played_is_told_at_start() -> None:
    talk = Talk()

    def voice(_turn: ScriptedTurn, rate_hz: int) -> bytes:
        raise SettingsInvalid(f"reply.wav: not {rate_hz} Hz")

    talk.script.voice = voice
    assert talk.start() == ["error 432", "close 1000"]


def test_an_empty_dialog_id_starts_a_new_dialog() -> None:
    assert Talk().start(input__dialog_id="") == READY


def test_a_license_token_implies_the_workspace() -> None:
    assert Talk(licensed=True).start(input__workspace_id=None) == READY


RIGHT = {"action": "run-task", "task_id": TASK, "streaming": "duplex"}


@pytest.mark.parametrize(
    "frame",
    [
        [],
        None,
        {"header": {}, "payload": []},
        {"header": RIGHT, "payload": {}},
        {"header": RIGHT, "payload": {"input": {"directive": 5}}},
        {"header": {**RIGHT, "task_id": "abc"}, "payload": start_payload()},
        {"header": {**RIGHT, "task_id": None}, "payload": start_payload()},
        {"header": {**RIGHT, "streaming": "simplex"}, "payload": start_payload()},
        {"header": {**RIGHT, "action": "continue-task"}, "payload": start_payload()},
    ],
)
def test_a_wrong_envelope_fails_the_task(frame: object) -> None:
    assert Talk().frame(frame) == ["error InvalidParameter", "close 1000"]


def test_text_that_is_not_json_fails_the_task() -> None:
    talk = Talk()
    assert short(talk.core.text("hello", talk.now)) == ["error InvalidParameter", "close 1000"]
    talk = Talk()
    assert short(talk.core.text("[" * 100_000, talk.now))[0] == "error InvalidParameter"


def test_another_task_id_later_fails_the_task() -> None:
    talk = Talk()
    talk.start()
    header = {"action": "continue-task", "task_id": TASK[::-1], "streaming": "duplex"}
    frame = {"header": header, "payload": {"input": {"directive": "HeartBeat"}}}
    assert talk.frame(frame)[0] == "error InvalidParameter"


def test_a_lost_connection_still_accounts_for_the_speech() -> None:
    talk = Talk()
    talk.start()
    talk.say("SendSpeech")
    talk.audio()
    assert short(talk.core.lost(talk.now)) == ["heard 3200 lost"]

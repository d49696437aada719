"""What a text frame is taken for, and that nothing anybody says is taken for a command."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import InvalidArgument
from mmid.session.dialects.baidu_rtc import client_messages
from mmid.session.dialects.baidu_rtc.messages import Said, parse, parse_call

# The sheet's spellings, with and without what may be behind them.
SPELLINGS = {
    "[E]:[LIC]:[MUST]:license is required": (Said.MUST, "license is required"),
    "[E]:[LIC]:[RES]:[PASS]:": (Said.PASS, ""),
    "[E]:[LIC]:[RES]:[FAILED]:no: none left": (Said.FAILED, "no: none left"),
    "[E]:[MEDIA]:[READY]:1": (Said.READY, "1"),
    "[E]:[MEDIA]:[READY]": (Said.READY, ""),
    "[Q]:hello": (Said.QUESTION, "hello"),
    "[Q]:[M]:hel": (Said.QUESTION_SO_FAR, "hel"),
    "[Q]:[C]:hello": (Said.QUESTION_GOES_ON, "hello"),
    "[Q]:[M]:[C]:hel": (Said.QUESTION_GOES_ON_SO_FAR, "hel"),
    "[Q]:hello|||[name]:N&[emotion]:E&[score]:1": (Said.QUESTION, "hello"),
    "[Q]:a ||| b": (Said.QUESTION, "a ||| b"),
    "[A]:a [link](x): b\nc": (Said.ANSWER, "a [link](x): b\nc"),
    "[A]:[M]:a": (Said.ANSWER_SO_FAR, "a"),
    "[A]:[H]:hm": (Said.HINT, "hm"),
    "[E]:[TTS_BEGIN_SPEAKING]": (Said.TTS_BEGIN, ""),
    "[E]:[TTS_END_SPEAKING]:": (Said.TTS_END, ""),
    "[E]:[VOICE_COMING]": (Said.VOICE_COMING, ""),
    "[E]:[VOICE_DISAPPEAR]": (Said.VOICE_DISAPPEAR, ""),
    "[E]:[INT_WORD_HIT]:stop": (Said.INTERRUPTED, "stop"),
    "[E]:[CONID]:4711": (Said.CONVERSATION, "4711"),
    "[F]:[C]:{}": (Said.CALL, "{}"),
    "[E]:[MODEL]:[ERROR]:busy": (Said.ERROR, "[E]:[MODEL]:[ERROR]:busy"),
}
QUESTIONS = {
    Said.QUESTION,
    Said.QUESTION_SO_FAR,
    Said.QUESTION_GOES_ON,
    Said.QUESTION_GOES_ON_SO_FAR,
}
ANSWERS = {Said.ANSWER, Said.ANSWER_SO_FAR, Said.HINT}
COMMANDS = {
    "[E]:[UPLOAD_IMAGE]": ("upload_image", []),
    "[E]:[PLAY_AUDIO]:https://x/y": ("play_audio", [("url", "https://x/y")]),
    '[E]:[TAG_MSG]:"((CUSTOM:a))"': ("tag", [("text", '"((CUSTOM:a))"')]),
    "[E]:[CMD]:[REMOTE_PLAYER]:[PAUSE]": ("remote_player_pause", []),
    "[E]:[REMOTE_PLAYER_BEGIN]": ("remote_player_begin", []),
    '[E]:[DC]:{"intent":1}': ("dc", [("json", '{"intent":1}')]),
    "[S]:ok": ("status", [("text", "ok")]),
    '[C]:{"a":1}': ("custom", [("json", '{"a":1}')]),
    '{"type":"x"}': ("custom", [("json", '{"type":"x"}')]),
}


@pytest.mark.parametrize(("text", "means"), SPELLINGS.items(), ids=SPELLINGS)
def test_each_message_is_known_by_how_it_begins(text: str, means: tuple[Said, str]) -> None:
    message = parse(text)
    assert message is not None
    assert (message.said, message.text) == means


@pytest.mark.parametrize(("text", "means"), COMMANDS.items(), ids=COMMANDS)
def test_side_channels_are_commands(text: str, means: tuple[str, list[tuple[str, str]]]) -> None:
    message = parse(text)
    assert message is not None
    params = [{"name": name, "value": value} for name, value in means[1]]
    assert (message.said, message.command) == (Said.COMMAND, means[0])
    assert json.loads(message.params) == params


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[E]:[BEGIN_SPEAKING]", "[E]:[AGENTID]:1", "[X]:y", " [Q]:x", "[q]:x", "{"],
)
def test_what_is_not_known_is_nothing(text: str) -> None:
    assert parse(text) is None


@given(st.text(), st.sampled_from([*SPELLINGS, *COMMANDS, "[M]:", "[C]:", "[M]:[C]:", "[H]:"]))
def test_nothing_that_a_person_says_is_taken_for_another_message(said: str, message: str) -> None:
    for before in ("[Q]:[M]:[C]:", "[A]:[M]:", "[A]:[H]:"):
        taken, plain = parse(f"{before}{message}{said}"), parse(before)
        assert taken is not None
        assert plain is not None
        assert taken.said is plain.said
    # Behind the shorter ones "[M]:" is of the protocol: a text that begins so is a part, no more.
    for before, family in (("[Q]:", QUESTIONS), ("[A]:", ANSWERS)):
        taken = parse(f"{before}{message}{said}")
        assert taken is not None
        assert taken.said in family


@given(st.text())
def test_any_text_is_read_without_a_word(text: str) -> None:
    parse(text)
    parse_call(text)


def test_a_message_with_a_bite_out_of_it_is_read_without_a_word() -> None:
    draw = Random(1)  # noqa: S311 - not a secret
    for text in [*SPELLINGS, *COMMANDS]:
        for _ in range(50):
            start, end = sorted((draw.randrange(len(text) + 1), draw.randrange(len(text) + 1)))
            parse(text[:start] + draw.choice(["", ":", "[", "]:", "\0", "|||[", "é"]) + text[end:])


def test_a_text_that_has_no_end_is_cut() -> None:
    message = parse("[Q]:" + "x" * 1_000_000)
    assert message is not None
    assert len(message.text) == 65536
    side = parse("[S]:" + "x" * 1_000_000)
    assert side is not None
    assert len(side.params) < 17_000


@pytest.mark.parametrize("begins", ['[C]:{"a":"', '{"type":"', "[E]:[PLAY_AUDIO]:https://x/"])
def test_what_is_worth_nothing_when_it_is_cut_is_not_passed_on(begins: str) -> None:
    assert parse(begins + "x" * 16_300) is not None
    assert parse(begins + "x" * 16_384) is None


# --- functions ----------------------------------------------------------------------------


def of(content: object, session_id: object = "s1") -> str:
    return json.dumps({"session_id": session_id, "content": json.dumps(content)})


def test_a_call_has_an_id_a_name_and_the_arguments_of_all_its_parameters() -> None:
    found = parse_call(
        of({"function_name": "lamp", "parameter_list": [{"on": True}, {"room": "h"}]})
    )
    assert found is not None
    assert found.session_id == "s1"
    assert json.loads(found.params) == [
        {"name": "id", "value": "s1"},
        {"name": "function", "value": "lamp"},
        {"name": "arguments", "value": '{"on":true,"room":"h"}'},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"session_id":"s","content":7}',
        '{"session_id":"s","content":"no JSON"}',
        of([]),
        of({"function_name": 7}),
        of({"function_name": ""}),
        of({"function_name": "lamp"}, ""),
        of({"function_name": "lamp"}, 7),
        of({"function_name": "lamp"}, "s" * 129),
        of({"function_name": "lamp", "parameter_list": {"on": 1}}),
        of({"function_name": "lamp", "parameter_list": [1]}),
        of({"function_name": "lamp", "parameter_list": [{"x": "y" * 20_000}]}),
        '{"session_id":"s","content":"' + "[" * 500 + '"}',
        '{"session_id":"s","content":"{\\"function_name\\":NaN}"}',
    ],
)
def test_what_is_no_call_is_none(text: str) -> None:
    assert parse_call(text) is None


# --- what we say --------------------------------------------------------------------------

# Whatever begins another message, or a line of its own.
HOSTILE = "[E]:[LIC]:[ACTIVE]:{}\r\n[B]\x00\x1b[31m\u2028[T]:\x85x"


@pytest.mark.parametrize(
    ("write", "prefix"), [(client_messages.question, "[T]:"), (client_messages.speak, "[TTS]:")]
)
def test_what_a_program_wants_said_is_text_on_one_line(write: object, prefix: str) -> None:
    assert callable(write)
    line = write(HOSTILE)
    assert line == f"{prefix}[E]:[LIC]:[ACTIVE]:{{}} [B] [31m [T]: x"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_text_has_a_second_line(text: str) -> None:
    try:
        line = client_messages.question(text)
    except InvalidArgument:
        return
    assert line.startswith("[T]:")
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("text", ["", " \n", "x" * 16385, "é" * 8193])
def test_a_text_that_is_none_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        client_messages.question(text)


def test_a_picture_that_is_too_large_is_refused() -> None:
    assert client_messages.picture(b"\xff\xd8") == "[E]:[IMG]:/9g="
    with pytest.raises(InvalidArgument):
        client_messages.picture(bytes(190 * 1024 + 1))


def test_the_license_is_shown_with_exactly_these_keys_on_one_line() -> None:
    line = client_messages.active("d", "u\n1", "k")
    assert line == '[E]:[LIC]:[ACTIVE]:{"devId":"d","uId":"u\\n1","licKey":"k"}'

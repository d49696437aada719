"""Whole dialogs, as section 6 has them, in every order that they may come in: a table each.

A step is what happens and what is to come of it, in words; ``connection`` makes the words.
"""

from collections.abc import Callable
from itertools import permutations

import pytest

from mmid.session.dialects.baidu_rtc.rtc import BaiduRtc
from mmid.session.effects import Effects
from tests.session.dialects.baidu_rtc.connection import (
    BEGIN,
    COMING,
    END,
    GONE,
    MUST,
    PASS,
    READY,
    SOUND,
    SPEECH,
    connection,
    opened,
    words,
)

# What happens -> what is to come of it.
Steps = list[tuple[str, list[str]]]

DEVICE_INFO, ACTIVE = "[SET]:[DEVICE_INFO]", "[E]:[LIC]:[ACTIVE]"
START, STOP = "[E]:[CMD]:[ASR_START_LONGTEXT_REC]", "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]"
LISTENS = ["SpeechReady", "SpeechPrepare"]
PUSH_OPENS = [
    DEVICE_INFO,
    "[E]:[CMD]:[ASR_DISABLE_REALTIME]",
    "[SET]:[AUTO_INT]:[FALSE]",
    *LISTENS,
]


def play(dialect: BaiduRtc, steps: Steps, now: float = 1.0) -> None:
    """Let the steps happen, 0.2 s apart, and compare."""
    for what, expected in steps:
        now += 0.2
        assert words(happen(dialect, what, now)) == expected, what


# What happens in a word -> the input that it is.
INPUTS: dict[str, Callable[[BaiduRtc, str, float], Effects]] = {
    "press": lambda dialect, _, now: dialect.start_speech(now),
    "record": lambda dialect, _, now: dialect.record(SPEECH, now),
    "release": lambda dialect, _, now: dialect.stop_speech(now),
    "cancel": lambda dialect, _, now: dialect.cancel_speech(now),
    "interrupt": lambda dialect, _, now: dialect.interrupt(now),
    "ask": lambda dialect, text, now: dialect.ask(text, now),
    "say": lambda dialect, text, now: dialect.say(text, now),
    "sound": lambda dialect, _, now: dialect.receive_binary(SOUND, now),
    "heard": lambda dialect, _, now: dialect.playback_finished(now),
    "wait": lambda dialect, seconds, now: dialect.tick(now + float(seconds)),
}


def happen(dialect: BaiduRtc, what: str, now: float) -> Effects:
    """Let one thing happen; what is no word of ours, the cloud says."""
    word, _, more = what.partition(" ")
    if word in INPUTS:
        return INPUTS[word](dialect, more, now)
    return dialect.receive_text(what, now)


# --- the way in ---------------------------------------------------------------------------

WAYS_IN: dict[str, Steps] = {
    "must first": [(MUST, [ACTIVE]), (READY, []), (PASS, ["authorized", *PUSH_OPENS])],
    "ready first": [(READY, []), (MUST, [ACTIVE]), (PASS, ["authorized", *PUSH_OPENS])],
    "ready last": [(MUST, [ACTIVE]), (PASS, ["authorized"]), (READY, PUSH_OPENS)],
    "nobody asks": [(READY, []), ("wait 2", PUSH_OPENS)],
    "pass unasked": [(READY, []), (PASS, PUSH_OPENS)],
    "pass unasked, and then asked": [
        (PASS, []),
        (MUST, [ACTIVE]),
        (READY, []),
        (PASS, ["authorized", *PUSH_OPENS]),
    ],
    "asked again": [(MUST, [ACTIVE]), (MUST, []), (READY, []), (PASS, ["authorized", *PUSH_OPENS])],
    "ready again": [(READY, []), (READY, []), ("wait 1.7", PUSH_OPENS)],
    "spelt otherwise": [
        ("[E]:[LIC]:[MUST]", [ACTIVE]),
        ("[E]:[MEDIA]:[READY]", []),
        ("[E]:[LIC]:[RES]:[PASS]", ["authorized", *PUSH_OPENS]),
    ],
    "a greeting tells nothing while the license is looked at": [
        (READY, []),
        (MUST, [ACTIVE]),
        (BEGIN, []),
        (PASS, ["authorized", *PUSH_OPENS]),
    ],
    "a greeting tells that nobody will ask": [
        (READY, []),
        (BEGIN, [*PUSH_OPENS, "TtsStart", "start player"]),
    ],
}


@pytest.mark.parametrize("steps", WAYS_IN.values(), ids=WAYS_IN)
def test_the_way_in(steps: Steps) -> None:
    play(connection(), steps)


def test_in_duplex_the_microphone_opens_with_the_way_in() -> None:
    opens = ["[E]:[CMD]:[ASR_ENABLE_REALTIME]", "[SET]:[AUTO_INT]:[TRUE]", *LISTENS]
    last = [DEVICE_INFO, *opens, "SpeechStart", "start recorder"]
    play(connection("duplex"), [(READY, []), (PASS, last)])


def test_a_license_that_is_asked_for_late_holds_what_is_sent_until_its_pass() -> None:
    dialect = connection()
    play(dialect, [(READY, []), ("wait 2", PUSH_OPENS)])
    steps: Steps = [
        ("press", [START, "SpeechStart"]),
        ("record", ["audio"]),
        (MUST, [ACTIVE]),
        ("record", []),
        ("release", []),
        (PASS, ["authorized", "audio", STOP]),
    ]
    play(dialect, steps, now=5.0)


# --- push2talk ----------------------------------------------------------------------------

PRESS: Steps = [
    ("press", [START, "SpeechStart"]),
    ("record", ["audio"]),
    ("[Q]:[M]:what is", ["AsrStart", "AsrIncomplete what is"]),
    ("record", ["audio"]),
    ("release", [STOP]),
]
QUESTION: Steps = [("[Q]:what is the time", ["AsrComplete what is the time", "AsrEnd"])]
HEARD: Steps = [("heard", ["SpeechPrepare"])]

# The answer, in every order that the sheet allows: its parts and what each brings.
ANSWERS: dict[str, Steps] = {
    "text, voice": [
        ("[A]:[M]:It is", ["LlmIncomplete It is"]),
        (BEGIN, ["TtsStart", "start player"]),
        ("sound", ["play"]),
        ("[A]:It is noon.", ["LlmComplete It is noon."]),
        (END, ["TtsEnd", "finish player"]),
    ],
    "the whole text before the voice": [
        ("[A]:[M]:It is", ["LlmIncomplete It is"]),
        ("[A]:It is noon.", ["LlmComplete It is noon."]),
        (BEGIN, ["TtsStart", "start player"]),
        ("sound", ["play"]),
        (END, ["TtsEnd", "finish player"]),
    ],
    "sound before the voice begins": [
        ("[A]:[M]:It is", ["LlmIncomplete It is"]),
        ("sound", ["TtsStart", "start player", "play"]),
        (BEGIN, []),
        ("sound", ["play"]),
        ("[A]:It is noon.", ["LlmComplete It is noon."]),
        (END, ["TtsEnd", "finish player"]),
    ],
    "deltas, and no whole text": [
        ("[A]:[M]:It ", ["LlmIncomplete It "]),
        ("[A]:[M]:is noon.", ["LlmIncomplete It is noon."]),
        (BEGIN, ["TtsStart", "start player"]),
        ("sound", ["play"]),
        (END, ["LlmComplete It is noon.", "TtsEnd", "finish player"]),
    ],
    "cumulative": [
        ("[A]:[M]:It ", ["LlmIncomplete It "]),
        ("[A]:[M]:It is noon.", ["LlmIncomplete It is noon."]),
        (BEGIN, ["TtsStart", "start player"]),
        ("[A]:[M]:It is noon. Bye.", ["LlmIncomplete It is noon. Bye."]),
        ("sound", ["play"]),
        (END, ["LlmComplete It is noon. Bye.", "TtsEnd", "finish player"]),
    ],
    "the text comes behind the voice": [
        (BEGIN, ["TtsStart", "start player"]),
        ("sound", ["play"]),
        (END, ["TtsEnd", "finish player"]),
        ("[A]:It is noon.", ["LlmComplete It is noon."]),
        ("[A]:It is noon.", []),
    ],
    "a hint is no part of it": [
        ("[A]:[H]:Let me see", []),
        (BEGIN, ["TtsStart", "start player"]),
        ("sound", ["play"]),
        ("[A]:It is noon.", ["LlmComplete It is noon."]),
        (END, ["TtsEnd", "finish player"]),
        ("[A]:It is noon.", []),
    ],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_turn_of_push2talk(answer: Steps) -> None:
    dialect = opened()
    for turn in range(2):
        play(dialect, [*PRESS, *QUESTION, *answer, *HEARD], now=1.0 + 100 * turn)


@pytest.mark.parametrize(
    "order", list(permutations(["[A]:It is noon.", BEGIN, "sound"])), ids=lambda order: order[0]
)
def test_whatever_the_order_of_a_reply_each_part_is_told_once(order: tuple[str, ...]) -> None:
    dialect = opened()
    play(dialect, [*PRESS, *QUESTION])
    came = [word for what in (*order, END) for word in words(happen(dialect, what, 5.0))]
    once = ["TtsStart", "start player", "play", "LlmComplete It is noon.", "TtsEnd"]
    assert sorted(came) == sorted([*once, "finish player"])


MENDED: dict[str, Steps] = {
    "said again as another kind": [("[Q]:[C]:what is the time", [])],
    "it goes on with nothing": [("[Q]:[C]:", [])],
    "with who spoke behind it": [("[Q]:what is the time|||[name]:N&[emotion]:E&[score]:1", [])],
    "it goes on, told whole": [
        ("[Q]:[C]:what is the time in Rome", ["AsrComplete what is the time in Rome"])
    ],
    "it goes on, told in part": [("[Q]:[C]: in Rome", ["AsrComplete what is the time in Rome"])],
}


@pytest.mark.parametrize("mended", MENDED.values(), ids=MENDED)
def test_a_final_question_that_comes_once_more(mended: Steps) -> None:
    play(opened(), [*PRESS, *QUESTION, *mended, *ANSWERS["text, voice"], *HEARD])


def test_a_question_that_comes_once_more_after_its_turn_interrupts_nothing() -> None:
    again: Steps = [("[Q]:[C]:what is the time", [])]
    play(opened(), [*PRESS, *QUESTION, *ANSWERS["text, voice"], *HEARD, *again])


def test_a_question_that_goes_on_while_the_reply_speaks_cuts_no_reply() -> None:
    steps: Steps = [
        ("[Q]:what is the time", ["AsrStart", "AsrComplete what is the time", "AsrEnd"]),
        (BEGIN, ["TtsStart", "start player"]),
        ("[Q]:[C]: in Rome", ["AsrComplete what is the time in Rome"]),
        ("sound", ["play"]),
    ]
    play(opened("duplex"), steps)


def test_the_same_question_after_a_while_is_another_one() -> None:
    dialect = opened()
    play(dialect, [*PRESS, *QUESTION])
    asked_at = 1.0 + 0.2 * len([*PRESS, *QUESTION])
    again = "[Q]:[C]:what is the time"
    assert words(dialect.receive_text(again, asked_at + 1.9)) == []
    told = words(dialect.receive_text(again, asked_at + 2.1))
    assert told == ["AsrComplete what is the time"]


def test_a_press_during_the_reply_interrupts_it_first_and_drops_the_rest_of_it() -> None:
    steps: Steps = [
        *PRESS,
        *QUESTION,
        *ANSWERS["text, voice"][:3],
        ("press", ["[B]", "LlmComplete It is", "TtsEnd", START, "SpeechRestart"]),
        ("sound", []),
        ("[A]:It is noon.", []),
        ("record", ["audio"]),
        ("release", [STOP]),
        (END, []),
        (BEGIN, []),
        ("[Q]:what day", ["AsrStart", "AsrComplete what day", "AsrEnd"]),
        *ANSWERS["text, voice"],
        *HEARD,
    ]
    play(opened(), steps)


def test_a_press_while_the_reply_is_played_out_needs_no_interruption() -> None:
    steps = [*PRESS, *QUESTION, *ANSWERS["text, voice"], ("press", [START, "SpeechRestart"])]
    play(opened(), steps)


def test_a_cancelled_press_is_stopped_interrupted_and_what_comes_of_it_dropped() -> None:
    steps: Steps = [
        ("press", [START, "SpeechStart"]),
        ("record", ["audio"]),
        ("[Q]:[M]:never", ["AsrStart", "AsrIncomplete never"]),
        ("cancel", ["AsrEnd", STOP, "[B]", "SpeechPrepare"]),
        ("[Q]:never mind", ["[B]"]),
        ("[A]:[M]:Fine", []),
        (BEGIN, []),
    ]
    play(opened(), steps)


def test_a_cancelled_press_that_is_answered_without_a_question_is_not_heard() -> None:
    steps: Steps = [
        ("press", [START, "SpeechStart"]),
        ("record", ["audio"]),
        ("cancel", [STOP, "[B]", "SpeechPrepare"]),
        (BEGIN, []),
        ("sound", []),
    ]
    play(opened(), steps)


def test_a_slip_is_an_empty_turn() -> None:
    slip = ["AsrStart", "AsrComplete ", "AsrEnd", STOP, "[B]", "SpeechPrepare"]
    play(opened(), [("press", [START, "SpeechStart"]), ("release", slip)])


def test_a_question_that_is_not_understood_in_time_has_failed() -> None:
    dialect = opened()
    play(dialect, PRESS)
    released_at = 1.0 + 0.2 * len(PRESS)
    assert dialect.deadline == pytest.approx(released_at + 15.0)
    assert words(dialect.tick(30.0)) == [
        "Error cloud waited in vain for what was understood ",
        *("[B]", "AsrEnd", "SpeechPrepare"),
    ]


def test_an_empty_question_ends_the_turn() -> None:
    empty: Steps = [("[Q]:", ["AsrComplete ", "AsrEnd", "SpeechPrepare"])]
    play(opened(), [*PRESS, *empty, *GREETINGS["its text first"]])


# --- continuous ---------------------------------------------------------------------------

LISTENING: dict[str, Steps] = {
    "as the sheet has it": [
        (COMING, ["AsrStart"]),
        ("[Q]:[M]:what is", ["AsrIncomplete what is"]),
        (GONE, ["stop recorder"]),
        ("[Q]:what is the time", ["AsrComplete what is the time", "AsrEnd"]),
    ],
    "the question before the end of the voice": [
        (COMING, ["AsrStart"]),
        (
            "[Q]:what is the time",
            ["stop recorder", "AsrComplete what is the time", "AsrEnd"],
        ),
        (GONE, []),
    ],
    "nothing of the voice is told": [
        ("[Q]:[M]:what is", ["AsrStart", "AsrIncomplete what is"]),
        (
            "[Q]:what is the time",
            ["stop recorder", "AsrComplete what is the time", "AsrEnd"],
        ),
    ],
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("listening", LISTENING.values(), ids=LISTENING)
def test_a_turn_of_tap2talk(listening: Steps, answer: Steps) -> None:
    press: Steps = [("press", ["SpeechStart"]), ("record", ["audio"])]
    play(opened("tap2talk"), [*press, *listening, *answer, *HEARD])


def _hears(listening: Steps) -> Steps:
    """Return the steps where no microphone is closed."""
    return [(what, [word for word in made if word != "stop recorder"]) for what, made in listening]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("listening", LISTENING.values(), ids=LISTENING)
def test_a_turn_of_duplex(listening: Steps, answer: Steps) -> None:
    record: Steps = [("record", ["audio"])]
    play(opened("duplex"), [*record, *_hears(listening), *record, *answer, *record, *HEARD])


def test_a_release_before_the_cloud_heard_anything_is_followed_by_silence() -> None:
    steps: Steps = [
        ("press", ["SpeechStart"]),
        ("record", ["audio"]),
        ("release", []),
        ("wait 0", ["audio"]),
        (COMING, ["AsrStart"]),
        ("wait 0", ["audio"]),
        (GONE, []),
        ("[Q]:what is the time", ["AsrComplete what is the time", "AsrEnd"]),
        ("wait 0", []),
    ]
    play(opened("tap2talk"), steps)


def test_a_release_that_nobody_spoke_before_ends_by_itself() -> None:
    dialect = opened("tap2talk")
    play(dialect, [("press", ["SpeechStart"]), ("release", [])])
    assert words(dialect.tick(10.0)) == ["audio", "SpeechPrepare"]


def test_a_voice_interrupts_a_reply_in_duplex() -> None:
    steps: Steps = [
        *[
            (w, [m for m in made if "recorder" not in m])
            for w, made in LISTENING["as the sheet has it"]
        ],
        *ANSWERS["text, voice"][:3],
        (COMING, ["LlmComplete It is", "TtsEnd", "SpeechRestart", "AsrStart"]),
        ("sound", []),
        (END, []),
        (GONE, []),
        (BEGIN, []),
        ("[Q]:stop", ["AsrComplete stop", "AsrEnd"]),
        *ANSWERS["cumulative"],
        *HEARD,
    ]
    play(opened("duplex"), steps)


@pytest.mark.parametrize("mode", ["push2talk", "tap2talk"])
def test_where_voices_do_not_interrupt_a_voice_during_a_reply_is_nothing(mode: str) -> None:
    dialect = opened(mode)
    play(dialect, [("ask what", ["[T]:what"]), *ANSWERS["text, voice"][:3]])
    play(dialect, [(COMING, []), (GONE, []), ("[E]:[INT_WORD_HIT]:stop", [])], now=4.0)


def test_an_interrupting_word_interrupts_in_duplex() -> None:
    dialect = opened("duplex")
    play(dialect, [("ask what", ["[T]:what"]), *ANSWERS["text, voice"][:3]])
    cut = ["LlmComplete It is", "TtsEnd", "SpeechRestart", "AsrStart"]
    play(dialect, [("[E]:[INT_WORD_HIT]:stop", cut)], now=4.0)


# --- without a speech ---------------------------------------------------------------------


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize(("asks", "message"), [("ask hello", "[T]:hello"), ("say hi", "[TTS]:hi")])
def test_what_is_put_in_writing_has_no_recognition(asks: str, message: str, answer: Steps) -> None:
    play(opened(), [(asks, [message]), ("[Q]:hello", []), *answer, *HEARD])


GREETINGS: dict[str, Steps] = {
    "its voice first": [
        (BEGIN, ["TtsStart", "start player"]),
        ("sound", ["play"]),
        ("[A]:Hello!", ["LlmComplete Hello!"]),
        (END, ["TtsEnd", "finish player"]),
    ],
    "its text first": [
        ("[A]:[M]:Hel", []),
        ("[A]:Hello!", []),
        ("sound", []),
        (BEGIN, ["TtsStart", "start player", "LlmComplete Hello!", "play"]),
        (END, ["TtsEnd", "finish player"]),
    ],
}


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
@pytest.mark.parametrize("mode", ["push2talk", "tap2talk", "duplex"])
def test_a_greeting_that_nobody_asked_for_is_a_reply(mode: str, greeting: Steps) -> None:
    play(opened(mode), [*greeting, *HEARD])


def test_a_reply_that_nobody_speaks_is_over_soon_whatever_comes_behind_its_text() -> None:
    dialect = opened()
    steps: Steps = [
        ("ask what", ["[T]:what"]),
        ("[A]:It is noon.", ["LlmComplete It is noon."]),
        ("[A]:[M]:It is", []),
        ("wait 10", ["SpeechPrepare"]),
    ]
    play(dialect, steps)


def test_a_second_reply_is_heard_after_the_first_was_played_out() -> None:
    steps: Steps = [
        ("ask what", ["[T]:what"]),
        *ANSWERS["text, voice"],
        (BEGIN, []),
        ("sound", []),
        ("[A]:And more.", []),
        ("heard", ["TtsStart", "start player", "LlmComplete And more.", "play"]),
        (END, ["TtsEnd", "finish player"]),
        *HEARD,
    ]
    play(opened(), steps)


def test_a_second_reply_that_came_whole_is_played_out_like_any_other() -> None:
    steps: Steps = [
        ("ask what", ["[T]:what"]),
        *ANSWERS["text, voice"],
        *((what, []) for what in (BEGIN, "sound", END)),
        ("heard", ["TtsStart", "start player", "play", "TtsEnd", "finish player"]),
        *HEARD,
    ]
    play(opened(), steps)


def test_a_second_reply_that_waits_is_interrupted_too() -> None:
    steps: Steps = [
        ("ask what", ["[T]:what"]),
        *ANSWERS["text, voice"],
        (BEGIN, []),
        ("sound", []),
        ("interrupt", ["[B]", "SpeechPrepare"]),
    ]
    play(opened(), steps)


def test_a_text_that_comes_once_more_is_not_that_of_the_next_reply() -> None:
    answered: Steps = [("ask what", ["[T]:what"]), *ANSWERS["text, voice"], *HEARD]
    play(opened(), [*answered, ("[A]:It is noon.", []), *GREETINGS["its voice first"]])


def test_a_whole_reply_ends_the_doubt_that_an_interruption_left() -> None:
    steps: Steps = [
        ("ask what", ["[T]:what"]),
        ("interrupt", ["[B]", "SpeechPrepare"]),
        ("ask what", ["[T]:what"]),
        ("[A]:[M]:", []),
        *ANSWERS["text, voice"],
        *HEARD,
        *PRESS,
        ("[A]:[M]:It is", ["AsrEnd", "LlmIncomplete It is"]),
    ]
    play(opened(), steps)


def test_an_interruption_silences_the_reply_and_drops_the_rest() -> None:
    steps: Steps = [
        ("ask what", ["[T]:what"]),
        *ANSWERS["text, voice"][:3],
        ("interrupt", ["[B]", "LlmComplete It is", "TtsEnd", "SpeechPrepare"]),
        ("sound", []),
        ("[A]:It is noon.", []),
        (END, []),
        *GREETINGS["its voice first"],
        *HEARD,
    ]
    play(opened(), steps)

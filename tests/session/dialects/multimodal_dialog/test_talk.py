"""What people want beside talking: questions with images, news of the board, and not too often."""

import json
from typing import Any

import pytest

from mmid.errors import Busy, InvalidArgument, NotReady, Unsupported
from mmid.session.dialects.multimodal_dialog.directives import IMAGE_LIMIT_BYTES
from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.session.effects import Effect, Send
from tests.session.dialects.multimodal_dialog.cloud_frames import output_frame, server_frame
from tests.session.dialects.multimodal_dialog.stage_routes import MODES, ROUTES, reach
from tests.session.dialects.multimodal_dialog.trace import CONNECTED, REPLYING, Rehearsal, follow

JPEG = b"\xff\xd8\xff\xe0"


def sent(effects: list[Effect]) -> dict[str, Any]:
    """Return the payload of the one directive among the effects."""
    (frame,) = [effect.text for effect in effects if isinstance(effect, Send)]
    payload: dict[str, Any] = json.loads(frame)["payload"]
    return payload


def test_a_question_carries_its_image_and_parameters() -> None:
    rehearsal = follow(CONNECTED)
    asked = sent(rehearsal.dialect.ask("what is it", 0.0, images=[JPEG], biz_params={"a": 1}))
    assert asked["input"]["type"] == "prompt"
    assert asked["parameters"] == {
        "images": [{"type": "base64", "value": "/9j/4A=="}],
        "biz_params": {"a": 1},
    }


def test_a_question_that_interrupts_keeps_its_image() -> None:
    rehearsal = follow(REPLYING)
    rehearsal.dialect.ask("what is it", rehearsal.now, images=[JPEG])
    rehearsal.act("< RequestAccepted")
    assert rehearsal.act("< state Listening") == (
        "SpeechPrepare; > RequestToRespond prompt what is it"
    )


@pytest.mark.parametrize("more", [{"images": [JPEG]}, {"biz_params": {"videos": []}}])
def test_an_image_or_a_parameter_asks_without_words(more: dict[str, Any]) -> None:
    assert sent(follow(CONNECTED).dialect.ask("", 0.0, **more))["input"]["text"] == ""


def test_an_image_that_is_too_large_is_refused_before_anything_is_interrupted() -> None:
    rehearsal = follow(REPLYING)
    with pytest.raises(InvalidArgument, match="180"):
        rehearsal.dialect.ask("what", rehearsal.now, images=[bytes(IMAGE_LIMIT_BYTES + 1)])
    assert rehearsal.dialect.machine.stage is Stage.RESPONDING


def test_questions_that_come_in_a_storm_wait_a_little_and_all_are_sent() -> None:
    rehearsal = follow(CONNECTED)
    for _ in range(4):
        assert rehearsal.act("ask what") == "flush player; > RequestToRespond prompt what"
        rehearsal.act("< state Thinking")
        rehearsal.act("< state Listening")
    assert rehearsal.act("ask what") == "flush player"
    assert rehearsal.act("2.4 s later") == ""
    assert rehearsal.act("0.1 s later") == "SpeechPrepare; > RequestToRespond prompt what"


def test_a_press_goes_before_a_question_that_waits() -> None:
    rehearsal = follow(CONNECTED)
    for _ in range(4):
        for given in ("ask what", "< state Thinking", "< state Listening"):
            rehearsal.act(given)
    rehearsal.act("ask what")
    assert rehearsal.act("press") == "Error busy; SpeechPrepare; > SendSpeech; SpeechStart"
    assert rehearsal.act("mic one") == "audio one"


# --- UpdateInfo --------------------------------------------------------------------------------

STATUS = {"phone_ringing": {"status": "stopped"}}
EVERYWHERE = [(mode, stage) for mode in MODES for stage in ROUTES[mode]]


@pytest.mark.parametrize(("mode", "stage"), EVERYWHERE)
def test_news_of_the_board_are_told_in_every_stage_and_change_none(mode: str, stage: Stage) -> None:
    rehearsal = reach(stage, mode)
    if stage in {Stage.STARTING, Stage.CLOSED}:
        with pytest.raises(NotReady):
            rehearsal.dialect.update_info(rehearsal.now, client_status=STATUS)
    else:
        told = sent(rehearsal.dialect.update_info(rehearsal.now, client_status=STATUS))
        assert told["input"]["directive"] == "UpdateInfo"
        assert told["parameters"] == {"client_info": {"status": STATUS}}
    assert rehearsal.dialect.machine.stage is stage


def test_news_without_anything_in_them_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="nothing to tell"):
        follow(CONNECTED).dialect.update_info(0.0)


def test_video_is_sent_frame_by_frame_if_it_was_announced() -> None:
    dialect = reach(Stage.LISTENING, video=True).dialect
    assert sent(dialect.update_info(10.0, images=[JPEG]))["parameters"]["images"]
    with pytest.raises(Busy):
        dialect.update_info(10.4, images=[JPEG])
    assert dialect.update_info(10.4, client_status=STATUS), "other news may be told meanwhile"
    assert dialect.update_info(10.5, images=[JPEG])
    with pytest.raises(InvalidArgument, match="one by one"):
        dialect.update_info(20.0, images=[JPEG, JPEG])


# --- what became of commands ---------------------------------------------------------------

COMMAND = {"name": "lamp", "command_request_id": "r-7"}
LISTENING = server_frame("state Listening")
RESULT = {"command_request_id": "r-7", "invoke_result": '{"ok":true}'}


def commanded() -> Rehearsal:
    """Return a dialog whose reply has a command in it."""
    rehearsal = reach(Stage.RESPONDING)
    extra = {"commands": [COMMAND]}
    frame = output_frame("RespondingContent", text="it is", extra_info=extra)
    rehearsal.dialect.receive_text(frame, rehearsal.now)
    return rehearsal


def test_the_result_of_a_command_goes_up_when_the_cloud_listens_and_once() -> None:
    rehearsal = commanded()
    assert rehearsal.dialect.tool_result("r-7", '{"ok":true}', rehearsal.now) == []
    with pytest.raises(InvalidArgument, match="no command waits"):
        rehearsal.dialect.tool_result("r-7", "{}", rehearsal.now)
    assert rehearsal.dialect.deadline > rehearsal.now
    rehearsal.dialect.receive_text(LISTENING, rehearsal.now)
    assert rehearsal.dialect.deadline <= rehearsal.now
    told = sent(rehearsal.dialect.tick(rehearsal.now))
    assert (told["input"]["directive"], told["input"]["type"]) == ("RequestToRespond", "prompt")
    assert told["parameters"] == {"biz_params": {"command_results": [RESULT]}}
    assert rehearsal.dialect.machine.stage is Stage.RECOGNISING


def test_a_result_that_comes_while_the_cloud_listens_goes_up_at_once() -> None:
    rehearsal = commanded()
    rehearsal.dialect.receive_text(LISTENING, rehearsal.now)
    rehearsal.dialect.tool_result("r-7", "{}", rehearsal.now)
    assert sent(rehearsal.dialect.tick(rehearsal.now))["input"]["text"] == ""


def test_a_press_goes_before_the_result_of_a_command() -> None:
    rehearsal = commanded()
    rehearsal.dialect.receive_text(LISTENING, rehearsal.now)
    rehearsal.dialect.start_speech(rehearsal.now)
    rehearsal.dialect.tool_result("r-7", "{}", rehearsal.now)
    assert rehearsal.dialect.deadline > rehearsal.now


def test_results_that_one_message_cannot_hold_go_up_one_after_the_other() -> None:
    rehearsal = reach(Stage.RESPONDING)
    ids = [f"r-{number}" for number in range(8)]
    extra = {"commands": [{"name": "lamp", "command_request_id": one} for one in ids]}
    frame = output_frame("RespondingContent", text="it is", extra_info=extra)
    rehearsal.dialect.receive_text(frame, rehearsal.now)
    for one in ids:  # as long as a result may be: JSON writes six bytes for each character
        rehearsal.dialect.tool_result(one, "\x01" * 65536, rehearsal.now)
    told: list[str] = []
    while len(told) < len(ids):
        rehearsal.now += 10.0
        rehearsal.dialect.receive_text(LISTENING, rehearsal.now)
        parameters = sent(rehearsal.dialect.tick(rehearsal.now))["parameters"]
        results = parameters["biz_params"]["command_results"]
        told += [result["command_request_id"] for result in results]
    assert told == ids


def test_what_is_no_result_is_refused() -> None:
    rehearsal = commanded()
    with pytest.raises(InvalidArgument, match="65536"):
        rehearsal.dialect.tool_result("r-7", "x" * 65537, rehearsal.now)
    with pytest.raises(InvalidArgument, match="'r-8'"):
        rehearsal.dialect.tool_result("r-8", "{}", rehearsal.now)
    with pytest.raises(NotReady):
        reach(Stage.STARTING).dialect.tool_result("r-7", "{}", 0.0)


def test_the_console_declares_what_the_model_may_call() -> None:
    assert commanded().dialect.offer_functions([], 0.0) == []


def test_video_that_was_not_announced_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(Unsupported, match=r"dialog\.video"):
        reach(Stage.LISTENING).dialect.update_info(0.0, images=[JPEG])

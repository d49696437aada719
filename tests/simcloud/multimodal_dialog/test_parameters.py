"""Images, biz_params and the client's status: strict about what is documented."""

import base64
from typing import Any

import pytest

from mmid.simcloud.multimodal_dialog.parameters import LARGEST_IMAGE_BYTES
from tests.simcloud.multimodal_dialog.talk import RESPOND, Talk

JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 a picture \xff\xd9").decode()
IMAGE = {"type": "base64", "value": JPEG}
LARGE = {"type": "base64", "value": base64.b64encode(bytes(LARGEST_IMAGE_BYTES + 1)).decode()}
VIDEO = "voicechat_video_channel"


def started(**changes: Any) -> Talk:
    talk = Talk()
    assert talk.start(**changes)[-1] == "Listening"
    return talk


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"images": []},
        {"images": [IMAGE, {"type": "url", "value": "https://example.com/cup.jpg"}]},
        {"biz_params": {"videos": [{"action": "connect", "type": VIDEO}]}},
        {"biz_params": {"command_results": [{"command_request_id": "c", "invoke_result": "{}"}]}},
        {"biz_params": {"commands": [{"name": "agent_command", "exec_params": {"slots": []}}]}},
        {"biz_params": {"user_prompt_params": {"name": "Ada"}, "a_new_agent": [1, 2]}},
    ],
    ids=["none", "empty", "images", "video", "results", "commands", "prompt"],
)
def test_a_right_request_is_answered(parameters: dict[str, Any]) -> None:
    talk = started()
    assert talk.say("RequestToRespond", parameters, **RESPOND) == ["Thinking"]


WRONG_REQUESTS = {
    "no list": ({"images": IMAGE}, "parameters.images must be list, not dict"),
    "no object": ({"images": [JPEG]}, "images[0] must be an object"),
    "no type": ({"images": [{"value": JPEG}]}, "images[0].type is missing"),
    "other type": ({"images": [{**IMAGE, "type": "file"}]}, "allowed: base64, url"),
    "prefix": ({"images": [{**IMAGE, "value": f"data:image/jpeg;base64,{JPEG}"}]}, "data: prefix"),
    "no value": ({"images": [IMAGE, {"type": "base64"}]}, "images[1].value is missing"),
    "nothing": ({"images": [{**IMAGE, "value": ""}]}, "0 bytes; allowed: 1 to 184320"),
    "too large": ({"images": [LARGE]}, "184321 bytes; allowed: 1 to 184320"),
    "no url": ({"images": [{"type": "url", "value": "cup.jpg"}]}, "must be a URL"),
    "biz no object": ({"biz_params": []}, "biz_params must be dict, not list"),
    "biz child": ({"biz_params": {"tool_prompts": "x"}}, "biz_params.tool_prompts must be dict"),
    "video action": (
        {"biz_params": {"videos": [{"action": "open", "type": VIDEO}]}},
        "videos[0].action is 'open'; allowed: connect, exit",
    ),
    "result id": (
        {"biz_params": {"command_results": [{"invoke_result": "{}"}]}},
        "command_results[0].command_request_id is missing",
    ),
    "result no JSON": (
        {"biz_params": {"command_results": [{"command_request_id": "c", "invoke_result": "ok"}]}},
        "invoke_result must be a JSON string",
    ),
    "item": ({"biz_params": {"commands": [7]}}, "commands[0] must be an object"),
}


@pytest.mark.parametrize(("parameters", "word"), WRONG_REQUESTS.values(), ids=WRONG_REQUESTS)
def test_a_wrong_request_is_refused_and_the_field_named(
    parameters: dict[str, Any], word: str
) -> None:
    talk = started()
    assert talk.say("RequestToRespond", parameters, **RESPOND) == ["error 421", "close 1000"]
    assert word in talk.refusal


def test_start_may_have_biz_params_and_they_are_checked_as_well() -> None:
    started(parameters__biz_params={"user_defined_params": {"agent": {}}})
    talk = Talk()
    talk.start(parameters__biz_params={"videos": {}})
    assert "payload.parameters.biz_params.videos must be list" in talk.refusal


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"client_info": {"status": {"phone_ringing": {"status": "stopped"}}}},
        {"biz_params": {"user_query_params": {"city": "Oslo"}}},
        {"images": [IMAGE]},
    ],
    ids=["none", "status", "biz", "video"],
)
def test_a_right_update_has_no_answer(parameters: dict[str, Any]) -> None:
    talk = started(parameters__upstream__type="AudioAndVideo")
    assert talk.say("UpdateInfo", parameters) == []


WRONG_UPDATES = {
    "two images": ({"images": [IMAGE, IMAGE]}, "must have one image"),
    "url": ({"images": [{"type": "url", "value": "https://example.com/"}]}, "allowed: base64"),
    "status": ({"client_info": {"status": {"phone_ringing": "stopped"}}}, "phone_ringing must be"),
    "status list": ({"client_info": {"status": []}}, "client_info.status must be dict"),
    "biz": ({"biz_params": {"videos": "x"}}, "videos must be list"),
}


@pytest.mark.parametrize(("parameters", "word"), WRONG_UPDATES.values(), ids=WRONG_UPDATES)
def test_a_wrong_update_is_refused_and_the_field_named(
    parameters: dict[str, Any], word: str
) -> None:
    talk = started(parameters__upstream__type="AudioAndVideo")
    assert talk.say("UpdateInfo", parameters) == ["error 421", "close 1000"]
    assert word in talk.refusal


def test_frames_of_a_video_need_a_start_that_said_so() -> None:
    talk = started()
    assert talk.say("UpdateInfo", {"images": [IMAGE]})[0] == "error 421"
    assert "AudioAndVideo" in talk.refusal


def test_the_journal_counts_images_and_names_params_but_keeps_neither() -> None:
    talk = started()
    parameters = {"images": [IMAGE], "biz_params": {"user_prompt_params": {"pin": "1234"}}}
    talk.say("RequestToRespond", parameters, **RESPOND)
    (facts,) = [note.fields for note in talk.notes if note.fields["name"] == "RequestToRespond"]
    assert (facts["images"], facts["biz_params"]) == (1, ["user_prompt_params"])
    assert "1234" not in str(facts)

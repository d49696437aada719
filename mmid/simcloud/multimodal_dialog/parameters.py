"""What RequestToRespond and UpdateInfo may carry: images, biz_params, the client's status.

Fact sheet, sections 3.3, 4, 9 and 10. Unknown members pass, because the
documents name more agents every month; a known one of the wrong shape does not.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.multimodal_dialog.messages import Directive, ProtocolViolation, Rule, check, find

# "180 KB" of an image; the documents do not say of which form of it. Named
# once, here: as the larger KB, of the bytes behind the base64.
LARGEST_IMAGE_BYTES = 180 * 1024

_REQUEST_RULES = (
    Rule("input.type", str, required=True, allowed=("prompt", "transcript")),
    Rule("input.text", str, required=True),
    Rule("parameters", dict),
    Rule("parameters.images", list),
    Rule("parameters.biz_params", dict),
)
_UPDATE_RULES = (
    Rule("parameters", dict),
    Rule("parameters.images", list),
    Rule("parameters.client_info", dict),
    Rule("parameters.client_info.status", dict),
    Rule("parameters.biz_params", dict),
)
_BIZ_RULES = (
    Rule("user_defined_params", dict),
    Rule("user_defined_tokens", dict),
    Rule("user_prompt_params", dict),
    Rule("user_query_params", dict),
    Rule("tool_prompts", dict),
    Rule("commands", list),
    Rule("videos", list),
    Rule("command_results", list),
)
# The lists of biz_params -> what each of their items must be.
_ITEM_RULES = {
    "commands": (Rule("name", str, required=True), Rule("exec_params", dict)),
    "videos": (
        Rule("action", str, required=True, allowed=("connect", "exit")),
        Rule("type", str, required=True, allowed=("voicechat_video_channel",)),
    ),
    "command_results": (
        Rule("command_request_id", str, required=True),
        Rule("invoke_result", str, required=True),
    ),
}


def check_request(directive: Directive) -> None:
    """Refuse a RequestToRespond that the service would not take.

    Raises:
        ProtocolViolation: names the field.
    """
    check(directive.payload, _REQUEST_RULES)
    if "dialog_id" not in directive.input:
        raise ProtocolViolation("payload.input.dialog_id is missing; RequestToRespond needs it")
    for index, image in enumerate(find(directive.payload, "parameters.images") or ()):
        _check_image(image, f"payload.parameters.images[{index}]", ("base64", "url"))
    check_biz_params(directive.payload)


def check_update(directive: Directive, *, video: bool) -> None:
    """Refuse an UpdateInfo that the service would not take.

    Args:
        directive: what came.
        video: Start said that frames of a video will be uploaded.

    Raises:
        ProtocolViolation: names the field.
    """
    check(directive.payload, _UPDATE_RULES)
    images = find(directive.payload, "parameters.images") or ()
    if images and not video:
        raise ProtocolViolation(
            "payload.parameters.images in UpdateInfo are frames of a video; "
            'Start must have parameters.upstream.type "AudioAndVideo"'
        )
    if len(images) > 1:
        raise ProtocolViolation("payload.parameters.images must have one image in UpdateInfo")
    for image in images:
        _check_image(image, "payload.parameters.images[0]", ("base64",))
    for name, status in (find(directive.payload, "parameters.client_info.status") or {}).items():
        if not isinstance(status, dict) or not isinstance(status.get("status"), str):
            raise ProtocolViolation(
                f"payload.parameters.client_info.status.{name} must be an object with a status"
            )
    check_biz_params(directive.payload)


def check_biz_params(payload: Mapping[str, Any]) -> None:
    """Refuse business parameters of the wrong shape; Start may have them too.

    Raises:
        ProtocolViolation: names the field.
    """
    where = "parameters.biz_params"
    table = find(payload, where) or {}
    check(table, _BIZ_RULES, f"payload.{where}")
    for key, rules in _ITEM_RULES.items():
        for index, item in enumerate(table.get(key) or ()):
            place = f"payload.{where}.{key}[{index}]"
            if not isinstance(item, dict):
                raise ProtocolViolation(f"{place} must be an object")
            check(item, rules, place)
            if key == "command_results":
                _check_json(item["invoke_result"], f"{place}.invoke_result")


def _check_image(image: Any, where: str, kinds: tuple[str, ...]) -> None:
    if not isinstance(image, dict):
        raise ProtocolViolation(f"{where} must be an object")
    rules = (
        Rule("type", str, required=True, allowed=kinds),
        Rule("value", str, required=True),
    )
    check(image, rules, where)
    if image["type"] == "url":
        if not image["value"].startswith(("https://", "http://")):
            raise ProtocolViolation(f"{where}.value must be a URL")
        return
    try:
        data = base64.b64decode(image["value"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolViolation(
            f"{where}.value must be base64 without a data: prefix: {error}"
        ) from error
    if not 0 < len(data) <= LARGEST_IMAGE_BYTES:
        raise ProtocolViolation(
            f"{where} has {len(data)} bytes; allowed: 1 to {LARGEST_IMAGE_BYTES}"
        )


def _check_json(text: str, where: str) -> None:
    try:
        read_json(text)
    except ValueError as error:
        raise ProtocolViolation(f"{where} must be a JSON string: {error}") from error

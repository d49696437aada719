"""What a device is told of a vendor's answer.

The vendor's refusals of a device pass with their code and words. One of the relay itself (its
keys, its account) passes with its code only: the words are for our log, and the status is a
gateway's, because a device must not take it for a refusal of its own.
"""

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from mmid_relay.answers import Reply
from mmid_relay.problems import Kind, Problem
from mmid_relay.vendors.upstream import Answer

_log = logging.getLogger(__name__)

_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
# A device's affairs have numbers at Alibaba (license codes), a server's have words.
_DEVICE_CODE = re.compile(r"[0-9]{1,9}")
_WORDS_LIMIT = 200
_LATER_S = 30


def license_reply(answer: Answer, secrets: Iterable[str]) -> Reply:
    """Return Alibaba's envelope.

    Args:
        answer: of deviceRegister or getToken.
        secrets: what must not be in its words.

    Raises:
        Problem: it is none.
    """
    document = answer.document
    data, code = document.get("data"), code_of(document)
    # Declared bool in one of the API's answers, and text in the other.
    succeeded = str(document.get("success")).lower() == "true"
    if succeeded and answer.succeeded:
        if not isinstance(data, dict):
            raise _nonsense("alibaba", "data")
        return Reply(HTTPStatus.OK, _envelope(document, code, "success", data), code)
    if not _DEVICE_CODE.fullmatch(code):
        return _refused_the_relay("alibaba", answer, secrets)
    passes = answer.status < 500 and answer.status not in {401, 403}
    status = answer.status if passes else HTTPStatus.BAD_GATEWAY
    words = _words(document, secrets)
    later_s = _LATER_S if status in {429, 502} else 0
    return Reply(status, _envelope(document, code, words, None), code, "refused", later_s)


def key_reply(answer: Answer, secrets: Iterable[str]) -> Reply:
    """Return the temporary key in DashScope's answer.

    Raises:
        Problem: there is none.
    """
    token, expires_at = answer.document.get("token"), answer.document.get("expires_at")
    if not answer.succeeded:
        return _refused_the_relay("dashscope", answer, secrets)
    if not isinstance(token, str) or not token or not isinstance(expires_at, int):
        raise _nonsense("dashscope", "token")
    return Reply(HTTPStatus.OK, {"token": token, "expires_at": expires_at})


def instance_reply(answer: Answer, secrets: Iterable[str]) -> Reply:
    """Return Baidu's answer as it came.

    Raises:
        Problem: there is no instance in it.
    """
    if not answer.succeeded:
        return _refused_the_relay("baidu", answer, secrets)
    if instance_of(answer.document) is None:
        raise _nonsense("baidu", "instance")
    return Reply(HTTPStatus.OK, answer.document)


def stop_reply(answer: Answer, secrets: Iterable[str]) -> Reply:
    """Return Baidu's answer to a stop."""
    if not answer.succeeded:
        return _refused_the_relay("baidu", answer, secrets)
    return Reply(HTTPStatus.OK, answer.document)


def instance_of(document: dict[str, Any]) -> int | None:
    """Return the id of an instance, which has 64 bits and comes as a number or as text."""
    text = str(document.get("ai_agent_instance_id"))
    return int(text) if re.fullmatch(r"[0-9]{1,20}", text) else None


def _refused_the_relay(vendor: str, answer: Answer, secrets: Iterable[str]) -> Reply:
    code = code_of(answer.document)
    if not code:
        raise _nonsense(vendor, "code")
    _log.error("%s refused this relay: %s %s", vendor, code, _words(answer.document, secrets))
    throttled = answer.status == HTTPStatus.TOO_MANY_REQUESTS
    status = HTTPStatus.SERVICE_UNAVAILABLE if throttled else HTTPStatus.BAD_GATEWAY
    words = f"{vendor} refused the relay, not the device; the relay's log says why"
    body = _envelope(answer.document, code, words, None)
    return Reply(status, body, code, "relay-refused", _LATER_S)


def _envelope(
    document: dict[str, Any], code: str, words: str, data: dict[str, Any] | None
) -> dict[str, Any]:
    return {
        "code": code,
        "success": data is not None,
        "message": words,
        "data": data,
        "requestId": _text(document, "requestId", "RequestId", "request_id"),
    }


def code_of(document: dict[str, Any]) -> str:
    """Return the code in a vendor's answer; empty if it has none that is safe in a log."""
    code = _text(document, "code", "Code")
    return code if _CODE.fullmatch(code) else ""


def _words(document: dict[str, Any], secrets: Iterable[str]) -> str:
    """Return a vendor's words for one line, and without what is secret."""
    words = _text(document, "message", "Message")
    for secret in secrets:
        words = words.replace(secret, "***")
    return re.sub(r"[^\x20-\x7e\u00a0-\uffef]", " ", words[:_WORDS_LIMIT])


def _text(document: dict[str, Any], *names: str) -> str:
    """Return the first of these fields that is text or a number; empty if none is."""
    values = (document.get(name) for name in names)
    return next(
        (str(v) for v in values if isinstance(v, str | int) and not isinstance(v, bool)), ""
    )


def _nonsense(vendor: str, what: str) -> Problem:
    return Problem(
        Kind.VENDOR_NONSENSE, f"{vendor} answered with no {what}.", retry_after_s=30, sent=True
    )

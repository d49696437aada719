"""The requests and replies of the license service, as documents.

Builds the clear JSON of a request around its sealed field, and reads a reply:
out of the envelope, opened, and proven to be for us. No I/O; ``codec`` does
the sealing. Called in the license child; simcloud is its other side.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from mmid.errors import MalformedMessage
from mmid.secrets import Secret
from mmid.session.license.codec import (
    DEFAULT,
    CodecParameters,
    Context,
    Message,
    malformed,
    seal,
    unseal,
)
from mmid.session.license.messages import (
    SERVICE_TIMES_MS,
    ExchangeRequest,
    Kind,
    Refusal,
    Registration,
    TaskSignature,
    Token,
)
from mmid.session.license.reply_body import printable

TOKEN_TYPE = "MMI"  # noqa: S105 - a word of the protocol, not a secret
_MILLISECONDS_FROM = 10**12  # as seconds this would be the year 33658
_SECONDS_FROM = 10**9  # 2001; less is a duration


def request_body(request: ExchangeRequest, parameters: CodecParameters = DEFAULT) -> dict[str, str]:
    """Return the clear JSON of a request, its keys in the vendor's order."""
    time_ms = str(request.request_time_ms)
    named = {"appId": request.identity.app_id, "deviceName": request.identity.device_name}
    timed = {"requestTime": time_ms, "sdkVersion": parameters.sdk_version}
    if request.kind is Kind.TOKEN:
        message, extra = Message.TOKEN_REQUEST, {"tokenType": TOKEN_TYPE}
    else:
        message, extra = Message.REGISTER_REQUEST, {}
    sealed = named | timed | extra | {"payMode": request.pay_mode}
    if request.kind is Kind.TOKEN and request.api_key is not None:
        sealed["apiKey"] = request.api_key.reveal()
    if request.kind is Kind.REGISTER and request.workspace_id:
        extra["workspaceId"] = request.workspace_id
    context = Context(message, request.identity, request.nonce, time_ms=time_ms)
    signature = seal(context, sealed, parameters)
    return named | {"nonce": request.nonce} | timed | extra | {"signature": signature}


def envelope_data(document: object) -> dict[str, Any] | Refusal:
    """Return the answer in a reply, or what the service refused with.

    A relay of the vendor may pass on the whole envelope or its bare ``data``; success as
    text, code as a number; either as JSON in a string; and names as Alibaba's client for
    Python has them, ``response_time`` for ``responseTime``.

    Raises:
        MalformedMessage: it is neither.
    """
    document = _unquoted(document)
    if not isinstance(document, dict):
        raise MalformedMessage("The license service's answer is not a JSON object")
    if isinstance(document.get("signature"), str):
        return _as_on_the_wire(document)
    data = _unquoted(document.get("data"))
    succeeded = str(document.get("success", isinstance(data, dict))).lower() == "true"
    if succeeded and isinstance(data, dict):
        return _as_on_the_wire(data)
    code = document.get("code")
    if succeeded or isinstance(code, bool) or not isinstance(code, str | int):
        raise MalformedMessage("The license service's answer has neither data nor a refusal's code")
    return Refusal(
        code=printable(code),
        message=printable(document.get("message") or ""),
        request_id=printable(document.get("requestId") or ""),
    )


def open_reply(
    request: ExchangeRequest, data: Mapping[str, Any], parameters: CodecParameters = DEFAULT
) -> Registration | Token:
    """Open and check the answer to a request.

    Raises:
        MalformedMessage: it has not the shape, cannot be opened, or is for somebody else.
    """
    message = Message.TOKEN_REPLY if request.kind is Kind.TOKEN else Message.REGISTER_REPLY
    context = Context(
        message,
        request.identity,
        request.nonce,
        reply_nonce=_text(data, "nonce", message),
        time_ms=_text(data, "responseTime", message),
    )
    if not is_service_time(context.time_ms):
        raise malformed(context, "its responseTime is not Unix milliseconds")
    fields = unseal(context, _text(data, "signature", message), parameters)
    _check_addressee(context, data, fields)
    if request.kind is Kind.TOKEN:
        return replace(_token(context, fields, parameters), request_ip=request_ip(data))
    return _registration(context, fields, parameters)


def task_signature(
    request: ExchangeRequest, parameters: CodecParameters = DEFAULT
) -> TaskSignature:
    """Return the ``signature`` of ``client_info`` for one connection.

    Nothing of its algorithm is published but the names (license section 3.4);
    what is sealed, with which key and nonce, are parameters of the codec.
    """
    timestamp = str(request.request_time_ms)
    identity, task_id = request.identity, request.task_id
    facts = {
        Message.TASK_LICENSE: {"appId": identity.app_id, "payMode": request.pay_mode},
        Message.TASK_DEVICE: {"deviceName": identity.device_name},
    }
    sealed = {}
    for message, fields in facts.items():
        nonce = parameters.task_nonce(message, task_id)
        context = Context(message, identity, nonce, time_ms=timestamp)
        fields |= {"taskId": task_id, "timestamp": timestamp}
        sealed[message] = seal(context, fields, parameters)
    return TaskSignature(timestamp, sealed[Message.TASK_LICENSE], sealed[Message.TASK_DEVICE])


def is_service_time(text: str) -> bool:
    """Tell whether a text is Unix milliseconds that a service's clock may show."""
    return bool(re.fullmatch(r"[0-9]{12,13}", text)) and int(text) in SERVICE_TIMES_MS


def request_ip(data: Mapping[str, Any]) -> str:
    """Return the address that a token was asked from, if the service says one."""
    try:
        return str(ip_address(str(data.get("requestIp"))))
    except ValueError:
        return ""


def _unquoted(value: object) -> object:
    """Return what a string holds as JSON, for it may have been encoded twice."""
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def _as_on_the_wire(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer with the names of its fields as the service spells them."""
    return {re.sub(r"_([a-z])", lambda at: at[1].upper(), name): data[name] for name in data}


def _text(data: Mapping[str, Any], name: str, message: Message) -> str:
    value = data.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise MalformedMessage(f"The license {message} has no text in {name!r}")
    return value


def _check_addressee(context: Context, data: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
    """Refuse an answer for another device; each name must stand in it at least once."""
    ours = {"appId": context.identity.app_id, "deviceName": context.identity.device_name}
    for name, expected in ours.items():
        found = [part[name] for part in (data, fields) if name in part]
        if not found or any(value != expected for value in found):
            raise malformed(context, f"its {name} is not ours, {expected!r}")


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) not in (None, "")), "")


def _workspace_id(fields: Mapping[str, Any], parameters: CodecParameters) -> str:
    """Return the workspace if it is named; what cannot be one is not worth losing the answer."""
    workspace_id = str(_first(fields, parameters.reply_fields["workspace_id"]))
    return workspace_id if re.fullmatch(r"[0-9A-Za-z_-]{1,64}", workspace_id) else ""


def _registration(
    context: Context, fields: Mapping[str, Any], parameters: CodecParameters
) -> Registration:
    device_secret = _first(fields, parameters.reply_fields["device_secret"])
    if not isinstance(device_secret, str) or not re.fullmatch(
        parameters.device_secret_shape, device_secret
    ):
        raise malformed(context, "it carries no device secret of 32 hex characters")
    return Registration(
        device_secret=Secret(device_secret),
        reply_nonce=context.reply_nonce,
        response_time_ms=int(context.time_ms),
        workspace_id=_workspace_id(fields, parameters),
        request_nonce=context.request_nonce,
    )


def _token(context: Context, fields: Mapping[str, Any], parameters: CodecParameters) -> Token:
    token = _first(fields, parameters.reply_fields["token"])
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]{1,1024}", token):
        raise malformed(context, "it carries no token that fits into an HTTP header")
    response_ms = int(context.time_ms)
    expiry = _first(fields, parameters.reply_fields["expiry"])
    return Token(
        token=Secret(token),
        expires_ms=_expiry_ms(expiry, response_ms, parameters.token_trust_s),
        reply_nonce=context.reply_nonce,
        response_time_ms=response_ms,
        workspace_id=_workspace_id(fields, parameters),
    )


def _expiry_ms(value: object, response_ms: int, trust_s: int) -> int:
    """Return when to stop trusting a token: the unit is told by the size of the number."""
    latest = response_ms + trust_s * 1000
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,15}", str(value)):
        return latest
    number = int(str(value))
    if number >= _MILLISECONDS_FROM:
        return min(number, latest)
    if number >= _SECONDS_FROM:
        return min(number * 1000, latest)
    return min(response_ms + number * 1000, latest)

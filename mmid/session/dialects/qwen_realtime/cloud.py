"""Qwen-Omni Realtime as a cloud: what the rest of mmid must know of it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmid.errors import SettingsInvalid
from mmid.session.clouds import Cloud, CloudAudio, Contradiction, Opening, json_file
from mmid.session.dialects.qwen_realtime.session import (
    check_tools,
    objection_to_session,
    session_of,
)
from mmid.session.endpoint import Endpoint, with_query
from mmid.settings import License, Settings

if TYPE_CHECKING:  # imported when a connection is to be made: settings are judged without
    from mmid.session.access import Access, Credential
    from mmid.session.dialects.dialect import Dialect

# qwen-realtime sections 1 and 2.
_WS_URL = "wss://dashscope.aliyuncs.com/api-ws/v1/realtime"
_MODEL = "qwen3-omni-flash-realtime"

# An audio delta may be a whole sentence, and base64 makes it a third longer (section 14).
_MESSAGE_LIMIT_BYTES = 8 << 20

# Section 14: the service answers pings, and sends none.
_PING_S = 20.0

# Of the tables of Alibaba's license; with this cloud they would be in vain.
_OF_THE_LICENSE = ("mode", "app_secret", "register_url", "sign_tasks", "codec")

# What a board proves itself by to a relay; a board with a key of its own asks none.
_FOR_A_RELAY = ("headers", "client_cert", "client_key")


def _access(settings: Settings, **parts: Any) -> "Access":
    from mmid.session.api_key import ApiKey  # noqa: PLC0415

    return ApiKey(settings, **parts)


def _endpoint(settings: Settings, credential: "Credential") -> Endpoint:
    url = with_query(settings.cloud.ws_url or _WS_URL, model=settings.cloud.model or _MODEL)
    headers = {"Authorization": f"Bearer {credential.token.reveal()}"}
    if settings.cloud.workspace_id:
        headers["X-DashScope-WorkSpace"] = settings.cloud.workspace_id
    return Endpoint(url, url, headers, message_limit_bytes=_MESSAGE_LIMIT_BYTES, ping_s=_PING_S)


def _dialect(opening: Opening) -> "Dialect":
    from mmid.session.dialects.qwen_realtime.realtime import QwenRealtime  # noqa: PLC0415

    settings = opening.settings
    tools = _tools(settings)
    return QwenRealtime(
        settings,
        settings.cloud.model or _MODEL,
        work_mode=opening.work_mode,
        session=session_of(settings, opening.work_mode, tools),
        ready_by=opening.ready_by,
    )


def _tools(settings: Settings) -> list[Any]:
    path = settings.qwen.tools_file
    tools: list[Any] = json_file(path, list)
    try:
        check_tools(tools)
    except ValueError as error:
        raise SettingsInvalid(f"{path}: {error}") from None
    return tools


def _contradictions(settings: Settings) -> Iterator[Contradiction]:
    license_, default = settings.license, License()
    for key in _OF_THE_LICENSE:
        if getattr(license_, key) != getattr(default, key):
            why = f'cloud.protocol = "{CLOUD.protocol}" asks for no license; remove the key'
            yield Contradiction(f"license.{key}", why)
    if license_.api_key and license_.token_url:
        why = "a board that fetches temporary keys holds no API key; remove one of the two"
        yield Contradiction("license.token_url", why)
    for key in _FOR_A_RELAY:
        if getattr(license_, key) and not license_.token_url:
            why = "it is for the relay that license.token_url names, and none is named; remove it"
            yield Contradiction(f"license.{key}", why)
    if objection := objection_to_session(settings):
        yield Contradiction("qwen.session_json", objection)
    try:
        _tools(settings)
    except SettingsInvalid as error:
        yield Contradiction("qwen.tools_file", str(error))


def _proof(settings: Settings) -> str:
    token_url, workspace = settings.license.token_url, settings.cloud.workspace_id or "not set"
    key = f"a key from {token_url}" if token_url else "the API key"
    return f"nothing is registered; {key} is the credential, workspace {workspace}"


def _missing(settings: Settings) -> str:
    given = settings.license
    return "" if given.api_key or given.token_url else "license.api_key (or license.token_url)"


def _addresses(settings: Settings) -> Mapping[str, str]:
    addresses = {"cloud.ws_url": settings.cloud.ws_url or _WS_URL}
    if settings.license.token_url:
        addresses["license.token_url"] = settings.license.token_url
    return addresses


CLOUD = Cloud(
    protocol="qwen-realtime",
    audio=CloudAudio(
        upstream_codecs=("pcm",),
        downstream_codecs=("pcm",),
        upstream_hz=(16_000,),
        downstream_hz=(24_000,),
        frame_ms=100,
    ),
    modules=("mmid.session.dialects.qwen_realtime.realtime",),
    access=_access,
    endpoint=_endpoint,
    dialect=_dialect,
    contradictions=_contradictions,
    addresses=_addresses,
    registers=lambda _: False,
    proof=_proof,
    missing=_missing,
)

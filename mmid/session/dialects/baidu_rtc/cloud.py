"""Baidu RTC as a cloud: what the rest of mmid must know of it."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmid.errors import HttpFailed
from mmid.secrets import MASK, Secret
from mmid.session.clouds import Cloud, CloudAudio, Contradiction, Opening
from mmid.session.endpoint import Endpoint, with_query
from mmid.settings import Baidu, License, Settings
from mmid.settings.option import HTTPS_OR_EMPTY, WSS_OR_EMPTY, is_url

if TYPE_CHECKING:  # imported when a connection is to be made: settings are judged without
    from mmid.session.access import Access
    from mmid.session.dialects.dialect import Dialect
    from mmid.session.instance import Instance, InstanceNeeds
    from mmid.session.license.record import DeviceRecord

# Section 3. The instance's own address wins over the settings' one.
_WS_URL = "wss://rtc-aiotgw.exp.bcelive.com/v1/realtime"

# Section 5: clients send a WebSocket ping every 10 s and give up after two silent intervals.
_PING_S = 10.0

# ``ac`` (section 3) by the sample rate, where speech is sent as samples; else it is Opus,
# in packets of 20 ms, as the encoder makes them.
_SAMPLES = {16_000: "raw16k", 8_000: "raw"}
_PACKET_MS = "20"

_RATES_HZ = (16_000, 8_000, 24_000, 48_000)

# Of the tables of Alibaba's license; with this cloud they would be in vain.
_OF_ANOTHER_LICENSE = (
    *("mode", "app_id", "app_secret", "api_key", "register_url", "token_url"),
    *("sign_tasks", "codec"),
)

# What gives AK and SK away: the members of a query (section 3, second method), what signs a
# request (section 2), how newer AKs begin, and the host of the service that asks for them.
_KEYS_IN_A_QUERY = re.compile(r"[?&](ak|sk|cfg)=")
_SIGNATURE = "bce-auth-v1/"
_ACCESS_KEY = "ALTAK"
_CONTROL_HOST = re.compile(r"https://([^/?@]*[.@])?baidubce\.com([:/?]|$)")
_NO_KEYS_HERE = f"{Baidu.elsewhere['ak']}, and revoke the keys if a board has seen them"

# Section 2: the id has 64 bits; JSON readers that make a float of it lose its end.
_INSTANCE_ID = re.compile(r"[0-9]{1,20}")
# What fits into a query and is no longer than any token.
_TOKEN = re.compile(r"[!-~]{1,4096}")


def _access(settings: Settings, **parts: Any) -> "Access":
    from mmid.session.instance import InstanceAccess  # noqa: PLC0415

    return InstanceAccess(settings, needs=_needs, **parts)


def _needs(settings: Settings) -> "InstanceNeeds":
    from mmid.session.instance import InstanceNeeds  # noqa: PLC0415

    given = settings.baidu
    needed = {
        "baidu.instance_url": given.instance_url,
        "baidu.app_id": given.app_id,
        "baidu.license_key": given.license_key,
    }
    return InstanceNeeds(
        read=_read,
        url=given.instance_url,
        question={"codec": _codec(settings)},
        app_id=given.app_id,
        license_key=given.license_key,
        missing=", ".join(key for key, value in needed.items() if not value),
    )


def _codec(settings: Settings) -> str:
    dialog = settings.dialog
    return _SAMPLES[dialog.us_sample_rate] if dialog.upstream_mode == "pcm" else "opus"


def _read(answer: Mapping[str, Any]) -> "Instance":
    """Return the instance of Baidu's reply to the relay (section 2), which it passed on.

    Raises:
        HttpFailed: it is no such reply.
    """
    from mmid.session.instance import Instance  # noqa: PLC0415

    context = answer.get("context")
    token = context.get("token") if isinstance(context, dict) else None
    number: Any = answer.get("ai_agent_instance_id")
    url, stop_url = answer.get("url") or "", answer.get("stop_url") or ""
    wrong = {
        "ai_agent_instance_id": type(number) not in {int, str}
        or not _INSTANCE_ID.fullmatch(str(number)),
        "context.token": not isinstance(token, str) or not _TOKEN.fullmatch(token),
        "url": not _is_url(url, WSS_OR_EMPTY),
        "stop_url": not _is_url(stop_url, HTTPS_OR_EMPTY),
    }
    if bad := [key for key, is_wrong in wrong.items() if is_wrong]:
        raise HttpFailed(
            f"the relay's answer is no agent instance: {', '.join(bad)} missing or of a wrong kind",
            advice="Check that baidu.instance_url is where the relay gives instances.",
        )
    return Instance(Secret(str(token)), number, url, stop_url)


def _is_url(value: object, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None and is_url(value)


def _endpoint(settings: Settings, credential: "Instance") -> Endpoint:
    codec = _codec(settings)
    url = credential.url or settings.cloud.ws_url or _WS_URL
    query = {
        "a": settings.baidu.app_id,
        "id": str(credential.instance_id),
        "t": credential.token.reveal(),
        "ac": codec,
    }
    if codec == "opus":
        query["plen"] = _PACKET_MS
    return Endpoint(with_query(url, **query), url.partition("?")[0], {}, ping_s=_PING_S)


def _dialect(opening: Opening) -> "Dialect":
    from mmid.session.dialects.baidu_rtc.activation import ActivationIdentity  # noqa: PLC0415
    from mmid.session.dialects.baidu_rtc.rtc import BaiduRtc  # noqa: PLC0415

    settings, instance = opening.settings, opening.credential
    identity = ActivationIdentity(
        device_id=instance.device_name,
        user_id=settings.license.user_id or instance.device_name,
        license_key=settings.baidu.license_key,
    )
    return BaiduRtc(
        identity,
        settings.dialog,
        work_mode=opening.work_mode,
        made_for=instance.work_mode,
        again=instance.again,
        ready_by=opening.ready_by,
    )


def _contradictions(settings: Settings) -> Iterator[Contradiction]:
    license_, default, dialog = settings.license, License(), settings.dialog
    for key in _OF_ANOTHER_LICENSE:
        if getattr(license_, key) != getattr(default, key):
            why = f'cloud.protocol = "{CLOUD.protocol}" has a license of its own; remove the key'
            yield Contradiction(f"license.{key}", why)
    if dialog.upstream_mode != dialog.downstream_mode:
        yield Contradiction("dialog.downstream_mode", "this cloud has one codec for both ways")
    elif dialog.upstream_mode == "pcm":
        if dialog.us_sample_rate not in _SAMPLES:
            yield Contradiction("dialog.us_sample_rate", "as pcm this cloud has 16000 and 8000")
        elif dialog.us_sample_rate != dialog.ds_sample_rate:
            why = "as pcm this cloud has one rate for both ways: set dialog.us_sample_rate as well"
            yield Contradiction("dialog.ds_sample_rate", why)
    if dialog.voice:
        why = "this cloud's voice is part of the instance: whoever makes that, the relay, names it"
        yield Contradiction("dialog.voice", why)
    yield from _keys_of_the_account(settings)


def _keys_of_the_account(settings: Settings) -> Iterator[Contradiction]:
    """Find what looks like AK and SK, which must not be on a board."""
    relay = settings.baidu.instance_url
    for key, url in {"cloud.ws_url": settings.cloud.ws_url, "baidu.instance_url": relay}.items():
        if _KEYS_IN_A_QUERY.search(url) or (url == relay and _CONTROL_HOST.match(url)):
            yield Contradiction(key, _NO_KEYS_HERE)
    if _SIGNATURE in settings.license.headers.reveal():
        yield Contradiction("license.headers", _NO_KEYS_HERE)
    for key, value in {
        "baidu.license_key": settings.baidu.license_key.reveal(),
        "baidu.app_id": settings.baidu.app_id,
    }.items():
        if value.startswith(_ACCESS_KEY):
            yield Contradiction(key, _NO_KEYS_HERE)


def _proof(settings: Settings) -> str:
    given = settings.baidu
    relay = f"an instance of {given.instance_url} for each connection"
    return f"{relay}, AppId {given.app_id}, LicenseKey {MASK}"


def _objection(settings: Settings, record: "DeviceRecord") -> str:
    from mmid.session.instance import objection  # noqa: PLC0415

    return objection(settings.license.device_name, record.known_as)


def _addresses(settings: Settings) -> Mapping[str, str]:
    addresses = {"cloud.ws_url": settings.cloud.ws_url or _WS_URL}
    if settings.baidu.instance_url:
        addresses["baidu.instance_url"] = settings.baidu.instance_url
    return addresses


CLOUD = Cloud(
    protocol="baidu-rtc",
    audio=CloudAudio(
        upstream_codecs=("pcm", "raw-opus"),
        downstream_codecs=("pcm", "raw-opus"),
        upstream_hz=_RATES_HZ,
        downstream_hz=_RATES_HZ,
        frame_ms=100,  # section 4: 20 to 200
    ),
    modules=("mmid.session.dialects.baidu_rtc.rtc",),
    access=_access,
    endpoint=_endpoint,
    dialect=_dialect,
    contradictions=_contradictions,
    addresses=_addresses,
    registers=lambda _: False,
    proof=_proof,
    missing=lambda settings: _needs(settings).missing,
    objection=_objection,
)

"""Alibaba's ``multimodal-dialog`` as a cloud: what the rest of mmid must know of it."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mmid.errors import SettingsInvalid
from mmid.session.clouds import Cloud, CloudAudio, Contradiction, Opening, json_file
from mmid.session.dialects.multimodal_dialog.upload import FRAME_MS
from mmid.session.endpoint import Endpoint
from mmid.settings import Settings

if TYPE_CHECKING:  # imported when a connection is to be made: settings are judged without
    from mmid.session.access import Access
    from mmid.session.dialects.dialect import Dialect
    from mmid.session.license.access import LicenseCredential

# multimodal-dialog section 1.
_WS_URL = "wss://dashscope.aliyuncs.com/api-ws/v1/inference"
_MODEL = "multimodal-dialog"

_DIALOG = "mmid.session.dialects.multimodal_dialog.dialog"

# client_info.user_id and client_info.device.uuid (multimodal-dialog section 3.3).
_USER_ID_LIMIT = 36
_DEVICE_UUID_LIMIT = 40

# What a mode of license.mode cannot do without.
_NEEDS = {
    "semi-managed": ("license.register_url", "license.token_url"),
    "pay-as-you-go": ("cloud.workspace_id", "license.api_key"),
}
# Where nobody is asked for a license, these would be in vain.
_OF_THE_LICENSE_SERVICE = ("register_url", "token_url", "headers", "client_cert", "sign_tasks")

_RATES_HZ = (8000, 16000, 24000, 48000)


def _access(settings: Settings, **parts: Any) -> "Access":
    from mmid.session.license.access import LicenseAccess  # noqa: PLC0415
    from mmid.session.license.pay_as_you_go import PayAsYouGo  # noqa: PLC0415

    return (LicenseAccess if _registers(settings) else PayAsYouGo)(settings, **parts)


def _endpoint(settings: Settings, credential: "LicenseCredential") -> Endpoint:
    url = settings.cloud.ws_url or _WS_URL
    return Endpoint(url, url, {"Authorization": f"Bearer {credential.token.reveal()}"})


def _dialect(opening: Opening) -> "Dialect":
    from mmid.session.dialects.multimodal_dialog.dialog import MultimodalDialog  # noqa: PLC0415
    from mmid.session.dialects.multimodal_dialog.directives import ClientInfo  # noqa: PLC0415

    settings, credential = opening.settings, opening.credential
    name = credential.device_name
    user = settings.license.user_id or name or credential.app_id
    identity = ClientInfo(
        app_id=credential.app_id,
        workspace_id=credential.workspace_id,
        user_id=user[:_USER_ID_LIMIT],
        device_uuid=(name or user)[:_DEVICE_UUID_LIMIT],
        model=settings.cloud.model or _MODEL,
        signature=credential.signature,
        network_ip=credential.request_ip,
        biz_params=json_file(settings.dialog.biz_params_file, dict),
        replace_words=json_file(settings.dialog.replace_words_file, list),
    )
    return MultimodalDialog(
        identity,
        settings.dialog,
        work_mode=opening.work_mode,
        task_id=credential.task_id or opening.nonce,
        dialog_id=opening.dialog_id,
        listening_by=opening.ready_by,
    )


def _contradictions(settings: Settings) -> Iterator[Contradiction]:
    mode, given = settings.license.mode, settings.license
    needed = _NEEDS.get(mode, ())
    for name in needed:
        table, key = name.split(".")
        if not getattr(getattr(settings, table), key):
            why = f'"{mode}" needs {" and ".join(needed)}; {name} is empty'
            yield Contradiction("license.mode", why)
    if not _registers(settings):
        for key in _OF_THE_LICENSE_SERVICE:
            if getattr(given, key):
                why = f'license.mode = "{mode}" has no license service; remove the key, or set'
                yield Contradiction(f"license.{key}", f"{why} another mode")
    for key, kind in (("biz_params_file", dict), ("replace_words_file", list)):
        try:
            json_file(getattr(settings.dialog, key), kind)
        except SettingsInvalid as error:
            yield Contradiction(f"dialog.{key}", str(error))


def _registers(settings: Settings) -> bool:
    return settings.license.mode != "pay-as-you-go"


def _proof(settings: Settings) -> str:
    given, cloud = settings.license, settings.cloud
    if _registers(settings):
        return f"{given.mode}, at {given.register_url or cloud.license_url}, codec {given.codec}"
    workspace = cloud.workspace_id or "not set"
    return f"nothing is registered; the API key is the credential, workspace {workspace}"


def _addresses(settings: Settings) -> Mapping[str, str]:
    from mmid.session.license.service import service_urls  # noqa: PLC0415

    dialog = {"cloud.ws_url": settings.cloud.ws_url or _WS_URL}
    return dialog | (service_urls(settings) if _registers(settings) else {})


CLOUD = Cloud(
    protocol="multimodal-dialog",
    audio=CloudAudio(
        upstream_codecs=("pcm", "raw-opus"),
        downstream_codecs=("pcm", "opus", "mp3", "raw-opus"),
        upstream_hz=(16000, 8000, 24000, 48000),
        downstream_hz=(24000, 8000, 16000, 48000),
        frame_ms=FRAME_MS,
    ),
    modules=(_DIALOG,),
    access=_access,
    endpoint=_endpoint,
    dialect=_dialect,
    contradictions=_contradictions,
    addresses=_addresses,
    registers=_registers,
    proof=_proof,
)

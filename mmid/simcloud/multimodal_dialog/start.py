"""What a Start must and may hold: the table of its fields, and what was asked for."""

import re
from dataclasses import dataclass
from typing import Any

from mmid.simcloud.core.codecs import ReplyFormat, available
from mmid.simcloud.multimodal_dialog.messages import Directive, ProtocolViolation, Rule, check, find
from mmid.simcloud.multimodal_dialog.parameters import check_biz_params

_DIALOG_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RATES = (8000, 16000, 24000, 48000)

START_RULES = (
    Rule("input", dict, required=True),
    Rule("input.workspace_id", str),
    Rule("input.app_id", str, required=True),
    Rule("input.dialog_id", str),
    Rule("input.sandbox", bool),
    Rule("parameters", dict, required=True),
    Rule("parameters.upstream", dict, required=True),
    Rule("parameters.upstream.type", str, required=True, allowed=("AudioOnly", "AudioAndVideo")),
    Rule("parameters.upstream.mode", str, allowed=("push2talk", "tap2talk", "duplex")),
    Rule("parameters.upstream.audio_format", str, allowed=("pcm", "opus", "raw-opus")),
    Rule("parameters.upstream.sample_rate", int, allowed=_RATES),
    Rule("parameters.upstream.vocabulary_id", str),
    Rule("parameters.upstream.asr_post_processing", dict),
    Rule("parameters.upstream.asr_post_processing.replace_words", list),
    Rule("parameters.downstream", dict),
    Rule("parameters.downstream.voice", str, longest=64),
    Rule("parameters.downstream.sample_rate", int, allowed=_RATES),
    Rule("parameters.downstream.audio_format", str, allowed=("pcm", "opus", "mp3", "raw-opus")),
    Rule("parameters.downstream.frame_size", int, allowed=(10, 20, 40, 60, 100, 120)),
    Rule("parameters.downstream.bit_rate", int, allowed=range(6, 511)),
    Rule("parameters.downstream.enable_cbr", bool),
    Rule("parameters.downstream.volume", int, allowed=range(101)),
    Rule("parameters.downstream.speech_rate", int, allowed=range(50, 201)),
    Rule("parameters.downstream.pitch_rate", int, allowed=range(50, 201)),
    Rule("parameters.downstream.intermediate_text", str),
    Rule("parameters.downstream.incremental_response", bool),
    Rule("parameters.downstream.word_timestamp_enabled", bool),
    Rule("parameters.downstream.transmit_rate_limit", int, allowed=range(2**31)),
    Rule("parameters.client_info", dict, required=True),
    Rule("parameters.client_info.user_id", str, required=True, longest=36),
    Rule("parameters.client_info.device", dict),
    Rule("parameters.client_info.device.uuid", str, longest=40),
    Rule("parameters.client_info.network", dict),
    Rule("parameters.client_info.network.ip", str, longest=45),
    Rule("parameters.client_info.location", dict),
    Rule("parameters.client_info.location.city_name", str, longest=31),
    Rule("parameters.client_info.location.latitude", str),
    Rule("parameters.client_info.location.longitude", str),
    Rule("parameters.client_info.signature", dict),
    Rule("parameters.client_info.signature.timestamp", str),
    Rule("parameters.client_info.signature.license_info", str),
    Rule("parameters.client_info.signature.device_info", str),
    Rule("parameters.dialog_attributes", dict),
    Rule("parameters.biz_params", dict),
)
_FIXED = {
    "task_group": "aigc",
    "task": "multimodal-generation",
    "function": "generation",
    "model": "multimodal-dialog",
}


@dataclass(frozen=True, slots=True)
class Start:
    """What a Start asked for; defaults are the service's."""

    dialog_id: str | None
    mode: str
    video: bool
    upstream_hz: int
    upstream_format: str
    reply_format: ReplyFormat
    texts: frozenset[str]
    incremental: bool
    rate_limit_bytes: int

    @property
    def downstream_hz(self) -> int:
        """The sample rate of the replies."""
        return self.reply_format.rate_hz


def read_start(directive: Directive) -> Start:
    """Read what a Start asks for.

    Raises:
        ProtocolViolation: a field is missing, of the wrong type or out of range, or names
            a codec that this simulation does not speak.
    """
    payload = directive.payload
    for key, value in _FIXED.items():
        if payload.get(key) != value:
            raise ProtocolViolation(f"payload.{key} must be {value!r} in Start", gateway=True)
    check(payload, START_RULES)
    check_biz_params(payload)
    dialog_id = directive.input.get("dialog_id") or None  # Alibaba's samples start with ""
    if dialog_id is not None and not _DIALOG_ID.fullmatch(dialog_id):
        raise ProtocolViolation("payload.input.dialog_id must be a UUID with dashes")
    upstream = find(payload, "parameters.upstream")
    downstream = find(payload, "parameters.downstream") or {}
    reply_format = ReplyFormat(
        mode=_or(downstream.get("audio_format"), "pcm"),
        rate_hz=_or(downstream.get("sample_rate"), 24000),
        frame_ms=_or(downstream.get("frame_size"), 60),
        kbit_s=_or(downstream.get("bit_rate"), 32),
    )
    upstream_format = _or(upstream.get("audio_format"), "pcm")
    _check_codecs(upstream_format, reply_format.mode)
    return Start(
        dialog_id=dialog_id,
        mode=_or(upstream.get("mode"), "tap2talk"),
        video=upstream["type"] == "AudioAndVideo",
        upstream_hz=_or(upstream.get("sample_rate"), 16000),
        upstream_format=upstream_format,
        reply_format=reply_format,
        texts=_texts(_or(downstream.get("intermediate_text"), "transcript")),
        incremental=bool(downstream.get("incremental_response")),
        rate_limit_bytes=_or(downstream.get("transmit_rate_limit"), 0),
    )


def _check_codecs(upstream: str, downstream: str) -> None:
    """Refuse what the real service decodes and encodes, and this one does not."""
    if upstream == "opus":
        reason = "this simulated cloud hears pcm and raw-opus only"
        raise ProtocolViolation(reason, status=424, name="AudioFormatError")
    if {upstream, downstream} != {"pcm"} and not available():
        raise ProtocolViolation(
            "this simulated cloud needs PyAV for codecs: install python3-av (Debian) or av (PyPI)"
        )


def _texts(value: str) -> frozenset[str]:
    names = frozenset(part.strip() for part in value.split(",") if part.strip())
    if not names <= {"transcript", "dialog"}:
        raise ProtocolViolation(
            "payload.parameters.downstream.intermediate_text is a list of transcript, dialog"
        )
    return names


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value

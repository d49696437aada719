"""What we send in ``multimodal-dialog``: the directives of sections 2 to 4."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmid.settings import Dialog

__all__ = ["Frames", "Identity", "start_payload"]

_INTERMEDIATE_TEXT = {
    "both": "transcript,dialog",
    "asr": "transcript",
    "llm": "dialog",
    "none": "",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the dialog is for.

    Attributes:
        app_id: AppId of the product.
        workspace_id: workspace, or empty to leave it out (multimodal-dialog section 14).
        user_id: user the dialog is counted for, at most 36 characters.
        device_uuid: the device, at most 40 characters.
        model: model name in Start.
    """

    app_id: str
    workspace_id: str
    user_id: str
    device_uuid: str
    model: str


def start_payload(identity: Identity, dialog: Dialog) -> dict[str, Any]:
    """Build what Start carries beside ``input.dialog_id`` (section 3).

    Everything the service has a default for is sent all the same: its
    documents and SDKs disagree about the defaults (section 14).
    """
    given = {"directive": "Start", "app_id": identity.app_id}
    if identity.workspace_id:
        given["workspace_id"] = identity.workspace_id
    upstream: dict[str, Any] = {
        "type": "AudioOnly",
        "mode": dialog.work_mode,
        "audio_format": dialog.upstream_mode,
        "sample_rate": dialog.us_sample_rate,
    }
    if dialog.vocabulary_id:
        upstream["vocabulary_id"] = dialog.vocabulary_id
    client = {"user_id": identity.user_id, "device": {"uuid": identity.device_uuid}}
    return {
        "task_group": "aigc",
        "task": "multimodal-generation",
        "function": "generation",
        "model": identity.model,
        "input": given,
        "parameters": {
            "upstream": upstream,
            "downstream": _downstream(dialog),
            "client_info": client,
        },
    }


def _downstream(dialog: Dialog) -> dict[str, Any]:
    downstream: dict[str, Any] = {
        "audio_format": dialog.downstream_mode,
        "sample_rate": dialog.ds_sample_rate,
        "intermediate_text": _INTERMEDIATE_TEXT[dialog.text_mode],
        "volume": dialog.volume,
        "speech_rate": dialog.speech_rate,
        "pitch_rate": dialog.pitch_rate,
    }
    if dialog.voice:
        downstream["voice"] = dialog.voice
    if dialog.transmit_rate_limit:
        downstream["transmit_rate_limit"] = dialog.transmit_rate_limit
    if "opus" in dialog.downstream_mode:
        downstream["frame_size"] = dialog.frame_size
        downstream["bit_rate"] = dialog.bit_rate
    return downstream


class Frames:
    """Writes the client's text frames of one task.

    Args:
        task_id: 32 hex digits, new for every connection.
        dialog_id: the dialog to go on with, or empty; Started replaces it.
    """

    def __init__(self, task_id: str, dialog_id: str) -> None:
        self.task_id = task_id
        self.dialog_id = dialog_id

    def start(self, payload: Mapping[str, Any]) -> str:
        """Write Start; the only run-task."""
        given = dict(payload["input"])
        if self.dialog_id:
            given["dialog_id"] = self.dialog_id
        return self._frame("run-task", {**payload, "input": given})

    def stop(self) -> str:
        """Write Stop; the only finish-task."""
        return self._frame("finish-task", {"input": self._input("Stop")})

    def directive(self, name: str, **fields: str) -> str:
        """Write any other directive, with further ``input`` fields."""
        return self._frame("continue-task", {"input": {**self._input(name), **fields}})

    def _input(self, directive: str) -> dict[str, str]:
        if not self.dialog_id:
            return {"directive": directive}
        return {"directive": directive, "dialog_id": self.dialog_id}

    def _frame(self, action: str, payload: Mapping[str, Any]) -> str:
        header = {"action": action, "task_id": self.task_id, "streaming": "duplex"}
        return json.dumps({"header": header, "payload": payload}, separators=(",", ":"))

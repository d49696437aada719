"""Directives are the frames of the protocol's document."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mmid.errors import InvalidArgument
from mmid.session.dialects.multimodal_dialog.directives import (
    IMAGE_LIMIT_BYTES,
    ClientInfo,
    Frames,
    start_payload,
)
from mmid.settings import Dialog
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import TASK_ID

IDENTITY = ClientInfo("mm_0123", "llm-9876", "user-7", "board-7", "multimodal-dialog")
DIALOG_ID = "f7b3c1de-0000-4000-8000-00000000d1a1"

# multimodal-dialog section 3, with what mmid sends explicitly (section 14).
GOLDEN_START = {
    "header": {"action": "run-task", "task_id": TASK_ID, "streaming": "duplex"},
    "payload": {
        "task_group": "aigc",
        "task": "multimodal-generation",
        "function": "generation",
        "model": "multimodal-dialog",
        "input": {"directive": "Start", "workspace_id": "llm-9876", "app_id": "mm_0123"},
        "parameters": {
            "upstream": {
                "type": "AudioOnly",
                "mode": "push2talk",
                "audio_format": "pcm",
                "sample_rate": 16000,
            },
            "downstream": {
                "audio_format": "pcm",
                "sample_rate": 24000,
                "intermediate_text": "transcript,dialog",
                "volume": 50,
                "speech_rate": 100,
                "pitch_rate": 100,
            },
            "client_info": {"user_id": "user-7", "device": {"uuid": "board-7"}},
        },
    },
}


def test_start_is_the_documents_frame() -> None:
    frames = Frames(TASK_ID, "")
    assert (
        json.loads(frames.start(start_payload(IDENTITY, dialog_settings(), "push2talk")))
        == GOLDEN_START
    )


def test_start_names_the_dialog_to_go_on_with() -> None:
    start = json.loads(
        Frames(TASK_ID, DIALOG_ID).start(start_payload(IDENTITY, dialog_settings(), "push2talk"))
    )
    assert start["payload"]["input"]["dialog_id"] == DIALOG_ID
    assert start["header"] == GOLDEN_START["header"]


def test_start_leaves_out_a_workspace_that_is_not_known() -> None:
    identity = ClientInfo("mm_0123", "", "user-7", "board-7", "other-model")
    payload = start_payload(identity, dialog_settings(), "push2talk")
    assert payload["input"] == {"app_id": "mm_0123"}
    assert payload["model"] == "other-model"


def test_start_carries_what_is_known_of_the_board_and_its_application() -> None:
    words = [{"source": "M mid", "target": "mmid", "match_mode": "partial"}]
    identity = replace(
        IDENTITY,
        network_ip="203.0.113.7",
        biz_params={"user_prompt_params": {"room": "kitchen"}},
        replace_words=words,
    )
    start = start_payload(identity, dialog_settings(sandbox=True), "push2talk")
    assert start["input"]["sandbox"] is True
    parameters = start["parameters"]
    assert parameters["client_info"]["network"] == {"ip": "203.0.113.7"}
    assert parameters["biz_params"] == {"user_prompt_params": {"room": "kitchen"}}
    assert parameters["upstream"]["asr_post_processing"] == {"replace_words": words}


# Each key of the table ``dialog``: what it becomes in Start; None: it is left out.
FIELDS = [
    ("work_mode", "tap2talk", "upstream.mode", "tap2talk"),
    ("work_mode", "duplex", "upstream.mode", "duplex"),
    ("upstream_mode", "raw-opus", "upstream.audio_format", "raw-opus"),
    ("us_sample_rate", 48000, "upstream.sample_rate", 48000),
    ("video", True, "upstream.type", "AudioAndVideo"),
    ("incremental_response", False, "downstream.incremental_response", None),
    ("incremental_response", True, "downstream.incremental_response", True),
    ("vocabulary_id", "", "upstream.vocabulary_id", None),
    ("vocabulary_id", "vocab-1", "upstream.vocabulary_id", "vocab-1"),
    ("voice", "", "downstream.voice", None),
    ("voice", "longxiaochun_v2", "downstream.voice", "longxiaochun_v2"),
    ("downstream_mode", "mp3", "downstream.audio_format", "mp3"),
    ("ds_sample_rate", 8000, "downstream.sample_rate", 8000),
    ("volume", 0, "downstream.volume", 0),
    ("speech_rate", 200, "downstream.speech_rate", 200),
    ("pitch_rate", 50, "downstream.pitch_rate", 50),
    ("text_mode", "both", "downstream.intermediate_text", "transcript,dialog"),
    ("text_mode", "asr", "downstream.intermediate_text", "transcript"),
    ("text_mode", "llm", "downstream.intermediate_text", "dialog"),
    ("text_mode", "none", "downstream.intermediate_text", ""),
    ("transmit_rate_limit", 0, "downstream.transmit_rate_limit", None),
    ("transmit_rate_limit", 96000, "downstream.transmit_rate_limit", 96000),
    ("frame_size", 20, "downstream.frame_size", None),
    ("bit_rate", 64, "downstream.bit_rate", None),
    ("enable_cbr", True, "downstream.enable_cbr", None),
    ("city_name", "杭州", "client_info.location", {"city_name": "杭州"}),
    (
        "coordinates",
        "30.27,-120.1",
        "client_info.location",
        {"latitude": "30.27", "longitude": "-120.1"},
    ),
]


def start_field(dialog: Dialog, path: str) -> Any:
    """Return one parameter of Start; None if it is not there."""
    value: Any = start_payload(IDENTITY, dialog, dialog.work_mode)["parameters"]
    for key in path.split("."):
        value = value.get(key)
    return value


@pytest.mark.parametrize(("key", "value", "path", "wire"), FIELDS)
def test_each_setting_has_its_place_in_start(key: str, value: Any, path: str, wire: Any) -> None:
    found = start_field(dialog_settings(**{key: value}), path)
    assert (found, type(found)) == (wire, type(wire))


@pytest.mark.parametrize("codec", ["opus", "raw-opus"])
def test_the_opus_settings_are_sent_with_an_opus_codec_only(codec: Any) -> None:
    dialog = dialog_settings(downstream_mode=codec, frame_size=20, bit_rate=64)
    assert start_field(dialog, "downstream.frame_size") == 20
    assert start_field(dialog, "downstream.bit_rate") == 64
    assert start_field(dialog, "downstream.enable_cbr") is None
    constant = dialog_settings(downstream_mode=codec, enable_cbr=True)
    assert start_field(constant, "downstream.enable_cbr") is True


def payload(frame: str) -> Any:
    """Return the payload of one of our frames, whose header must be a directive's."""
    written = json.loads(frame)
    assert written["header"] == {
        "action": "continue-task",
        "task_id": TASK_ID,
        "streaming": "duplex",
    }
    return written["payload"]


def test_a_directive_is_the_documents_frame() -> None:
    frame = Frames(TASK_ID, DIALOG_ID).directive("SendSpeech")
    assert payload(frame) == {"input": {"directive": "SendSpeech", "dialog_id": DIALOG_ID}}


def test_a_directive_names_the_dialog_that_started_named_last() -> None:
    frames = Frames(TASK_ID, "")
    assert payload(frames.directive("HeartBeat")) == {"input": {"directive": "HeartBeat"}}
    frames.dialog_id = DIALOG_ID
    assert payload(frames.directive("HeartBeat"))["input"]["dialog_id"] == DIALOG_ID


def test_a_question_is_the_documents_frame() -> None:
    frames = Frames(TASK_ID, DIALOG_ID)
    given = {"directive": "RequestToRespond", "dialog_id": DIALOG_ID, "type": "prompt"}
    assert payload(frames.request_to_respond("prompt", "多少?")) == {
        "input": {**given, "text": "多少?"}
    }
    asked = frames.request_to_respond("prompt", "", [b"\xff\xd8\xff"], {"videos": []})
    assert payload(asked) == {
        "input": {**given, "text": ""},
        "parameters": {
            "images": [{"type": "base64", "value": "/9j/"}],
            "biz_params": {"videos": []},
        },
    }


def test_what_the_board_tells_is_the_documents_frame() -> None:
    status = {"phone_ringing": {"status": "stopped"}}
    told = Frames(TASK_ID, DIALOG_ID).update_info([b"\xff\xd8\xff"], status, {"a": 1})
    assert payload(told) == {
        "input": {"directive": "UpdateInfo", "dialog_id": DIALOG_ID},
        "parameters": {
            "images": [{"type": "base64", "value": "/9j/"}],
            "client_info": {"status": status},
            "biz_params": {"a": 1},
        },
    }


@pytest.mark.parametrize("size", [0, IMAGE_LIMIT_BYTES + 1])
def test_an_image_that_the_cloud_would_refuse_is_refused_here(size: int) -> None:
    with pytest.raises(InvalidArgument, match=f"{IMAGE_LIMIT_BYTES} bytes .* not {size};"):
        Frames(TASK_ID, "").request_to_respond("prompt", "", [bytes(size)])


def test_an_image_at_the_limit_is_sent() -> None:
    assert Frames(TASK_ID, "").request_to_respond("prompt", "", [bytes(IMAGE_LIMIT_BYTES)])


NO_JSON: list[Any] = [{"a": object()}, {"a": float("nan")}, {"a": b"bytes"}]


@pytest.mark.parametrize("biz_params", NO_JSON, ids=["object", "nan", "bytes"])
def test_parameters_that_are_no_json_are_refused(biz_params: Any) -> None:
    with pytest.raises(InvalidArgument, match="JSON"):
        Frames(TASK_ID, "").request_to_respond("prompt", "", (), biz_params)


def test_a_message_that_is_too_large_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="1024 KiB"):
        Frames(TASK_ID, "").request_to_respond("prompt", "x" * 1_100_000)


def test_stop_is_the_only_finish_task() -> None:
    assert json.loads(Frames(TASK_ID, DIALOG_ID).stop()) == {
        "header": {"action": "finish-task", "task_id": TASK_ID, "streaming": "duplex"},
        "payload": {"input": {"directive": "Stop", "dialog_id": DIALOG_ID}},
    }

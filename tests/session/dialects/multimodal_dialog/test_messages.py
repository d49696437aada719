"""Frames are those of the protocol's document, out and in."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmid.errors import MalformedMessage
from mmid.session.dialects.multimodal_dialog.messages import (
    Failed,
    Frames,
    Identity,
    Output,
    Started,
    parse,
    start_payload,
)
from mmid.settings import Dialog
from tests.session.dialects.multimodal_dialog.cloud_frames import (
    TASK_ID,
    output_frame,
    server_frame,
)

IDENTITY = Identity("mm_0123", "llm-9876", "user-7", "board-7", "multimodal-dialog")
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
    assert json.loads(frames.start(start_payload(IDENTITY, Dialog()))) == GOLDEN_START


def test_start_names_the_dialog_to_go_on_with() -> None:
    start = json.loads(Frames(TASK_ID, DIALOG_ID).start(start_payload(IDENTITY, Dialog())))
    assert start["payload"]["input"]["dialog_id"] == DIALOG_ID
    assert start["header"] == GOLDEN_START["header"]


def test_start_leaves_out_a_workspace_that_is_not_known() -> None:
    identity = Identity("mm_0123", "", "user-7", "board-7", "other-model")
    payload = start_payload(identity, Dialog())
    assert payload["input"] == {"directive": "Start", "app_id": "mm_0123"}
    assert payload["model"] == "other-model"


# Each key of the table ``dialog``: what it becomes in Start; None: it is left out.
FIELDS = [
    ("work_mode", "tap2talk", "upstream.mode", "tap2talk"),
    ("work_mode", "duplex", "upstream.mode", "duplex"),
    ("upstream_mode", "raw-opus", "upstream.audio_format", "raw-opus"),
    ("us_sample_rate", 48000, "upstream.sample_rate", 48000),
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
]


def start_field(dialog: Dialog, path: str) -> Any:
    """Return one parameter of Start; None if it is not there."""
    value: Any = start_payload(IDENTITY, dialog)["parameters"]
    for key in path.split("."):
        value = value.get(key)
    return value


@pytest.mark.parametrize(("key", "value", "path", "wire"), FIELDS)
def test_each_setting_has_its_place_in_start(key: str, value: Any, path: str, wire: Any) -> None:
    found = start_field(Dialog(**{key: value}), path)
    assert (found, type(found)) == (wire, type(wire))


@pytest.mark.parametrize("codec", ["opus", "raw-opus"])
def test_the_opus_settings_are_sent_with_an_opus_codec_only(codec: Any) -> None:
    dialog = Dialog(downstream_mode=codec, frame_size=20, bit_rate=64)
    assert start_field(dialog, "downstream.frame_size") == 20
    assert start_field(dialog, "downstream.bit_rate") == 64


def test_a_directive_is_the_documents_frame() -> None:
    frames = Frames(TASK_ID, DIALOG_ID)
    assert json.loads(frames.directive("RequestToRespond", type="prompt", text="多少?")) == {
        "header": {"action": "continue-task", "task_id": TASK_ID, "streaming": "duplex"},
        "payload": {
            "input": {
                "directive": "RequestToRespond",
                "dialog_id": DIALOG_ID,
                "type": "prompt",
                "text": "多少?",
            }
        },
    }


def test_stop_is_the_only_finish_task() -> None:
    assert json.loads(Frames(TASK_ID, DIALOG_ID).stop()) == {
        "header": {"action": "finish-task", "task_id": TASK_ID, "streaming": "duplex"},
        "payload": {"input": {"directive": "Stop", "dialog_id": DIALOG_ID}},
    }


def test_a_directive_without_a_dialog_id_leaves_it_out() -> None:
    frame = json.loads(Frames(TASK_ID, "").directive("HeartBeat"))
    assert frame["payload"] == {"input": {"directive": "HeartBeat"}}


# --- what the cloud sends ----------------------------------------------------------------------

EXAMPLE = (
    '{"header":{"event":"result-generated","task_id":"0123"},"payload":{"output":'
    '{"event":"SpeechContent","dialog_id":"d-1","text":"hi","finished":false}}}'
)
READ = [
    (EXAMPLE, Output("SpeechContent", dialog_id="d-1", text="hi")),
    (server_frame("task-started"), Started(finished=False)),
    (server_frame("task-finished"), Started(finished=True)),
    ('{"header":{"event":"task-started"}}', Started(finished=False)),
    (server_frame("task-failed ResponseTimeout"),
     Failed("ResponseTimeout", "ResponseTimeout", "so it is")),
    ('{"header":{"event":"task-failed"}}', Failed("task-failed", "task-failed", "")),
    (server_frame("fatal 433 BillingAuthError"), Failed("433", "BillingAuthError", "so it is")),
    ('{"header":{"event":"result-generated","status_code":"449"}}', Failed("449", "449", "")),
    (server_frame("Error 451 NoSpeechRecognized"),
     Output("Error", error_code="451", error_name="NoSpeechRecognized", error_message="so it is")),
    (output_frame("Error", error_code="451"), Output("Error", error_code="451")),
    (output_frame("DialogStateChanged", state="Listening", more=[1]),
     Output("DialogStateChanged", state="Listening")),
    (output_frame("SpeechContent", text=None, finished=True),
     Output("SpeechContent", finished=True)),
    ('{"header":{"event":"result-generated","status_code":200},"payload":{"output":{"event":"x"}}}',
     Output("x")),
    ('{"header":{}}', None),
    ('{"header":{"event":"never-heard-of"},"payload":{"output":{"event":"x"}}}', None),
    ('{"header":{"event":"result-generated"},"payload":{}}', None),
    ('{"header":{"event":"result-generated"},"payload":null}', None),
    ('{"header":{"event":"result-generated"},"payload":{"output":{}}}', None),
    ('{"header":{"event":"result-generated"},"payload":{"usage":{}}}', None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), READ)
def test_a_frame_is_read_as_the_document_means_it(text: str, message: object) -> None:
    assert parse(text) == message


def test_a_malformed_message_names_the_field_and_its_type_but_not_what_was_said() -> None:
    with pytest.raises(MalformedMessage, match="sent 'text' as list") as malformed:
        parse(output_frame("SpeechContent", text=["a secret plan"]))
    assert "plan" not in str(malformed.value)


NESTS = ["%s", '{"header":%s}', '{"header":{"event":%s}}',
         '{"header":{"event":"result-generated"},"payload":%s}',
         '{"header":{"event":"result-generated"},"payload":{"output":{"text":%s}}}']  # fmt: skip


@pytest.mark.parametrize("outer", NESTS)
def test_nesting_of_any_depth_is_read_or_refused(outer: str) -> None:
    # Around a thousand the interpreter's own limit falls; far beyond it, a naive
    # parser would overrun its stack.
    for depth in [*range(1, 50), *range(900, 1050), 10_000, 200_000]:
        for left, right in ("[", "]"), ('{"a":', "}"):
            inner = "1" if left != "[" else ""
            try:
                message = parse(outer % (left * depth + inner + right * depth))
            except MalformedMessage as error:
                assert len(str(error)) < 250  # noqa: PT017 - refusing is one of two right answers
            else:
                assert message is None or isinstance(message, Output)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
KNOWN = st.sampled_from(["event", "status_code", "error_code", "state", "text", "finished"])
NEARLY = st.fixed_dictionaries(
    {"header": st.dictionaries(KNOWN, JSON | st.just("result-generated"))},
    optional={"payload": JSON | st.fixed_dictionaries({"output": st.dictionaries(KNOWN, JSON)})},
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(frame=JSON | NEARLY)
def test_any_json_is_read_or_refused_and_never_breaks(frame: Any) -> None:
    try:
        message = parse(json.dumps(frame))
    except MalformedMessage:
        return
    assert message is None or isinstance(message, (Started, Failed, Output))
    if isinstance(message, Output):
        texts = (message.event, message.state, message.text, message.error_code)
        assert all(isinstance(text, str) for text in texts)
        assert isinstance(message.finished, bool)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(text=st.text(max_size=40))
def test_any_text_is_read_or_refused_and_never_breaks(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse(text)

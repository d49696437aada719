"""Whole dialogs whose frames were bent: whatever comes can be told, sent and kept.

``python -m pytest --hypothesis-profile=search --timeout=0`` on this file looks further.
"""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import CallerError
from mmid.session.effects import Close, Effect, Emit, Note, SaveDialog, Send, SetLoudness
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import output_frame, server_frame
from tests.session.dialects.multimodal_dialog.stage_routes import MODES
from tests.session.dialects.multimodal_dialog.trace import Rehearsal, dialect

# A dialog with two turns, as a cloud and a board hold it; lines of ``trace``.
DIALOG = [
    "open", "< task-started", "< Started d-1", "< state Listening",
    "press", "mic hello", "< SpeechStarted", "< SpeechContent partial hi", "release",
    "< SpeechContent final hi", "< SpeechEnded", "< state Thinking", "< state Responding",
    "< RespondingStarted", "<< head", "speaker starts", "< RespondingContent partial it",
    "command", "< RespondingContent final it is on", "< RespondingEnded", "48 s later",
    "< HeartBeat", "speaker drained", "< state Listening", "ask what", "< state Thinking",
    "interrupt", "< RequestAccepted", "< state Listening", "< Error 451 NoSpeechRecognized",
    "press", "cancel", "< state Idle", "< state Listening", "5 s later", "leave",
]  # fmt: skip

# So many of them are left as they are: else most dialogs would end before a turn.
BEGINNING = 4

COMMAND = output_frame(
    "RespondingContent",
    text="so",
    round_id="r-1",
    extra_info={
        "commands": [{"name": "set_volume", "params": [{"name": "to", "normValue": "30"}]}],
        "tool_calls": [{"id": "c-1", "function": {"name": "light", "arguments": "{}"}}],
    },
)

# What a writer of bad software, or an attacker, would put into a field: as texts, and else.
STRANGE_TEXTS = [
    "", "x" * 129, "x" * 5000, "\ud83d", "\ude00", "a\0b", "\x1b[31m", "200", "451", "30%", "1e400",
    "[" * 40, '[{"name":"mute"}]', '[{"name":"set_volume","params":[{"name":"to","value":NaN}]}]',
]  # fmt: skip
STRANGE: list[Any] = [
    None, True, 0, -1, 1e308, 10**400, [], {}, [[[]]], {"name": {"a": []}}, ["\ud83d"] * 20,
    json.loads("[" * 500 + "]" * 500),
]  # fmt: skip


def bent(value: Any, random: Random) -> Any:
    """Return JSON of which one member, at any depth, is strange, missing or repeated."""
    if value and isinstance(value, list):
        return [bent(random.choice(value), random)] * random.choice([1, 2, 40])
    if value and isinstance(value, dict) and random.random() < 0.95:
        key = random.choice(list(value))
        return {**value, key: bent(value[key], random)}
    kind = STRANGE_TEXTS if isinstance(value, str) and random.random() < 0.8 else STRANGE
    return random.choice(kind)


def frame(line: str, random: Random) -> str:
    """Return a line's frame: as it is, bent as JSON, or with a character replaced."""
    text = COMMAND if line == "command" else server_frame(line.removeprefix("< "))
    how = random.random()
    if how < 0.4:
        return text
    if how < 0.9:
        return json.dumps(bent(json.loads(text), random), ensure_ascii=random.random() < 0.5)
    place = random.randrange(len(text))
    return text[:place] + random.choice('{}[]",:\\u\0\ud83d') + text[place + 1 :]


def check(effect: Effect) -> None:
    """Fail if an effect could not be carried out."""
    match effect:
        case Emit(event):
            texts = [getattr(event, key) for key in event.__dataclass_fields__]
            assert all(text.encode() is not None for text in texts)
            if hasattr(event, "params_json"):
                json.loads(event.params_json, parse_constant=pytest.fail)
        case Send(text):
            assert json.loads(text)["header"]["action"]
        case Note(text):
            assert len(text.encode()) < 4096
        case SaveDialog(dialog_id):
            assert len(dialog_id.encode()) <= 4 * 128
        case SetLoudness():
            assert 0 <= effect.applied(50, False)[0] <= 100
        case Close(error):
            assert str(error).encode()


@given(seed=st.integers(0, 2**64), mode=st.sampled_from(MODES), whole=st.booleans())
def test_a_dialog_of_bent_frames_is_lived_through(seed: int, mode: Any, whole: bool) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    rehearsal = Rehearsal(dialect(dialog_settings(work_mode=mode, incremental_response=not whole)))
    for number, line in enumerate(DIALOG):
        if number >= BEGINNING and random.random() < 0.1:
            continue
        if number >= BEGINNING and (line == "command" or line.startswith("< ")):
            effects = rehearsal.dialect.receive_text(frame(line, random), rehearsal.now)
        else:
            effects = rehearsal.do(line)
        for effect in effects:
            if not isinstance(getattr(effect, "error", None), CallerError):  # that is an answer
                check(effect)
    rehearsal.do("leave")
    assert rehearsal.dialect.deadline == float("inf"), "it is over"

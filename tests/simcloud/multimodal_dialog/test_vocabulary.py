"""What the cloud understands of a scenario file."""

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.faults import Fault
from mmid.simcloud.multimodal_dialog import vocabulary
from mmid.simcloud.multimodal_dialog.vocabulary import VOCABULARY


@pytest.mark.parametrize(
    ("do", "means"),
    [
        ("error:451", "turn-error:451:NoSpeechRecognized:nothing was said"),
        ("error:500", "turn-error:500:InternalLLMError:the model failed"),
        ("error:LLMTimeoutError", "turn-error:500:LLMTimeoutError:the model took too long"),
        ("error:449:calm: down", "fatal:449:TooManyInterrupt:calm: down"),
        ("error:Model.AccessDenied:no", "task-failed:Model.AccessDenied:no"),
    ],
)
def test_a_documented_error_is_said_in_its_own_shape(do: str, means: str) -> None:
    assert str(VOCABULARY.read(Fault("Thinking", do))) == means


def test_an_error_that_no_document_has_is_refused() -> None:
    with pytest.raises(SettingsInvalid, match="no document has the error 'InternalTeapotError'"):
        VOCABULARY.read(Fault("Thinking", "error:InternalTeapotError"))


def test_every_documented_error_can_be_said() -> None:
    for word in VOCABULARY.errors:
        said = VOCABULARY.read(Fault("Thinking", f"error:{word}"))
        assert str(VOCABULARY.read(Fault("Thinking", str(said)))) == str(said)


def test_the_documentation_names_every_fault_and_every_key() -> None:
    told = vocabulary.__doc__ or ""
    keys = (*vocabulary.DialogRules.__slots__, *vocabulary.ReplyExtras.__slots__)
    for name in (*VOCABULARY.faults, *keys):
        assert f"\n    {name}" in told

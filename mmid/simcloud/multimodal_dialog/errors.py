"""The errors that the documents of ``multimodal-dialog`` name, and the shape of each.

Fact sheet, section 11. The gateway fails the task; a fatal error of the service
closes the connection; a turn error ends the turn, and the dialog goes on.
"""

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How an error is said: the fault that says it."""

    GATEWAY = "task-failed"
    FATAL = "fatal"
    TURN = "turn-error"


@dataclass(frozen=True, slots=True)
class DialogError:
    """One documented error.

    Attributes:
        code: its number, or the gateway's word.
        name: its name; the gateway's errors have no other than their code.
        shape: how it is said.
        meaning: what the service says about it, if a scenario has no other words.
    """

    code: str
    name: str
    shape: Shape
    meaning: str


def _gateway(code: str, meaning: str) -> DialogError:
    return DialogError(code, code, Shape.GATEWAY, meaning)


ERRORS = (
    _gateway("AccessDenied.Unpurchased", "the service is not activated"),
    _gateway("Model.AccessDenied", "not the default workspace"),
    _gateway("ResponseTimeout", "no message for too long; send HeartBeat"),
    DialogError("421", "InvalidParameter", Shape.FATAL, "a parameter is wrong"),
    DialogError("422", "DirectiveNotSupported", Shape.FATAL, "unknown directive"),
    DialogError("424", "AudioFormatError", Shape.FATAL, "the audio cannot be decoded"),
    DialogError("425", "NoInputAudioError", Shape.TURN, "no usable audio"),
    DialogError("426", "InvalidTtsVoice", Shape.TURN, "the voice is not one of this model"),
    DialogError("432", "AppConfigError", Shape.FATAL, "the application is not configured"),
    DialogError("433", "BillingAuthError", Shape.FATAL, "billing is not active"),
    DialogError("444", "ClientAudioTimeout", Shape.FATAL, "no audio for too long"),
    DialogError("449", "TooManyInterrupt", Shape.FATAL, "too many interruptions"),
    DialogError("451", "NoSpeechRecognized", Shape.TURN, "nothing was said"),
    DialogError("500", "InternalLLMError", Shape.TURN, "the model failed"),
    DialogError("500", "InternalAsrError", Shape.TURN, "the recognition failed"),
    DialogError("500", "InternalSynthesizerError", Shape.TURN, "the synthesis failed"),
    DialogError("500", "LLMTimeoutError", Shape.TURN, "the model took too long"),
)


def find_error(word: str) -> DialogError | None:
    """Return the error with this name, or the first with this code; None if there is none."""
    named = [error for error in ERRORS if error.name == word]
    return next(iter(named or [error for error in ERRORS if error.code == word]), None)

"""What ``multimodal-dialog`` understands of a scenario file: its keys, moments and faults.

Its own table in the file, with the defaults:

    [multimodal-dialog]
    idle_s = 60.0          # without a text frame to the client: ResponseTimeout
    audio_s = 20.0         # without audio where the work mode needs it: ClientAudioTimeout
    interrupts = 5         # RequestToSpeak and RequestToRespond in 2 s, more: TooManyInterrupt;
                           # 0: any number
    speech_ended = true    # send SpeechEnded, which the documents call optional
    after_cancel = "Listening"  # or "Idle": the state that CancelSpeech leads to

and in a turn:

    [turn.multimodal-dialog]
    commands_form = "string"  # JSON within JSON, as documented; or "array", as other pages have it
    extra_info = {}        # further members of extra_info, sent as they are
    extra_in = "last"      # the text that extra_info rides on: the "last", or "every" one

A fault's moment is a directive, an event or a state by its name. Its own faults:

    task-failed:CODE:MESSAGE       any error of the gateway; closes
    fatal:STATUS:NAME:MESSAGE      any error of the service; closes
    turn-error:CODE:NAME:MESSAGE   any error that ends the turn, then Listening
    wrong-types                    text frames with lists, numbers and null for objects and strings
    unknown-event                  an event that no document names
    unknown-state                  a state that no document names
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from mmid.simcloud.core.faults import Arguments, Vocabulary

_DIRECTIVES = (
    "Start Stop RequestToSpeak SendSpeech StopSpeech CancelSpeech RequestToRespond "
    "LocalRespondingStarted LocalRespondingEnded UpdateInfo HeartBeat"
)
_EVENTS = (
    "task-started task-finished Started Stopped RequestAccepted SpeechStarted SpeechContent "
    "SpeechEnded RespondingStarted RespondingContent RespondingEnded Error Idle Listening "
    "Thinking Responding"
)
_STATUS = range(1000)

# The documented errors (fact sheet, section 11). The gateway fails the task; a fatal error
# of the service closes the connection; a turn error ends the turn, and the dialog goes on.
_GATEWAY = {
    "AccessDenied.Unpurchased": "the service is not activated",
    "Model.AccessDenied": "not the default workspace",
    "ResponseTimeout": "no message for too long; send HeartBeat",
}
_ERRORS = (
    ("421", "InvalidParameter", "fatal", "a parameter is wrong"),
    ("422", "DirectiveNotSupported", "fatal", "unknown directive"),
    ("424", "AudioFormatError", "fatal", "the audio cannot be decoded"),
    ("425", "NoInputAudioError", "turn-error", "no usable audio"),
    ("426", "InvalidTtsVoice", "turn-error", "the voice is not one of this model"),
    ("432", "AppConfigError", "fatal", "the application is not configured"),
    ("433", "BillingAuthError", "fatal", "billing is not active"),
    ("444", "ClientAudioTimeout", "fatal", "no audio for too long"),
    ("449", "TooManyInterrupt", "fatal", "too many interruptions"),
    ("451", "NoSpeechRecognized", "turn-error", "nothing was said"),
    # A scenario that says 500 means the first of these.
    ("500", "InternalLLMError", "turn-error", "the model failed"),
    ("500", "InternalAsrError", "turn-error", "the recognition failed"),
    ("500", "InternalSynthesizerError", "turn-error", "the synthesis failed"),
    ("500", "LLMTimeoutError", "turn-error", "the model took too long"),
)


@dataclass(frozen=True, slots=True)
class DialogRules:
    """The cloud's own table of a scenario file."""

    idle_s: float = 60.0
    audio_s: float = 20.0
    interrupts: int = 5
    speech_ended: bool = True
    after_cancel: Literal["Listening", "Idle"] = "Listening"


@dataclass(frozen=True, slots=True)
class ReplyExtras:
    """The cloud's own table of a turn."""

    commands_form: Literal["string", "array"] = "string"
    extra_info: Mapping[str, Any] = field(default_factory=dict)
    extra_in: Literal["last", "every"] = "last"


def _errors() -> dict[str, tuple[str, str]]:
    """Return how each error is said, by name and by code."""
    errors = {code: (f"task-failed:{code}", meaning) for code, meaning in _GATEWAY.items()}
    for code, name, fault, meaning in _ERRORS:
        errors[name] = (f"{fault}:{code}:{name}", meaning)
        errors.setdefault(code, errors[name])
    return errors


VOCABULARY = Vocabulary(
    coming=tuple(_DIRECTIVES.split()),
    going=tuple(_EVENTS.split()),
    faults={
        "task-failed": Arguments(2, 2),
        "fatal": Arguments(3, 3, _STATUS),
        "turn-error": Arguments(3, 3, _STATUS),
        "wrong-types": Arguments(),
        "unknown-event": Arguments(),
        "unknown-state": Arguments(),
    },
    errors=_errors(),
    table=DialogRules,
    turn_table=ReplyExtras,
)

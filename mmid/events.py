"""The dialog's events and states: what the outside world hears.

One small frozen dataclass for each event of the vendor's SDK, in the order of
its enumeration (``C_MMI_EVENT_*``, multimodal-dialog section 12). The class
name is the D-Bus signal name; the fields are the signal's arguments in order.
USER_CONFIG has no event: settings do its work.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = [
    "AsrComplete",
    "AsrEnd",
    "AsrIncomplete",
    "AsrStart",
    "Command",
    "DataDeinit",
    "DataInit",
    "Error",
    "Event",
    "Heartbeat",
    "LlmComplete",
    "LlmIncomplete",
    "SpeechPrepare",
    "SpeechReady",
    "SpeechRestart",
    "SpeechStart",
    "State",
    "TtsEnd",
    "TtsStart",
]


class State(StrEnum):
    """What the dialog is doing, as the D-Bus property ``State`` says it."""

    OFFLINE = "offline"
    CONNECTING = "connecting"
    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    RESPONDING = "responding"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the dialog."""

    sdk_name: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class DataInit(Event):
    """The credential is there; the connection is opened now."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_DATA_INIT"


@dataclass(frozen=True, slots=True)
class SpeechReady(Event):
    """The connection is usable: its first Listening."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_READY"


@dataclass(frozen=True, slots=True)
class SpeechPrepare(Event):
    """Ready for a new round: each Listening."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_PREPARE"


@dataclass(frozen=True, slots=True)
class SpeechStart(Event):
    """The upload of speech begins."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_START"


@dataclass(frozen=True, slots=True)
class SpeechRestart(Event):
    """The upload of speech begins after an interruption."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_RESTART"


@dataclass(frozen=True, slots=True)
class DataDeinit(Event):
    """The session is over; the connection is closed."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_DATA_DEINIT"


@dataclass(frozen=True, slots=True)
class AsrStart(Event):
    """The cloud hears speech."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_START"


@dataclass(frozen=True, slots=True)
class AsrIncomplete(Event):
    """What was understood so far: always the whole text, never a delta."""

    text: str
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_INCOMPLETE"


@dataclass(frozen=True, slots=True)
class AsrComplete(Event):
    """What was understood, final."""

    text: str
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_COMPLETE"


@dataclass(frozen=True, slots=True)
class AsrEnd(Event):
    """The cloud heard the end of speech; the upload stops."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_END"


@dataclass(frozen=True, slots=True)
class LlmIncomplete(Event):
    """The reply's text so far: always the whole text, never a delta."""

    text: str
    sdk_name: ClassVar[str] = "C_MMI_EVENT_LLM_INCOMPLETE"


@dataclass(frozen=True, slots=True)
class LlmComplete(Event):
    """The reply's text, final."""

    text: str
    sdk_name: ClassVar[str] = "C_MMI_EVENT_LLM_COMPLETE"


@dataclass(frozen=True, slots=True)
class TtsStart(Event):
    """The reply's audio begins to arrive."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_TTS_START"


@dataclass(frozen=True, slots=True)
class TtsEnd(Event):
    """The reply's audio has arrived whole (not: has been played)."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_TTS_END"


@dataclass(frozen=True, slots=True)
class Heartbeat(Event):
    """The cloud answered a heartbeat."""

    sdk_name: ClassVar[str] = "C_MMI_EVENT_HEART_BEAT"


@dataclass(frozen=True, slots=True)
class Command(Event):
    """The cloud asks the device to do something, or tells of a tool that it called itself.

    Attributes:
        name: the instruction's name, such as ``VOLUME_SET``; ``tool_call`` for a tool.
        params_json: its parameters, a JSON array of ``{name, value}`` and more, as the
            cloud wrote it.
    """

    name: str
    params_json: str
    sdk_name: ClassVar[str] = "C_MMI_EVENT_COMMAND"


@dataclass(frozen=True, slots=True)
class Error(Event):
    """Something a user would notice went wrong.

    Attributes:
        code: a license code as decimal text, the cloud's name or code, or a
            word of ``mmid.errors``.
        message: one sentence for a person.
    """

    code: str
    message: str
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ERROR"

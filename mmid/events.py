"""The dialog's events and states: what the outside world hears.

One small frozen dataclass for each event of the vendor's SDK, in the order of
its enumeration (``C_MMI_EVENT_*``, multimodal-dialog section 12). The class
name is the D-Bus signal name; the fields are the signal's arguments in order.
USER_CONFIG has no event: settings do its work.

A dataclass takes half a millisecond to make, and these are made at each start: an
event that adds no field to its base is frozen, compares and prints as that is.
"""

from enum import StrEnum
from typing import ClassVar

from mmid.frozen import frozen

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


@frozen
class Event:
    """Something that happened in the dialog."""

    sdk_name: ClassVar[str] = ""


@frozen
class _Text(Event):
    """What somebody said, so far or in the end."""

    text: str


class DataInit(Event):
    """The credential is there; the connection is opened now."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_DATA_INIT"


class SpeechReady(Event):
    """The connection is usable: its first Listening."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_READY"


class SpeechPrepare(Event):
    """Ready for a new round: each Listening."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_PREPARE"


class SpeechStart(Event):
    """The upload of speech begins."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_START"


class SpeechRestart(Event):
    """The upload of speech begins after an interruption."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_SPEECH_RESTART"


class DataDeinit(Event):
    """The session is over; the connection is closed."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_DATA_DEINIT"


class AsrStart(Event):
    """The cloud hears speech."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_START"


class AsrIncomplete(_Text):
    """What was understood so far: always the whole text, never a delta."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_INCOMPLETE"


class AsrComplete(_Text):
    """What was understood, final."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_COMPLETE"


class AsrEnd(Event):
    """The cloud heard the end of speech; the upload stops."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_ASR_END"


class LlmIncomplete(_Text):
    """The reply's text so far: always the whole text, never a delta."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_LLM_INCOMPLETE"


class LlmComplete(_Text):
    """The reply's text, final."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_LLM_COMPLETE"


class TtsStart(Event):
    """The reply's audio begins to arrive."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_TTS_START"


class TtsEnd(Event):
    """The reply's audio has arrived whole (not: has been played)."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_TTS_END"


class Heartbeat(Event):
    """The cloud answered a heartbeat."""

    __slots__ = ()
    sdk_name: ClassVar[str] = "C_MMI_EVENT_HEART_BEAT"


@frozen
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


@frozen
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

"""The dialog's events and states: what the outside world hears.

One small frozen record for each event of the vendor's SDK, in the order of its
enumeration (``C_MMI_EVENT_*``, multimodal-dialog section 12). The class name is the
D-Bus signal name; the fields are the signal's arguments in order. org.mmid1(5) lists
which event of the SDK each one is. USER_CONFIG has no event: settings do its work.

An event that adds no field to its base needs no ``frozen`` of its own: it is immutable,
compares and prints as its base does.
"""

from enum import StrEnum

from mmid.frozen import frozen


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


@frozen
class _Text(Event):
    """What somebody said, so far or in the end."""

    text: str


class DataInit(Event):
    """The credential is there; the connection is opened now."""


class SpeechReady(Event):
    """The connection is usable: its first Listening."""


class SpeechPrepare(Event):
    """Ready for a new round: each Listening."""


class SpeechStart(Event):
    """The upload of speech begins."""


class SpeechRestart(Event):
    """The upload of speech begins after an interruption."""


class DataDeinit(Event):
    """The session is over; the connection is closed."""


class AsrStart(Event):
    """The cloud hears speech."""


class AsrIncomplete(_Text):
    """What was understood so far: always the whole text, never a delta."""


class AsrComplete(_Text):
    """What was understood, final."""


class AsrEnd(Event):
    """The cloud heard the end of speech; the upload stops."""


class LlmIncomplete(_Text):
    """The reply's text so far: always the whole text, never a delta."""


class LlmComplete(_Text):
    """The reply's text, final."""


class DisplayText(_Text):
    """What a screen shows of the reply, final, where it is not what is spoken."""


class TtsStart(Event):
    """The reply's audio begins to arrive."""


class TtsEnd(Event):
    """The reply's audio has arrived whole (not: has been played)."""


class Heartbeat(Event):
    """The cloud answered a heartbeat."""


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


@frozen
class Error(Event):
    """Something a user would notice went wrong.

    Attributes:
        code: a license code as decimal text, the cloud's name or code, or a
            word of ``mmid.errors``.
        message: one sentence for a person.
        remedy: what to do, if more is known than the code tells. ``LastError`` has it, the
            signal has no argument for it.
    """

    code: str
    message: str
    remedy: str = ""


# Codes of an ``Error`` in mid turn that are a caller's own, or heal: the reply may still come.
REPLY_MAY_COME = frozenset({"busy", "not-talking", "tool", "network-slow"})

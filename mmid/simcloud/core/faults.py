"""What may go wrong in a simulated cloud, and when: the ``[[fault]]`` tables of a scenario.

``when`` is a moment, one of

    Upgrade                        the HTTP request that opens the WebSocket
    a directive                    Start, SendSpeech, StopSpeech, HeartBeat ...
    an event                       Started, SpeechStarted, RespondingEnded ...
    a state                        Idle, Listening, Thinking, Responding
    SpeechAudio, ReplyAudio        a binary frame

A fault strikes before a directive or a frame of speech is handled, and after an
event or a frame of a reply was sent. Moments are counted over all connections:
it strikes at the ``nth`` and at ``times`` occurrences in all. What it may ``do``:

    lose                           the directive, event or frame never arrives
    repeat[:N]                     the event or frame of a reply is sent N times more, or once
    delay:MS                       hold back the answer, or the event itself
    mute                           say nothing any more, keep the connection
    drop                           break the TCP connection
    close:CODE[:REASON]            close the WebSocket
    long-reason:CODE               close it with a reason longer than RFC 6455 allows, as the
                                   real service was seen to
    error:CODE[:MESSAGE]           a documented error, by code or by name, in its own shape
    task-failed:CODE:MESSAGE       any error of the gateway; closes
    fatal:STATUS:NAME:MESSAGE      any error of the service; closes
    turn-error:CODE:NAME:MESSAGE   any error that ends the turn, then Listening
    http:STATUS                    answer the upgrade with this status; at Upgrade only

    not-json                       a text frame that is not JSON
    wrong-types                    text frames with lists, numbers and null for objects and strings
    huge-text                      a text frame of more than 1 MiB
    invalid-utf8                   a text frame that is not UTF-8
    unknown-event                  an event that no document names
    unknown-state                  a state that no document names
    odd-binary                     a binary frame of 641 bytes
    early-binary                   a binary frame of 640 bytes that belongs to no reply
    empty-binary                   a binary frame of no bytes
    half-frame                     half of a binary frame, then the TCP connection breaks
    bad-opcode                     a frame with an opcode that RFC 6455 reserves
    text-flood:N                   N texts of a reply, at once
    audio-flood:N                  N binary frames of 8000 bytes that belong to no reply, at once
"""

from dataclasses import dataclass
from http import HTTPStatus

from mmid.errors import SettingsInvalid
from mmid.simcloud.multimodal_dialog.errors import Shape, find_error

UPGRADE = "Upgrade"
_DIRECTIVES = (
    "Start Stop RequestToSpeak SendSpeech StopSpeech CancelSpeech RequestToRespond "
    "LocalRespondingStarted LocalRespondingEnded UpdateInfo HeartBeat"
)
_EVENTS = (
    "task-started task-finished Started Stopped RequestAccepted SpeechStarted SpeechContent "
    "SpeechEnded RespondingStarted RespondingContent RespondingEnded Error Idle Listening "
    "Thinking Responding"
)
_COMING = (*_DIRECTIVES.split(), "SpeechAudio")
_GOING = (*_EVENTS.split(), "ReplyAudio")
MOMENTS = (UPGRADE, *_COMING, *_GOING)

# How many arguments each takes at least and at most; the last one may hold colons.
_ARGUMENTS = {
    "lose": (0, 0),
    "repeat": (0, 1),
    "delay": (1, 1),
    "mute": (0, 0),
    "drop": (0, 0),
    "close": (1, 2),
    "long-reason": (1, 1),
    "error": (1, 2),
    "task-failed": (2, 2),
    "fatal": (3, 3),
    "turn-error": (3, 3),
    "http": (1, 1),
    "not-json": (0, 0),
    "wrong-types": (0, 0),
    "huge-text": (0, 0),
    "invalid-utf8": (0, 0),
    "unknown-event": (0, 0),
    "unknown-state": (0, 0),
    "odd-binary": (0, 0),
    "early-binary": (0, 0),
    "empty-binary": (0, 0),
    "half-frame": (0, 0),
    "bad-opcode": (0, 0),
    "text-flood": (1, 1),
    "audio-flood": (1, 1),
}
# Those whose first argument is a number, and what it may be.
_NUMBERS = {
    "repeat": range(1, 1001),
    "delay": range(3_600_001),
    "close": (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)),
    "long-reason": range(1000, 5000),
    "fatal": range(1000),
    "turn-error": range(1000),
    "http": tuple(status.value for status in HTTPStatus if status >= HTTPStatus.MULTIPLE_CHOICES),
    "text-flood": range(1, 1_000_001),
    "audio-flood": range(1, 1_000_001),
}
_AT_UPGRADE = ("http", "delay", "drop")
_LONGEST_REASON = 123  # bytes; RFC 6455 section 5.5


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong: ``do`` with its ``arguments`` at the nth ``when``."""

    when: str
    do: str
    arguments: tuple[str, ...] = ()
    nth: int = 1
    times: int = 1

    @classmethod
    def parse(cls, when: str, do: str, nth: int = 1, times: int = 1) -> "Fault":
        """Make a fault from the words of a scenario file.

        Raises:
            SettingsInvalid: one of them is not allowed; the text names it.
        """
        if when not in MOMENTS:
            raise SettingsInvalid(f"when = {when!r}; allowed: {', '.join(MOMENTS)}")
        name, _, rest = do.partition(":")
        if name not in _ARGUMENTS:
            raise SettingsInvalid(f"do = {do!r}; allowed: {', '.join(_ARGUMENTS)}")
        least, most = _ARGUMENTS[name]
        arguments = tuple(rest.split(":", most - 1)) if rest and most else ()
        if len(arguments) < least or (rest and not most):
            raise SettingsInvalid(
                f"do = {do!r}: {name} takes {least} to {most} arguments after ':'"
            )
        _check(when, name, do, arguments)
        if nth < 1 or times < 1:
            raise SettingsInvalid(f"nth = {nth}, times = {times}: both count from 1")
        if name == "error":
            name, arguments = _documented(do, *arguments)
        return cls(when, name, arguments, nth, times)

    def __str__(self) -> str:
        """As a scenario would have it."""
        return ":".join((self.do, *self.arguments))


def _check(when: str, name: str, do: str, arguments: tuple[str, ...]) -> None:
    """Refuse what cannot be at this moment, and arguments out of range."""
    if when == UPGRADE and name not in _AT_UPGRADE:
        raise SettingsInvalid(f"do = {do!r}: at {UPGRADE} allowed: {', '.join(_AT_UPGRADE)}")
    if name == "http" and when != UPGRADE:
        raise SettingsInvalid(f"do = {do!r}: only at {UPGRADE}")
    if name == "repeat" and when not in _GOING:
        raise SettingsInvalid(f"do = {do!r}: only at what the cloud sends, not at {when}")
    if name in _NUMBERS and arguments:
        if not arguments[0].isdecimal():
            raise SettingsInvalid(f"do = {do!r}: {arguments[0]!r} must be a number")
        if int(arguments[0]) not in _NUMBERS[name]:
            codes = name == "close"
            what = "no server may send this close code" if codes else "the number is out of range"
            raise SettingsInvalid(f"do = {do!r}: {what}")
    if name == "close" and len("".join(arguments[1:]).encode()) > _LONGEST_REASON:
        raise SettingsInvalid(f"do = {do!r}: a reason has at most {_LONGEST_REASON} bytes")


def _documented(do: str, word: str, message: str = "") -> tuple[str, tuple[str, ...]]:
    """Return the fault that says a documented error, and its arguments."""
    error = find_error(word)
    if error is None:
        raise SettingsInvalid(f"do = {do!r}: no document has the error {word!r}")
    names = (error.code,) if error.shape is Shape.GATEWAY else (error.code, error.name)
    return error.shape.value, (*names, message or error.meaning)

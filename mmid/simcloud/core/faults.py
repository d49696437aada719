"""What may go wrong in a simulated cloud, and when: the ``[[fault]]`` tables of a scenario.

``when`` is a moment. Each cloud has its own; these exist wherever they make sense:

    Upgrade                        the HTTP request that opens the WebSocket
    SpeechAudio, ReplyAudio        a frame of speech, or of a reply
    a message of the client's, a message or a state of the cloud's, an HTTPS request

A fault strikes before what comes is handled, and after what goes was sent. Moments
are counted over all connections of a cloud: it strikes at the ``nth`` and at ``times``
occurrences in all. What it may ``do`` in every cloud; ``vocabulary`` in its folder has the rest:

    lose                           the message or frame never arrives; of an HTTPS request, which
                                   is handled, the answer
    repeat[:N]                     what the cloud sends is sent N times more, or once
    delay:MS                       hold back the answer, or what the cloud sends
    mute                           say nothing any more, keep the connection
    drop                           break the TCP connection; an HTTPS request is not handled
    close:CODE[:REASON]            close the WebSocket
    long-reason:CODE               close it with a reason longer than RFC 6455 allows, as a
                                   real service was seen to
    http:STATUS                    answer with this status; at Upgrade and at HTTPS requests
    body:TEXT                      answer with this body; at HTTPS requests
    error:WORD[:MESSAGE]           a documented error of the cloud, in the shape it has there

    not-json                       a text frame that is not JSON
    huge-text                      a text frame of more than 1 MiB
    invalid-utf8                   a text frame that is not UTF-8
    odd-binary                     a binary frame of 641 bytes
    early-binary                   a binary frame of 640 bytes that belongs to no reply
    empty-binary                   a binary frame of no bytes
    half-frame                     half of a binary frame, then the TCP connection breaks
    bad-opcode                     a frame with an opcode that RFC 6455 reserves
    text-flood:N                   N text frames, at once
    audio-flood:N                  N binary frames of 8000 bytes that belong to no reply, at once
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from mmid.errors import SettingsInvalid

UPGRADE = "Upgrade"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a fault takes after its name.

    Attributes:
        least: how many at least.
        most: how many at most; the last one may hold colons.
        numbers: what the first one may be, if it is a number.
    """

    least: int = 0
    most: int = 0
    numbers: Container[int] | None = None


_COUNT = range(1, 1_000_001)
_NONE = Arguments()

# The faults of every cloud.
COMMON: Mapping[str, Arguments] = {
    "lose": _NONE,
    "repeat": Arguments(0, 1, range(1, 1001)),
    "delay": Arguments(1, 1, range(3_600_001)),
    "mute": _NONE,
    "drop": _NONE,
    # Those that a server may send; 1006, for one, is said by no frame.
    "close": Arguments(1, 2, (*range(1000, 1004), *range(1007, 1015), *range(3000, 5000))),
    "long-reason": Arguments(1, 1, range(1000, 5000)),
    "http": Arguments(
        1, 1, [status.value for status in HTTPStatus if status >= HTTPStatus.MULTIPLE_CHOICES]
    ),
    "body": Arguments(0, 1),
    "error": Arguments(1, 2),
    "not-json": _NONE,
    "huge-text": _NONE,
    "invalid-utf8": _NONE,
    "odd-binary": _NONE,
    "early-binary": _NONE,
    "empty-binary": _NONE,
    "half-frame": _NONE,
    "bad-opcode": _NONE,
    "text-flood": Arguments(1, 1, _COUNT),
    "audio-flood": Arguments(1, 1, _COUNT),
}
_AT_UPGRADE = ("http", "delay", "drop")
_AT_CALLS = ("lose", "delay", "drop", "http", "body", "error")
_LONGEST_REASON = 123  # bytes; RFC 6455 section 5.5


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, in the words of a scenario: ``do`` at the nth ``when``."""

    when: str
    do: str
    nth: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class ReadFault:
    """A fault as a cloud has understood it: its name, and its arguments apart."""

    fault: Fault
    name: str
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As a scenario would have it."""
        return ":".join((self.name, *self.arguments))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a cloud understands of a scenario file beside what all do.

    Attributes:
        coming: the moments of what its WebSocket clients send.
        going: the moments of what it sends to them.
        calls: the moments of its HTTPS requests.
        faults: the faults that it has beside the common ones.
        errors: its documented errors: a word -> the fault that says it, without its
            last argument, and what this is if a scenario has no other message.
        table: the dataclass of the file's table that has the cloud's name.
        turn_table: the dataclass of the table of that name in a ``[[turn]]``.
    """

    coming: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    faults: Mapping[str, Arguments] = field(default_factory=dict)
    errors: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    table: type | None = None
    turn_table: type | None = None

    @property
    def moments(self) -> tuple[str, ...]:
        """All that a fault may wait for."""
        talk = (UPGRADE, *self.coming, "SpeechAudio", *self.going, "ReplyAudio")
        return (*(talk if self.coming or self.going else ()), *self.calls)

    def read(self, fault: Fault) -> ReadFault:
        """Understand a fault.

        Raises:
            SettingsInvalid: a word of it is not allowed; the text names it.
        """
        if fault.when not in self.moments:
            raise SettingsInvalid(f"when = {fault.when!r}; allowed: {', '.join(self.moments)}")
        if fault.nth < 1 or fault.times < 1:
            raise SettingsInvalid(f"nth = {fault.nth}, times = {fault.times}: both count from 1")
        known = {**COMMON, **self.faults}
        name, _, rest = fault.do.partition(":")
        if name not in known:
            raise SettingsInvalid(f"do = {fault.do!r}; allowed: {', '.join(known)}")
        rule = known[name]
        arguments = tuple(rest.split(":", rule.most - 1)) if rest and rule.most else ()
        if len(arguments) < rule.least or (rest and not rule.most):
            raise _wrong(fault, f"{name} takes {rule.least} to {rule.most} arguments after ':'")
        self._check_moment(fault, name)
        _check_arguments(fault, name, arguments, rule)
        return (
            self._documented(fault, *arguments)
            if name == "error"
            else ReadFault(fault, name, arguments)
        )

    def _check_moment(self, fault: Fault, name: str) -> None:
        # A cloud's own faults may strike at any of its moments but the upgrade.
        at_calls = (*_AT_CALLS, *(self.faults if self.calls else ()))
        for moments, allowed in (((UPGRADE,), _AT_UPGRADE), (self.calls, at_calls)):
            if fault.when in moments and name not in allowed:
                raise _wrong(fault, f"at {fault.when} allowed: {', '.join(allowed)}")
        if name == "http" and fault.when not in (UPGRADE, *self.calls):
            raise _wrong(fault, f"only at {', '.join((UPGRADE, *self.calls))}")
        if name == "body" and fault.when not in self.calls:
            raise _wrong(fault, "only at an HTTPS request")
        if name == "repeat" and fault.when not in (*self.going, "ReplyAudio"):
            raise _wrong(fault, f"only at what the cloud sends, not at {fault.when}")

    def _documented(self, fault: Fault, word: str, message: str = "") -> ReadFault:
        """Return the fault that says a documented error."""
        if word not in self.errors:
            raise _wrong(fault, f"no document has the error {word!r}")
        said, meaning = self.errors[word]
        name, *arguments = said.split(":")
        return ReadFault(fault, name, (*arguments, message or meaning))


class FaultPlan:
    """Counts the moments of all connections of a cloud, and knows which fault is due.

    So "the second Started" may be the first one of a second connection.

    Args:
        faults: those of a scenario; what only other clouds understand is left out.
        vocabulary: what this cloud understands.
    """

    def __init__(self, faults: Iterable[Fault], vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._faults: list[ReadFault] = []
        self._seen: dict[str, int] = {}
        for fault in faults:
            try:
                self._faults.append(vocabulary.read(fault))
            except SettingsInvalid:
                continue  # another cloud's; ``check_faults`` has seen that there is one

    def add(self, when: str, *do: str) -> None:
        """Add faults that strike together, at the first ``when`` that has none yet."""
        taken = [read.fault.nth for read in self._faults if read.fault.when == when]
        nth = max(self._seen.get(when, 0), *taken, 0) + 1
        self._faults += [self._vocabulary.read(Fault(when, one, nth)) for one in do]

    def due(self, moment: str) -> list[ReadFault]:
        """Count one occurrence of a moment, and return the faults that strike now."""
        count = self._seen[moment] = self._seen.get(moment, 0) + 1
        return [
            read
            for read in self._faults
            if read.fault.when == moment
            and read.fault.nth <= count < read.fault.nth + read.fault.times
        ]


def check_faults(faults: Sequence[Fault], vocabularies: Sequence[Vocabulary]) -> None:
    """Refuse a fault that no cloud understands.

    Raises:
        SettingsInvalid: says what was wrong in the words of a cloud that has the moment.
    """
    for fault in faults:
        fitting = [words for words in vocabularies if fault.when in words.moments]
        errors: list[SettingsInvalid] = []
        for words in fitting:
            try:
                words.read(fault)
            except SettingsInvalid as error:
                errors.append(error)
        if not fitting:
            moments = dict.fromkeys(name for words in vocabularies for name in words.moments)
            raise SettingsInvalid(f"when = {fault.when!r}; allowed: {', '.join(moments)}")
        if len(errors) == len(fitting):
            raise errors[0]


def _check_arguments(fault: Fault, name: str, arguments: tuple[str, ...], rule: Arguments) -> None:
    if rule.numbers is not None and arguments:
        if not arguments[0].isdecimal():
            raise _wrong(fault, f"{arguments[0]!r} must be a number")
        if int(arguments[0]) not in rule.numbers:
            codes = "no server may send this close code"
            raise _wrong(fault, codes if name == "close" else "the number is out of range")
    if name == "close" and len("".join(arguments[1:]).encode()) > _LONGEST_REASON:
        raise _wrong(fault, f"a reason has at most {_LONGEST_REASON} bytes")


def _wrong(fault: Fault, words: str) -> SettingsInvalid:
    return SettingsInvalid(f"do = {fault.do!r}: {words}")

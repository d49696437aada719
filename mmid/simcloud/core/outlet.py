"""What leaves a simulated cloud on one connection: honest frames, and the faults of a scenario.

A cloud's protocol says here what it wants to send. The outlet collects it, remembers
when the client last got a text, and lets the faults strike. It does no I/O.
"""

from collections.abc import Callable, Mapping

from mmid.simcloud.core.actions import (
    Action,
    CloseSocket,
    Drop,
    Flood,
    JournalLine,
    Pause,
    SendRaw,
    SendReplyAudio,
    SendText,
)
from mmid.simcloud.core.faults import FaultPlan, ReadFault

_POLITE = 1000

# Faults that strike before what they belong to is sent; the others come after it.
_BEFORE = ("lose", "delay", "mute")

# Characters of a text that is longer than the MiB which clients allow.
HUGE = 1_100_000
_FLOOD_FRAME = bytes(8000)
_NOT_UTF8 = b'{"header":{"event":"\xff\xfe\xc0"}}'

# RFC 6455 section 5.2: FIN and an opcode; a server does not mask.
_FIN_TEXT = 0x81
_FIN_BINARY = 0x82
_FIN_CLOSE = 0x88
_FIN_RESERVED = 0x8B
_LENGTH_16 = 126

# A client that knows the rules has left by then.
_LEAVE = (Pause(2.0), Drop())


def _text_flood(count: str) -> list[Action]:
    return [Flood(SendText("{}", "text-flood"), int(count))]


def _audio_flood(count: str) -> list[Action]:
    return [Flood(SendReplyAudio(_FLOOD_FRAME, stray=True), int(count))]


def _long_reason(code: str) -> list[Action]:
    payload = int(code).to_bytes(2, "big") + b"because " * 20
    head = bytes((_FIN_CLOSE, _LENGTH_16, *len(payload).to_bytes(2, "big")))
    return [SendRaw(head + payload), *_LEAVE]


def _half_frame() -> list[Action]:
    size = len(_FLOOD_FRAME)
    head = bytes((_FIN_BINARY, _LENGTH_16, *size.to_bytes(2, "big")))
    return [SendRaw(head + _FLOOD_FRAME[: size // 2]), Drop()]


# Frames that no honest cloud sends: the name of a fault -> what leaves then, made of the
# fault's arguments.
_BROKEN: Mapping[str, Callable[..., list[Action]]] = {
    "not-json": lambda: [SendText('{"header": oops', "not-json")],
    "huge-text": lambda: [SendText("x" * HUGE, "huge-text")],
    "invalid-utf8": lambda: [SendRaw(bytes((_FIN_TEXT, len(_NOT_UTF8))) + _NOT_UTF8)],
    "odd-binary": lambda: [SendReplyAudio(b"\x01" * 641, stray=True)],
    "early-binary": lambda: [SendReplyAudio(b"\x01\x00" * 320, stray=True)],
    "empty-binary": lambda: [SendReplyAudio(b"", stray=True)],
    "half-frame": _half_frame,
    "bad-opcode": lambda: [SendRaw(bytes((_FIN_RESERVED, 0))), *_LEAVE],
    "long-reason": _long_reason,
    "text-flood": _text_flood,
    "audio-flood": _audio_flood,
}

# After these nothing more can be sent.
_LAST = ("half-frame", "bad-opcode", "long-reason")


class Outlet:
    """Collects the actions of one connection.

    Args:
        plan: the faults.
        now: the time of the connection.
        own: what the cloud's own faults do, by name, called with their arguments;
            one of a common name replaces the common one.

    Attributes:
        now: the time of the input that is being handled.
        text_at: when the client last got a text frame.
        closed: nothing leaves any more.
    """

    def __init__(
        self, plan: FaultPlan, now: float, own: Mapping[str, Callable[..., None]] | None = None
    ) -> None:
        self._plan = plan
        self._own = own or {}
        self._actions: list[Action] = []
        self._muted = False
        self.now = now
        self.text_at = now
        self.closed = False

    def take(self) -> list[Action]:
        """Return what was collected, and begin anew."""
        actions, self._actions = self._actions, []
        return actions

    def put(self, action: Action) -> None:
        """Let an action out, unless a fault has closed or muted the connection."""
        # The journal tells the test what came in, also when nothing goes out any more.
        if isinstance(action, JournalLine) or not (self.closed or self._muted):
            self._actions.append(action)

    def send(self, moment: str, action: SendText | SendReplyAudio) -> None:
        """Send a frame; ``moment`` is what faults wait for."""
        faults = [] if self.closed else self._plan.due(moment)
        before = [fault for fault in faults if fault.name in _BEFORE]
        for fault in before:
            self._break(fault)
        if all(fault.name != "lose" for fault in before):
            if action.text and not self._muted:
                self.text_at = self.now
            self.put(action)
        for fault in faults:
            if fault.name == "repeat":
                self._tell(fault)
                for _ in range(int((*fault.arguments, "1")[0])):
                    self.put(action)
            # The others strike after the frame, so the client has it when the connection breaks.
            elif fault not in before:
                self._break(fault)

    def strike(self, moment: str) -> bool:
        """Let the faults of something that came happen; False if it is lost."""
        due = self._plan.due(moment)
        for fault in due:
            self._break(fault)
        return all(fault.name != "lose" for fault in due)

    def close(self, code: int = _POLITE, reason: str = "") -> None:
        """Close politely."""
        self.put(CloseSocket(code, reason))
        self.closed = True

    def _tell(self, fault: ReadFault) -> None:
        self.put(JournalLine("fault", self.now, {"when": fault.fault.when, "do": str(fault)}))

    def _break(self, fault: ReadFault) -> None:
        self._tell(fault)
        if fault.name in self._own:
            self._own[fault.name](*fault.arguments)
        elif fault.name in _BROKEN:
            for action in _BROKEN[fault.name](*fault.arguments):
                self.put(action)
            self.closed = self.closed or fault.name in _LAST
        else:
            self._cut(fault.name, fault.arguments)

    def _cut(self, name: str, arguments: tuple[str, ...]) -> None:
        match name:
            case "close":
                self.close(int(arguments[0]), "".join(arguments[1:]))
            case "drop":
                self.put(Drop())
                self.closed = True
            case "mute":
                self._muted = True
            case "delay":
                self.put(Pause(int(arguments[0]) / 1000))

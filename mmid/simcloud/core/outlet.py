"""What leaves a simulated cloud on one connection: honest frames, and the faults of a scenario.

A cloud's protocol says here what it wants to send. The outlet collects it, remembers
when the client last got a text, and lets the faults strike. It does no I/O.
"""

from collections.abc import Callable, Mapping

from mmid.simcloud.core.actions import (
    Action,
    CloseSocket,
    Drop,
    JournalLine,
    Pause,
    SendReplyAudio,
    SendText,
)
from mmid.simcloud.core.broken import BROKEN, LAST
from mmid.simcloud.core.faults import FaultPlan, ReadFault

_POLITE = 1000

# Faults that strike before what they belong to is sent; the others come after it.
_BEFORE = ("lose", "delay", "mute")


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
        elif fault.name in BROKEN:
            for action in BROKEN[fault.name](*fault.arguments):
                self.put(action)
            self.closed = self.closed or fault.name in LAST
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

"""How a connection opens: READY, the licence, and in which order they come.

Nothing is heard before both are through (fact sheet, section 6).
"""

from bisect import insort
from typing import Final

from mmid.simcloud.baidu_rtc.activations import ActivationBook, ActivationRefused
from mmid.simcloud.baidu_rtc.outlet import Mistake, RtcOutlet
from mmid.simcloud.baidu_rtc.vocabulary import RtcRules
from mmid.simcloud.core.actions import JournalLine
from mmid.simcloud.core.json_text import read_json

_MUST, _READY = "[E]:[LIC]:[MUST]", "[E]:[MEDIA]:[READY]"
_PASS, _FAILED = "[E]:[LIC]:[RES]:[PASS]", "[E]:[LIC]:[RES]:[FAILED]"
_NEVER: Final = float("inf")

_GAP_S = 0.1  # from one of the first two messages to the other
_LATE_S = 3.0  # from READY to a MUST that is late
# Without a MUST a client waits so long after READY before it speaks (section 6, rule 3).
_GRACE_S = 1.0

_ACTIVE_KEYS = {"devId", "uId", "licKey"}


class RtcHandshake:
    """The beginning of one connection.

    Args:
        outlet: where the messages go.
        book: who judges the licence.
        rules: in which order the messages come.
        wrong: what is wrong with its URL: then it breaks at once, without a word; or empty.
    """

    def __init__(
        self, outlet: RtcOutlet, book: ActivationBook, rules: RtcRules, *, wrong: str = ""
    ) -> None:
        self._outlet = outlet
        self._book = book
        self._pass_s = rules.pass_ms / 1000
        first = [(outlet.now, "", wrong)] if wrong else _first_messages(rules.must, outlet.now)
        self._plan = first
        self._ready_at = _NEVER
        self._asked_at = _NEVER
        self._answered = self._passed = False
        self._device_id = ""

    @property
    def step_at(self) -> float:
        """When the next message is due."""
        return self._plan[0][0] if self._plan else _NEVER

    def step(self) -> None:
        """Send the message that is due."""
        _, prefix, text = self._plan.pop(0)
        if not prefix:
            self._outlet.hang_up(text)
            return
        if prefix == _MUST:
            self._asked_at = self._outlet.now
        self._passed = self._passed or prefix == _PASS
        if prefix == _READY:
            self._ready_at = self._outlet.now
        self._outlet.message(prefix, text)

    def check_open(self) -> None:
        """Refuse what may come only when the connection is open.

        Raises:
            Mistake: it is not, and the client can know it.
        """
        if self._answered and not self._passed:
            raise Mistake("the licence has not passed")
        # What was sent before the client had read MUST may still be on its way.
        if not self._answered and self._outlet.now >= self._asked_at + _GRACE_S:
            raise Mistake("MUST was not answered")
        if self._outlet.now < self._ready_at + (0.0 if self._passed else _GRACE_S):
            raise Mistake("the connection is not open: READY, and PASS or a while without MUST")

    def activate(self, body: str) -> None:
        """Judge the client's ACTIVE.

        Raises:
            Mistake: it may not come now, or has not exactly the keys that it must have.
        """
        if self._asked_at == _NEVER:
            raise Mistake("ACTIVE, but there was no MUST")
        if self._answered:
            raise Mistake("a second ACTIVE on one connection")
        told = _read_active(body)
        self._answered = True
        device_id = told["devId"]
        try:
            if self._book.enter(told["licKey"], device_id):
                self._outlet.put(JournalLine("activation", self._outlet.now, self._cost(told)))
            self._come(device_id)
        except ActivationRefused as refused:
            self._send_soon(_FAILED, str(refused))
        else:
            self._send_soon(_PASS, "")

    def leave(self) -> None:
        """The connection is gone: another one of the device may come."""
        self._book.connected[self._device_id] -= 1

    def _come(self, device_id: str) -> None:
        if self._book.connected[device_id] > 0:
            self._outlet.refuse("a second connection of one device")
        self._book.connected[device_id] += 1
        self._device_id = device_id

    def _send_soon(self, prefix: str, text: str) -> None:
        insort(self._plan, (self._outlet.now + self._pass_s, prefix, text))

    def _cost(self, told: dict[str, str]) -> dict[str, object]:
        return {"device_name": told["devId"], "user_id": told["uId"], "used": self._book.used}


def _first_messages(must: str, now: float) -> list[tuple[float, str, str]]:
    ready_at = now + (_GAP_S if must == "first" else 0.0)
    must_at = {"first": now, "second": now + _GAP_S, "late": now + _LATE_S}.get(must)
    messages = [(ready_at, _READY, "1")]
    if must_at is not None:
        insort(messages, (must_at, _MUST, "license is required"))
    return messages


def _read_active(body: str) -> dict[str, str]:
    try:
        told = read_json(body)
    except ValueError as error:
        raise Mistake("ACTIVE is not JSON") from error
    if not isinstance(told, dict) or told.keys() != _ACTIVE_KEYS:
        raise Mistake(f"ACTIVE must have exactly the keys {', '.join(sorted(_ACTIVE_KEYS))}")
    if not all(isinstance(value, str) and value for value in told.values()):
        raise Mistake("every value of ACTIVE is a text, and not empty")
    return told

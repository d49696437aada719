"""One connection of Qwen-Omni Realtime, seen from the service.

The rules of the protocol without I/O and without a clock: the client's events and the
time go in, actions come out. It is strict, because a client that passes here shall pass
at the real service. What the service refuses leaves the session open (fact sheet, section
13); the journal has it as a ``refusal``, unless a correct client may be too late with it.

Who calls it: ``core.connection``, with each frame, and with ``tick`` whenever ``deadline``
has passed. A tick does one step, so an interruption finds the rest of a reply still here.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.actions import Action, JournalLine
from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.core.scenario import ScenarioRun, own_table
from mmid.simcloud.qwen_realtime.conversation import NEVER, RealtimeConversation
from mmid.simcloud.qwen_realtime.names import Event, from_handbook, is_handbook
from mmid.simcloud.qwen_realtime.outlet import RealtimeOutlet
from mmid.simcloud.qwen_realtime.session import (
    InvalidRequest,
    new_session,
    updated,
    voice_refusal,
)
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeRules

# No page has a table of close codes. What was seen: 1007 with a reason that says it.
_IDLE_CODE = _REFUSED_CODE = 1007
_LIFE_CODE = 1011
_UNSUPPORTED_DATA = 1003

_APPEND = "input_audio_buffer.append"


class RealtimeProtocol:
    """One connection.

    Args:
        model: the one that the URL names.
        run: the script, and what the connections share.
        now: the time of the connection, on the clock of all later calls.
    """

    def __init__(self, model: str, run: ScenarioRun, now: float) -> None:
        self._rules = own_table(run.scenario, RealtimeRules)
        self._outlet = RealtimeOutlet(run.plan, now, run.new_id)
        session = new_session(f"sess_{run.new_id()}", model)
        self._conversation = RealtimeConversation(self._outlet, run, session)
        self._greeted = False
        self._ends_at = now + self._rules.life_s

    @property
    def deadline(self) -> float:
        """When ``tick`` wants to be called."""
        if self._outlet.closed:
            return NEVER
        if not self._greeted:
            return self._outlet.now
        conversation = self._conversation
        times = (conversation.step_at, conversation.unprompted_at, self._idle_at, self._ends_at)
        return min(times)

    @property
    def _idle_at(self) -> float:
        busy = self._conversation.response is not None
        return NEVER if busy else self._conversation.quiet_since + self._rules.idle_s

    def text(self, text: str, now: float) -> list[Action]:
        """Handle a text frame."""
        return self._handle(now, lambda: self._read(text))

    def binary(self, data: bytes, now: float) -> list[Action]:
        """Handle a binary frame, which this protocol has not."""
        return self._handle(now, lambda: self._refuse_binary(len(data)))

    def tick(self, now: float) -> list[Action]:
        """Do the one step that is due."""
        return self._handle(now, self._step)

    def lost(self, now: float) -> list[Action]:
        """The connection is gone: return what the journal should know."""
        self._outlet.now = now
        self._drop_speech("lost")
        self._outlet.closed = True
        return self._outlet.take()

    def _handle(self, now: float, work: Callable[[], None]) -> list[Action]:
        self._outlet.now = now
        if self._outlet.closed:
            return []
        try:
            work()
        except InvalidRequest as refusal:
            self._outlet.refuse(refusal)
        except SettingsInvalid as error:
            self._outlet.error(str(error), "COMMON_ERROR", "server_error")
        return self._outlet.take()

    def _step(self) -> None:
        now, conversation = self._outlet.now, self._conversation
        if not self._greeted:
            self._greeted = True
            session = conversation.session
            self._outlet.event("session.created", session=session)
        elif now >= self._ends_at:
            self._outlet.close(_LIFE_CODE, "the session has reached its maximum duration")
        elif now >= self._idle_at:
            reason = f"no response was generated for {self._rules.idle_s:g} seconds"
            self._outlet.close(_IDLE_CODE, reason)
        elif now >= conversation.step_at:
            conversation.step()
        elif now >= conversation.unprompted_at:
            conversation.respond_unprompted()

    def _read(self, text: str) -> None:
        try:
            event = read_json(text)
        except ValueError as error:
            raise InvalidRequest("the event is not JSON") from error
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise InvalidRequest("an event is an object with a type", param="type")
        if not isinstance(event.get("event_id", ""), str):
            raise InvalidRequest("event_id must be a text", param="event_id")
        self._outlet.handbook = self._outlet.handbook or is_handbook(event)
        for one in from_handbook(event) if self._outlet.handbook else (event,):
            self._obey(one)

    def _obey(self, event: Event) -> None:
        kind = event["type"]
        if kind == _APPEND:  # too many for the journal; faults strike at SpeechAudio
            self._conversation.append(_bytes_of(event, "audio"))
            return
        if kind not in self._HANDLERS:
            raise InvalidRequest(f"Invalid event type: {kind}", "invalid_event", "type")
        facts = {"name": kind, **_facts(event)}
        self._outlet.put(JournalLine("directive", self._outlet.now, facts))
        if self._outlet.strike(kind):
            self._HANDLERS[kind](self, event)

    def _refuse_binary(self, size: int) -> None:
        self._outlet.refuse(InvalidRequest(f"a binary frame of {size} bytes"))
        self._outlet.close(_UNSUPPORTED_DATA, "binary frames are not supported")

    def _update(self, event: Event) -> None:
        conversation = self._conversation
        conversation.session = updated(
            conversation.session,
            event.get("session"),
            spoken=conversation.spoken,
            heard=conversation.hearing.heard,
        )
        if refusal := voice_refusal(conversation.session):
            self._outlet.refuse(InvalidRequest(refusal))
            self._outlet.close(_REFUSED_CODE, refusal)
            return
        self._outlet.event("session.updated", session=conversation.session)

    def _append_image(self, event: Event) -> None:
        data, conversation = _bytes_of(event, "image"), self._conversation
        conversation.hearing.append_image(event["image"], data, conversation.session["model"])

    def _drop_speech(self, how: str) -> None:
        detected = bool(self._conversation.session["turn_detection"])
        self._conversation.hearing.drop(how, voiced=detected)

    def _finish(self, _: Event) -> None:
        if self._rules.finish == "error":
            raise InvalidRequest("Invalid event type: session.finish", harmless=True)
        if self._rules.finish == "finished":
            self._drop_speech("finished")
            self._outlet.event("session.finished")
            self._outlet.close()

    _HANDLERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "session.update": _update,
        "input_audio_buffer.commit": lambda self, _: self._conversation.commit(),
        "input_audio_buffer.clear": lambda self, _: self._conversation.clear(),
        "input_image_buffer.append": _append_image,
        "conversation.item.create": lambda self, event: self._conversation.add_item(
            event.get("item")
        ),
        "response.create": lambda self, event: self._conversation.create_response(
            event.get("response")
        ),
        "response.cancel": lambda self, _: self._conversation.cancel(),
        "session.finish": _finish,
    }


def _bytes_of(event: Event, member: str) -> bytes:
    """Return the base64 member of an event, decoded."""
    try:
        return base64.b64decode(event[member], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise InvalidRequest(f"{member} must be base64", param=member) from error


def _facts(event: Event) -> dict[str, Any]:
    """Return what the journal says of a client's event, beside its type."""
    facts: dict[str, Any] = {}
    if isinstance(event.get("session"), dict):
        facts["session"] = event["session"]
    item = event.get("item")
    if isinstance(item, dict):
        facts["item"] = item
    response = event.get("response")
    if isinstance(response, dict) and response.get("instructions"):
        facts["instructions"] = response["instructions"]
    return facts

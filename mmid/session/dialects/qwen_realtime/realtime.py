"""Qwen-Omni Realtime: one connection, as the session sees it.

Reads like qwen-realtime sections 7 to 16. Rules that bind it together:

* No speech before ``session.updated``: until then the service would hear by its defaults.
* A response that is not wanted any more is cancelled and dead: none of it is heard.
* One response at a time: a request waits until the one before it has ended.
* The session is left and opened anew before the service would end it, between turns.

What people want is in ``talk``, what the service says in ``server_events``; here are the
connection, the time and the board.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.events import Error
from mmid.session.dialects.dialect import Function
from mmid.session.dialects.qwen_realtime import talk
from mmid.session.dialects.qwen_realtime.events import ClientEvents
from mmid.session.dialects.qwen_realtime.failures import after_close
from mmid.session.dialects.qwen_realtime.machine import SPEECH_BYTES_PER_S, RealtimeMachine
from mmid.session.dialects.qwen_realtime.messages import parse
from mmid.session.dialects.qwen_realtime.server_events import on_event
from mmid.session.dialects.qwen_realtime.stages import STAGES
from mmid.session.dialects.stages import TURN_STAGES, Exit, TurnStage
from mmid.session.dialects.turn_dialect import Timer, TurnDialect
from mmid.session.effects import (
    Close,
    Effects,
    Emit,
    Moved,
    Next,
    Note,
    Send,
    SendAudio,
)
from mmid.session.endpoint import LinkClosed
from mmid.settings import Settings

# So many odd messages do no harm (the real service has many versions); beyond it something
# between us rewrites them.
_MALFORMED_LIMIT = 100

# The one code with a reason that means something (section 13).
_REFUSED_CLOSE = 1007

# The service ends a session in which no response was generated for 300 s (section 11).
_SILENCE_S = 290.0

# Base64 in a message that is to be logged: its length is told, never what is in it. JSON may
# write a slash with a backslash before it. What is so long and has no blank is no text.
_BASE64 = re.compile(r'("(audio|delta|image)"\s*:\s*")((?:[A-Za-z0-9+/=]|\\/)+)"')
_LONG = 64


class QwenRealtime(TurnDialect):
    """One connection; implements ``Dialect``, which says what each of its methods is for.

    Args:
        settings: how one talks with it, and what the session is.
        model: whose prices count.
        work_mode: push2talk, tap2talk or duplex.
        session: the session to ask for.
        ready_by: monotonic time by which it must be so.
    """

    machine: RealtimeMachine

    def __init__(
        self,
        settings: Settings,
        model: str,
        *,
        work_mode: str,
        session: Mapping[str, Any],
        ready_by: float,
    ) -> None:
        super().__init__()
        self._settings = settings
        events = ClientEvents(handbook=settings.qwen.names == "handbook")
        opening = events.session(session)
        self.machine = RealtimeMachine(
            settings.dialog,
            work_mode,
            events=events,
            session=opening,
            model=model,
            ready_by=ready_by,
        )
        self.machine.tools = self.machine.own_tools = list(session.get("tools", ()))
        self._malformed = 0
        self._renew_at = self._silent_at = inf

    def speech_frame(self, data: bytes) -> str:
        return self.machine.events.speech(data)

    def trace(self, text: str) -> str:
        audible = "audio.delta" in text

        def told(found: re.Match[str]) -> str:
            if found[2] == "delta" and not audible and len(found[3]) < _LONG:
                return found[0]
            return f'{found[1]}<{len(found[3])} characters>"'

        return _BASE64.sub(told, text)

    # --- the connection -------------------------------------------------------------------

    def begin(self, now: float) -> Effects:
        self._renew_at = now + self._settings.qwen.session_life_s
        self._silent_at = now + _SILENCE_S
        machine = self.machine
        opens = [Send(machine.session)] if machine.events.handbook else []
        return [Moved(machine.stage.value, "begin"), *opens]

    def end(self, now: float, why: str = "") -> Effects:
        machine = self.machine
        if machine.stage is TurnStage.CLOSED:
            return []
        machine.cause = "end"
        return [
            *machine.shut(now, why),
            Send(machine.events.finish()),
            Close(None, Next.RETRY),
        ]

    def closed(self, code: int | None, reason: str, now: float) -> Effects:
        machine = self.machine
        if machine.stage is TurnStage.CLOSED:
            return []
        machine.cause = "lost"
        ending = after_close(reason if code == _REFUSED_CLOSE else "")
        error = LinkClosed(code, reason)
        if ending.idle and machine.stage not in TURN_STAGES | {TurnStage.TALKING}:
            return [*machine.shut(now), Close(None, ending.next)]
        if ending.told:
            refused = CloudRefused(f"the cloud ended the session: {reason}", str(code))
            return [Emit(Error("cloud", reason)), *machine.fail(refused, ending.next, now)]
        return machine.fail(error, ending.next, now, "the connection broke")

    def _timers(self) -> Iterator[Timer]:
        machine = self.machine
        yield machine.suspect_until, self._give_up_suspect
        if machine.hearing.open:
            yield machine.hearing.due, lambda _: machine.hearing.end()
        if machine.dying.waits:
            yield machine.dying.until, lambda at: machine.response_ended("", at)
        if machine.stage is TurnStage.RECOGNISING:
            yield machine.request.again_at, machine.ask_again
        yield self._microphone.due, self._open_microphone
        yield machine.stage_deadline, self._leave_stage
        if machine.rests:
            if machine.changes:
                yield 0.0, machine.send_changes
            yield min(self._renew_at, self._silent_at), self._renew

    def _renew(self, now: float) -> Effects:
        """Open a new session while nobody talks, before the service ends this one."""
        self.machine.cause = "renew"
        return [Note("the session is opened anew"), *self.end(now)]

    def _give_up_suspect(self, now: float) -> Effects:
        error = ConnectionLost("the cloud had an error of its own, and said nothing since")
        return self.machine.fail(error, Next.RETRY, now, "the connection broke")

    def _leave_stage(self, now: float) -> Effects:
        machine = self.machine
        facts = STAGES[machine.stage]
        match facts.exit:
            case Exit.LISTEN:
                return [*machine.clear(), *machine.listen(now)]
            case Exit.ANSWER:
                told = Emit(Error("tool", f"waited in vain for {facts.waits_for}"))
                return [told, *talk.answer_for_the_silent(machine, now)]
        return super()._leave_stage(now)

    # --- what the service sends -----------------------------------------------------------

    def receive_text(self, text: str, now: float) -> Effects:
        machine = self.machine
        if machine.stage is TurnStage.CLOSED:
            return []
        machine.suspect_until = inf
        try:
            event = parse(text)
        except MalformedMessage as error:
            return self._malformed_message(error, now)
        if event.kind == "response.done":
            self._silent_at = now + _SILENCE_S
        return on_event(machine, event, now)

    def receive_binary(self, data: bytes, now: float) -> Effects:
        if self.machine.stage is TurnStage.CLOSED:
            return []
        told = f"the cloud sent a binary message of {len(data)} bytes, which its protocol has not"
        return self._malformed_message(MalformedMessage(told), now)

    def _malformed_message(self, error: MalformedMessage, now: float) -> Effects:
        self.machine.cause = "malformed"
        self._malformed += 1
        if self._malformed > _MALFORMED_LIMIT:
            return self.machine.fail(error, Next.RETRY, now, str(error))
        return [Emit(Error(error.code, str(error)))]

    # --- what the board does --------------------------------------------------------------

    def record(self, data: bytes, _now: float) -> Effects:
        machine = self.machine
        if not self._records():
            return []
        if machine.mode.framed or machine.hearing.open:
            machine.sent.speech_s += len(data) / SPEECH_BYTES_PER_S
        machine.buffered = True
        self._microphone.heard()
        return [SendAudio(data)]

    # --- what people want -----------------------------------------------------------------

    def start_speech(self, now: float) -> Effects:
        return talk.start_speech(self.machine, now)

    def stop_speech(self, now: float) -> Effects:
        return talk.stop_speech(self.machine, now, self._settings.qwen.vad_silence_ms)

    def cancel_speech(self, now: float) -> Effects:
        return talk.cancel_speech(self.machine, now)

    def interrupt(self, now: float) -> Effects:
        return talk.interrupt(self.machine, now)

    def ask(self, text: str, now: float, **more: Any) -> Effects:
        return talk.ask(self.machine, text, now, **more)

    def say(self, text: str, now: float) -> Effects:
        return talk.say(self.machine, text, now)

    def update_info(self, now: float, **told: Any) -> Effects:
        return talk.update_info(self.machine, now, **told)

    def offer_functions(self, functions: Sequence[Function], _now: float) -> Effects:
        return talk.offer_functions(self.machine, functions)

    def tool_result(self, call_id: str, result: str, now: float) -> Effects:
        return talk.tool_result(self.machine, call_id, result, now)

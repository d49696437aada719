"""One connection of the ``multimodal-dialog`` protocol, seen from the cloud.

The rules of the protocol as a state machine without I/O and without a clock:
frames and the time go in, actions come out. It is strict, because a client that
passes here shall pass at the real service: a wrong order or shape ends the
connection, with the reason in the message and in the journal.

States, as the client is told them:

    Idle        before Started
    Listening   a speech or a RequestToRespond may begin
    Thinking    the speech is over, the reply is being made
    Responding  until the client says LocalRespondingEnded, or interrupts

Who calls it: ``core.connection``, with each frame, and with ``tick`` whenever
``deadline`` has passed and everything before has been sent. A tick does one
step, so an interruption finds the rest of a reply still here and drops it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from mmid.errors import SettingsInvalid
from mmid.simcloud.core.actions import Action, JournalLine
from mmid.simcloud.core.scenario import ScenarioRun, own_table
from mmid.simcloud.multimodal_dialog.course import NEVER, Course, Phase
from mmid.simcloud.multimodal_dialog.messages import (
    Directive,
    ProtocolViolation,
    find,
    read_directive,
)
from mmid.simcloud.multimodal_dialog.outlet import DialogOutlet
from mmid.simcloud.multimodal_dialog.parameters import check_request, check_update
from mmid.simcloud.multimodal_dialog.start import read_start
from mmid.simcloud.multimodal_dialog.vocabulary import DialogRules

# The service's rule has no published numbers: so many in two seconds as the
# scenario allows, and no more.
_INTERRUPTS_S = 2.0


@dataclass(frozen=True, slots=True)
class Account:
    """Who may use a connection: what its Start must name.

    ``licensed``: the credential was a license token, which implies the workspace.
    """

    app_id: str
    workspace_id: str
    licensed: bool = False


class DialogProtocol:
    """One connection.

    Args:
        account: what Start must name.
        run: the script, and what the connections share.
        now: the time of the connection, on the clock of all later calls.
    """

    def __init__(self, account: Account, run: ScenarioRun, now: float) -> None:
        self._account = account
        self._run = run
        self._rules = own_table(run.scenario, DialogRules)
        self._outlet = DialogOutlet(run.plan, now)
        self._course: Course | None = None
        self._interrupts: deque[float] = deque(maxlen=self._rules.interrupts)

    @property
    def deadline(self) -> float:
        """When ``tick`` wants to be called."""
        if self._outlet.closed:
            return NEVER
        course = self._course
        return min(self._idle_at, *((course.step_at, course.audio_due) if course else ()), NEVER)

    def text(self, text: str, now: float) -> list[Action]:
        """Handle a text frame."""
        return self._handle(now, lambda: self._read(text))

    def binary(self, data: bytes, now: float) -> list[Action]:
        """Handle a binary frame."""
        return self._handle(now, lambda: self._hear(data))

    def tick(self, now: float) -> list[Action]:
        """Do the one step that is due: a part of a reply, or a rule about silence."""
        return self._handle(now, self._step)

    def lost(self, now: float) -> list[Action]:
        """The connection is gone: return what the journal should know."""
        self._outlet.now = now
        if self._course is not None:
            self._course.lose()
        self._outlet.closed = True
        return self._outlet.take()

    @property
    def _idle_at(self) -> float:
        return self._outlet.text_at + self._rules.idle_s

    def _handle(self, now: float, work: Callable[[], None]) -> list[Action]:
        self._outlet.now = now
        if self._outlet.closed:
            return []
        try:
            work()
        except ProtocolViolation as refusal:
            self._outlet.refuse(refusal)
        except SettingsInvalid as error:
            self._outlet.refuse(ProtocolViolation(str(error), status=432, name="AppConfigError"))
        if self._outlet.turn_failed and self._course is not None:
            self._outlet.turn_failed = False
            self._course.fail()
        return self._outlet.take()

    def _step(self) -> None:
        now, course = self._outlet.now, self._course
        if now >= self._idle_at:
            self._outlet.task_failed("ResponseTimeout", "no message for too long; send HeartBeat")
        elif course is not None and now >= course.audio_due:
            raise ProtocolViolation(
                f"no audio for {self._rules.audio_s:g} s in {course.mode}",
                status=444,
                name="ClientAudioTimeout",
            )
        elif course is not None and now >= course.step_at:
            course.step()

    def _hear(self, data: bytes) -> None:
        if self._course is None:
            raise ProtocolViolation("audio before Listening")
        self._course.hear(data)

    def _read(self, text: str) -> None:
        directive = read_directive(text, self._outlet.task_id or None)
        name, course = directive.name, self._course
        self._outlet.put(JournalLine("directive", self._outlet.now, _facts(directive)))
        self._outlet.task_id = directive.task_id
        if name != "Start" and name not in self._HANDLERS:
            raise ProtocolViolation(
                f"unknown directive {name!r}", status=422, name="DirectiveNotSupported"
            )
        if name != "Start" and course is None:
            raise ProtocolViolation(f"{name} before Start")
        if name == "Start" and course is not None:
            raise ProtocolViolation("a second Start; a connection has one task")
        # A fault at this directive strikes before it is obeyed, and may take its place.
        if not self._outlet.strike(name) or (self._outlet.turn_failed and course is not None):
            return
        if course is None:
            self._open(directive)
        else:
            self._check_dialog(directive)
            self._HANDLERS[name](self, course, directive)

    def _open(self, directive: Directive) -> None:
        start = read_start(directive)
        if directive.input["app_id"] != self._account.app_id:
            raise ProtocolViolation("payload.input.app_id is not known here")
        self._check_workspace(directive.input.get("workspace_id"))
        for turn in self._run.scenario.turns:
            self._run.voice(turn, start.downstream_hz)  # tell now if one cannot be played
        self._outlet.dialog_id = start.dialog_id or self._run.new_id()
        self._outlet.task("task-started")
        self._outlet.event("Started")
        self._course = Course(self._outlet, self._run, start)
        self._course.listen()

    def _check_workspace(self, workspace_id: str | None) -> None:
        if workspace_id is None and not self._account.licensed:
            raise ProtocolViolation("payload.input.workspace_id is missing")
        if workspace_id not in (None, self._account.workspace_id):
            raise ProtocolViolation(
                "payload.input.workspace_id is not the default workspace",
                name="Model.AccessDenied",
                gateway=True,
            )

    def _check_dialog(self, directive: Directive) -> None:
        if directive.input.get("dialog_id") not in (None, "", self._outlet.dialog_id):
            raise ProtocolViolation("payload.input.dialog_id is not the dialog of this connection")

    def _stop(self, course: Course, _: Directive) -> None:
        course.drop_reply()
        course.drop_speech("stopped")
        self._outlet.event("Stopped")
        self._outlet.task("task-finished")
        self._outlet.close()

    def _send_speech(self, course: Course, directive: Directive) -> None:
        _only(directive, course, "push2talk")
        if course.phase is not Phase.LISTENING or course.hearing:
            raise _wrong_time(directive, course, "Listening, once for each speech")
        course.open_speech()

    def _stop_speech(self, course: Course, directive: Directive) -> None:
        _only(directive, course, "push2talk")
        if course.hearing:
            course.close_speech()
        elif not course.cut:
            raise _wrong_time(directive, course, "a speech begun with SendSpeech")

    def _cancel_speech(self, course: Course, directive: Directive) -> None:
        _only(directive, course, "push2talk", "tap2talk")
        if course.hearing:
            course.cancel_speech()
        elif course.phase is not Phase.LISTENING and not course.cut:
            raise _wrong_time(directive, course, "a speech under way")

    def _request_to_speak(self, course: Course, _: Directive) -> None:
        self._count_interrupt()
        stale = course.drop_reply()
        course.drop_speech("interrupt")
        course.send_stale(stale)
        self._outlet.event("RequestAccepted")
        course.send_stale(stale)
        course.listen()
        course.send_stale(stale)

    def _request_to_respond(self, course: Course, directive: Directive) -> None:
        self._count_interrupt()
        check_request(directive)
        talking = course.mode == "push2talk" and course.hearing
        if course.phase is not Phase.LISTENING or talking:
            raise _wrong_time(directive, course, "Listening, outside a speech")
        course.drop_speech("respond")
        script = next(self._run.turns)
        if directive.input["type"] == "transcript":
            said = directive.input["text"]
            script = replace(script, reply=said, commands=(), tool_calls=(), tables=())
        course.think(script)

    def _local_started(self, course: Course, directive: Directive) -> None:
        if course.phase is not Phase.RESPONDING and not course.may_be_late:
            raise _wrong_time(directive, course, "Responding")

    def _local_ended(self, course: Course, directive: Directive) -> None:
        if course.phase is Phase.RESPONDING and course.replied:
            course.listen()
        elif not course.may_be_late:
            raise _wrong_time(directive, course, "Responding, after RespondingEnded")

    def _update_info(self, course: Course, directive: Directive) -> None:
        check_update(directive, video=course.video)

    def _heart_beat(self, _: Course, __: Directive) -> None:
        self._outlet.event("HeartBeat")

    def _count_interrupt(self) -> None:
        """Refuse a storm of interruptions."""
        times, now, most = self._interrupts, self._outlet.now, self._rules.interrupts
        if most and len(times) == most and now - times[0] < _INTERRUPTS_S:
            raise ProtocolViolation(
                f"more than {most} interruptions in {_INTERRUPTS_S:g} s",
                status=449,
                name="TooManyInterrupt",
            )
        times.append(now)

    _HANDLERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        "Stop": _stop,
        "SendSpeech": _send_speech,
        "StopSpeech": _stop_speech,
        "CancelSpeech": _cancel_speech,
        "RequestToSpeak": _request_to_speak,
        "RequestToRespond": _request_to_respond,
        "LocalRespondingStarted": _local_started,
        "LocalRespondingEnded": _local_ended,
        "UpdateInfo": _update_info,
        "HeartBeat": _heart_beat,
    }


def _only(directive: Directive, course: Course, *modes: str) -> None:
    if course.mode not in modes:
        raise ProtocolViolation(f"{directive.name} is not used in {course.mode}")


def _wrong_time(directive: Directive, course: Course, right: str) -> ProtocolViolation:
    speech = " during a speech" if course.hearing else ""
    return ProtocolViolation(f"{directive.name} in {course.phase}{speech}; it is for {right}")


def _facts(directive: Directive) -> dict[str, Any]:
    """Return what the journal says of a directive: what is in it, never a signature."""
    facts: dict[str, Any] = {"name": directive.name}
    for key in ("dialog_id", "type", "text"):
        if isinstance(directive.input.get(key), str):
            facts[key] = directive.input[key]
    for key, counted in (("images", len), ("biz_params", sorted)):
        value = find(directive.payload, f"parameters.{key}")
        if isinstance(value, list | dict) and value:
            facts[key] = counted(value)
    return facts

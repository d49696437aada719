"""What the cloud says in ``multimodal-dialog``, and what each of it does.

One function for each event of multimodal-dialog section 5. The cloud is
authoritative: a stage follows what it says. One exception: while we are
ASKING for the floor, whatever it still says about the turn we leave is stale.
"""

from collections.abc import Callable
from math import inf

from mmid.errors import ConnectionLost
from mmid.events import (
    AsrComplete,
    AsrIncomplete,
    AsrStart,
    Command,
    Error,
    Heartbeat,
    LlmComplete,
    LlmIncomplete,
    SpeechPrepare,
    SpeechReady,
    TtsEnd,
    TtsStart,
)
from mmid.session.dialects.multimodal_dialog.failures import SILENT_TURN_ERRORS
from mmid.session.dialects.multimodal_dialog.machine import Effects, Machine
from mmid.session.dialects.multimodal_dialog.messages import Output
from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.session.dialects.multimodal_dialog.turn import ACCEPT_GRACE_S, Turn
from mmid.session.effects import (
    Emit,
    FinishPlayer,
    FlushPlayer,
    Note,
    SaveDialog,
    StartPlayer,
    StopRecorder,
)

__all__ = ["on_output"]

# Keys that a reply may make us remember.
_MOST_COMMANDS = 64


def on_output(machine: Machine, output: Output, now: float) -> Effects:
    """Obey one event of the cloud; one that is not known is noted and ignored."""
    handler = _HANDLERS.get(output.event)
    if handler is None:
        return [Note(f"ignored the unknown event {output.event!r}")]
    return handler(machine, output, now)


def _started(machine: Machine, output: Output, _now: float) -> Effects:
    if not output.dialog_id:
        return []
    machine.frames.dialog_id = output.dialog_id
    return [SaveDialog(output.dialog_id)]


def _stopped(machine: Machine, _output: Output, now: float) -> Effects:
    return machine.fail(ConnectionLost("the cloud ended the session"), now)


def _state(machine: Machine, output: Output, now: float) -> Effects:
    if output.state == "Listening":
        return _listening(machine, now)
    if machine.stage is Stage.ASKING:
        return machine.floor_withdrawn(now)
    note = Note(f"the cloud is in the state {output.state!r}")
    if machine.stage is Stage.STARTING:
        return [note]  # not usable yet; Listening is still to come
    speech: Effects = [StopRecorder()] if machine.stage is Stage.TALKING else []
    if output.state == "Thinking":
        return speech + machine.enter(Stage.THINKING, now)
    if output.state == "Responding":
        return speech + _reply_begins(machine, now)
    return [note, *speech, *machine.close_turn(), *machine.enter(Stage.IDLE, now)]


def _listening(machine: Machine, now: float) -> Effects:
    first: Effects = [] if machine.reached_listening else [Emit(SpeechReady())]
    machine.reached_listening = True
    if machine.stage is Stage.TALKING:
        return first  # said once more after RequestAccepted
    if machine.stage is Stage.ASKING:
        machine.floor.listening = True
        if machine.floor.granted or machine.floor.due != inf:  # none was sent yet, none is needed
            return first + machine.take_floor(now)
        machine.stage_deadline = min(machine.stage_deadline, now + ACCEPT_GRACE_S)
        return first
    ended = machine.close_turn()
    machine.turn = Turn()
    return [*ended, *machine.enter(Stage.LISTENING, now), *first, Emit(SpeechPrepare())]


def _request_accepted(machine: Machine, _output: Output, now: float) -> Effects:
    machine.floor.accepted = True
    ready = machine.stage is Stage.ASKING and machine.floor.granted
    return machine.take_floor(now) if ready else []


def _speech_started(machine: Machine, _output: Output, _now: float) -> Effects:
    if machine.stage not in {Stage.TALKING, Stage.RECOGNISING} or machine.turn.asr_open:
        return []
    machine.turn.asr_open = True
    return [Emit(AsrStart())]


def _speech_content(machine: Machine, output: Output, _now: float) -> Effects:
    if machine.stage is Stage.ASKING:
        return []
    event = AsrComplete if output.finished else AsrIncomplete
    return [Emit(event(output.text))]


def _speech_ended(machine: Machine, _output: Output, now: float) -> Effects:
    if machine.stage is Stage.ASKING:
        return []
    effects: Effects = []
    if machine.stage is Stage.TALKING:  # O4: even if the button is still down
        effects = [StopRecorder(), *machine.enter(Stage.RECOGNISING, now)]
    return effects + machine.end_asr()


def _reply_begins(machine: Machine, now: float) -> Effects:
    if machine.stage in {Stage.ASKING, Stage.RESPONDING, Stage.PLAYING}:
        return []
    ended = machine.close_turn()
    machine.turn = Turn(tts_open=True, stale_bytes=machine.turn.stale_bytes)
    shown = machine.enter(Stage.RESPONDING, now)
    return [*ended, *shown, Emit(TtsStart()), StartPlayer()]


def _responding_started(machine: Machine, _output: Output, now: float) -> Effects:
    return _reply_begins(machine, now) if machine.stage is Stage.THINKING else []


def _responding_content(machine: Machine, output: Output, now: float) -> Effects:
    if machine.stage in {Stage.ASKING, Stage.TALKING}:
        return []
    if machine.stage is Stage.RESPONDING:
        machine.enter(Stage.RESPONDING, now)  # progress: its deadline begins anew
    event = LlmComplete if output.finished else LlmIncomplete
    return [Emit(event(output.spoken or output.text)), *_commands(machine, output)]


def _commands(machine: Machine, output: Output) -> Effects:
    """Pass on each command of a reply once, however often its text is repeated."""
    effects: Effects = [Note(f"ignored {fault}") for fault in output.asking.faults]
    passed_on = machine.turn.commands
    for asked in output.asking.commands:
        if asked.key in passed_on:
            continue
        if len(passed_on) >= _MOST_COMMANDS:
            return [*effects, Note(f"ignored {asked.name}: too many commands in a reply")]
        passed_on.add(asked.key)
        effects.append(Emit(Command(asked.name, asked.params_json)))
    return effects


def _responding_ended(machine: Machine, _output: Output, now: float) -> Effects:
    if machine.stage is not Stage.RESPONDING:
        return []
    machine.turn.tts_open = False
    effects: Effects = [Emit(TtsEnd()), *machine.enter(Stage.PLAYING, now)]
    return effects + (machine.end_playback(now) if machine.turn.inaudible else [FinishPlayer()])


def _heartbeat(_machine: Machine, _output: Output, _now: float) -> Effects:
    return [Emit(Heartbeat())]


def _error(machine: Machine, output: Output, now: float) -> Effects:
    name = output.error_name or output.error_code or "cloud"
    told: Effects = [Note(f"turn error {name} ({output.error_code}): {output.error_message}")]
    if output.error_code not in SILENT_TURN_ERRORS:
        told = [Emit(Error(name, output.error_message))]
    if machine.stage in {Stage.STARTING, Stage.LISTENING, Stage.ASKING}:
        return told
    ended: Effects = [StopRecorder(), FlushPlayer(), *machine.close_turn()]
    return told + ended + machine.enter(Stage.RESUMING, now)


_HANDLERS: dict[str, Callable[[Machine, Output, float], Effects]] = {
    "Started": _started,
    "Stopped": _stopped,
    "DialogStateChanged": _state,
    "RequestAccepted": _request_accepted,
    "SpeechStarted": _speech_started,
    "SpeechContent": _speech_content,
    "SpeechEnded": _speech_ended,
    "RespondingStarted": _responding_started,
    "RespondingContent": _responding_content,
    "RespondingEnded": _responding_ended,
    "HeartBeat": _heartbeat,
    "Error": _error,
}

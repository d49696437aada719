"""What the cloud says in ``multimodal-dialog``, and what each of it does.

One function for each event of multimodal-dialog section 5. The cloud is
authoritative: a stage follows what it says. One exception: while we are
ASKING for the floor, whatever it still says about the turn we leave is stale.
"""

from collections.abc import Callable
from math import inf

from mmid.errors import ConnectionLost, InvalidArgument
from mmid.events import (
    AsrComplete,
    AsrIncomplete,
    AsrStart,
    Command,
    DisplayText,
    Error,
    Heartbeat,
    LlmComplete,
    LlmIncomplete,
    SpeechPrepare,
    SpeechReady,
    SpeechRestart,
    SpeechStart,
    TtsEnd,
    TtsStart,
)
from mmid.json_text import whole, written
from mmid.session.dialects.multimodal_dialog.device_commands import Asked
from mmid.session.dialects.multimodal_dialog.machine import Machine
from mmid.session.dialects.multimodal_dialog.messages import SILENT_TURN_ERRORS, Output
from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.session.dialects.multimodal_dialog.turn import ACCEPT_GRACE_S
from mmid.session.dialects.multimodal_dialog.volume import loudness
from mmid.session.dialects.stages import VOICE_S
from mmid.session.effects import (
    Effect,
    Effects,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Note,
    SaveDialog,
    StartPlayer,
    ToolCall,
)

# Keys that a reply may make us remember.
_MOST_COMMANDS = 64

# The stages in which a speech of a press may still be recognised.
_HEARD = frozenset({Stage.TALKING, Stage.TRAILING, Stage.RECOGNISING, Stage.THINKING})

# The stages in which what a reply says is no news, or of a turn we left.
_NO_REPLY = frozenset({Stage.STARTING, Stage.TALKING, Stage.ASKING})


def on_output(machine: Machine, output: Output, now: float) -> Effects:
    """Obey one event of the cloud; one that is not known is noted and ignored."""
    handler = _HANDLERS.get(output.event)
    if handler is None:
        return machine.note_once("events that are not known", repr(output.event))
    machine.cause = output.event
    return handler(machine, output, now)


def _started(machine: Machine, output: Output, _now: float) -> Effects:
    if not output.dialog_id:
        return []
    machine.resumes = machine.resumes and output.dialog_id == machine.frames.dialog_id
    machine.frames.dialog_id = output.dialog_id
    return [SaveDialog(output.dialog_id)]


def _stopped(machine: Machine, _output: Output, now: float) -> Effects:
    return machine.fail(ConnectionLost("the cloud ended the session"), now)


def _state(machine: Machine, output: Output, now: float) -> Effects:
    obey = _STATES.get(output.state)
    machine.cause = output.state if obey else "other-state"
    if obey is _listening:
        return _listening(machine, now)
    if machine.stage is Stage.ASKING:
        machine.floor_withdrawn()
        return []
    if machine.stage is Stage.STARTING or obey is None:
        note = machine.note_once("states that are none to act on", repr(output.state))
        if machine.stage is Stage.STARTING:
            return note  # not usable yet; Listening is still to come
        return [*note, *_end_of_speech(machine), *_idle(machine, now)]
    return _end_of_speech(machine) + obey(machine, now)


def _end_of_speech(machine: Machine) -> Effects:
    return machine.close_microphone() if machine.stage is Stage.TALKING else []


def _idle(machine: Machine, now: float) -> Effects:
    return [*machine.end_asr(), *machine.end_reply(), *machine.enter(Stage.IDLE, now)]


def _listening(machine: Machine, now: float) -> Effects:
    if not machine.reached_listening:
        return _ready(machine, now)
    if machine.stage is Stage.TALKING:
        return []  # said once more after RequestAccepted
    if machine.stage is Stage.ASKING:
        machine.floor.listening = True
        if machine.floor.granted or machine.floor.due != inf:  # none was sent yet, none is needed
            return machine.floor_given(now)
        machine.stage_deadline = min(machine.stage_deadline, now + ACCEPT_GRACE_S)
        return []
    if _voice_interrupts(machine):
        cut = _cut_reply(machine)
        listening = machine.enter(Stage.LISTENING, now)
        return [*cut, *listening, Emit(SpeechPrepare()), Emit(SpeechRestart())]
    ended = machine.end_reply()
    if machine.mode.pressed:
        ended = machine.end_asr() + ended
    machine.new_turn()
    return [*ended, *machine.enter(Stage.LISTENING, now), Emit(SpeechPrepare())]


def _ready(machine: Machine, now: float) -> Effects:
    """The first Listening: the connection is usable, and in duplex the microphone opens."""
    machine.reached_listening = True
    machine.upload.sent(now)
    machine.new_turn()
    effects = [
        *machine.enter(Stage.LISTENING, now),
        Emit(SpeechReady()),
        Emit(SpeechPrepare()),
    ]
    if machine.mode.pressed:
        return effects
    return [*effects, Emit(SpeechStart()), *machine.open_microphone(now)]


def _voice_interrupts(machine: Machine) -> bool:
    """In duplex a cloud that leaves a reply has heard somebody talk over it (section 6)."""
    in_reply = machine.stage in {Stage.RESPONDING, Stage.PLAYING}
    return in_reply and not machine.mode.pressed


def _cut_reply(machine: Machine) -> Effects:
    """Be silent, and end a reply whose turn is over; the speech that cut it goes on."""
    machine.left_round = machine.turn.reply.round_id
    effects: Effects = [FlushPlayer(), *machine.end_tts()]
    machine.new_turn()
    return effects


def _thinking(machine: Machine, now: float) -> Effects:
    ended = _cut_reply(machine) if _voice_interrupts(machine) else machine.end_reply()
    return [*ended, *machine.end_asr(), *machine.enter(Stage.THINKING, now)]


def _request_accepted(machine: Machine, _output: Output, now: float) -> Effects:
    machine.floor.accepted = True
    ready = machine.stage is Stage.ASKING and machine.floor.granted
    return machine.floor_given(now) if ready else []


def _hears(machine: Machine) -> bool:
    """Whether what the cloud says about speech is about speech that somebody still means."""
    if machine.mode.pressed:
        return machine.turn.spoken and machine.stage in _HEARD
    return machine.reached_listening and machine.stage is not Stage.ASKING


def _speech_started(machine: Machine, _output: Output, now: float) -> Effects:
    over = machine.mode.pressed and machine.stage is Stage.THINKING
    if over or machine.turn.asr_open or not _hears(machine):
        return []
    machine.turn.asr_open, machine.turn.voice_until = True, now + VOICE_S
    trailing = machine.stage is Stage.TRAILING  # it was spoken before the release
    moved = machine.enter(Stage.RECOGNISING, now) if trailing else []
    return [*moved, Emit(AsrStart())]


def _speech_content(machine: Machine, output: Output, now: float) -> Effects:
    if not _hears(machine):
        return []
    machine.turn.voice_until = now + VOICE_S
    event = AsrComplete if output.finished else AsrIncomplete
    return [Emit(event(whole(output.text, goes_on=not output.finished)))]


def _speech_ended(machine: Machine, _output: Output, now: float) -> Effects:
    if machine.stage is Stage.ASKING:
        return []
    effects: Effects = []
    if machine.stage is Stage.TALKING:  # O4: even if the button is still down
        effects = [*machine.close_microphone(), *machine.enter(Stage.RECOGNISING, now)]
    return effects + machine.end_asr()


def _reply_begins(machine: Machine, now: float) -> Effects:
    if machine.stage in {Stage.RESPONDING, Stage.PLAYING}:
        return []
    ended = machine.end_asr()
    machine.turn.begin_reply()
    shown = machine.enter(Stage.RESPONDING, now)
    return [*ended, *shown, Emit(TtsStart()), StartPlayer()]


def _responding_started(machine: Machine, _output: Output, now: float) -> Effects:
    return _reply_begins(machine, now) if machine.stage is Stage.THINKING else []


def _responding_content(machine: Machine, output: Output, now: float) -> Effects:
    stale = bool(output.round_id) and output.round_id == machine.left_round
    if stale or machine.stage in _NO_REPLY:
        return []
    if machine.stage is Stage.RESPONDING:
        machine.stay(now)  # progress
    event = LlmComplete if output.finished else LlmIncomplete
    text = machine.turn.reply.add(
        output.round_id, output.text, output.spoken, finished=output.finished
    )
    shown = machine.turn.reply.shown if output.finished else ""
    display: Effects = [Emit(DisplayText(shown))] if shown not in {"", text} else []
    return [*display, Emit(event(text)), *_commands(machine, output)]


def _told(machine: Machine, asked: Asked) -> Effect:
    """Tell of a command; a program of the board may be it."""
    told = Command(asked.name, written(asked.params))
    if not asked.function:
        return Emit(told)
    if asked.request:
        machine.results.expect(asked.request)
    return ToolCall(asked.request, asked.function, asked.arguments, told)


def _commands(machine: Machine, output: Output) -> Effects:
    """Pass on each command of a reply once, however often its text is repeated."""
    effects: Effects = []
    passed_on = machine.turn.commands
    for asked in output.asking:
        if isinstance(asked, str):
            effects += machine.note_once("commands that make no sense", asked)
            continue
        if asked.key in passed_on:
            continue
        if len(passed_on) >= _MOST_COMMANDS:
            return effects + machine.note_once("commands beyond 64 in a reply", asked.name)
        passed_on.add(asked.key)
        effects.append(_told(machine, asked))
        try:
            wanted = loudness(asked.name, asked.params)
        except InvalidArgument as error:
            effects += machine.note_once("commands that make no sense", str(error))
        else:
            effects += [wanted] if wanted else []
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
        return told + machine.end_asr()
    ended: Effects = [*machine.close_microphone(), *machine.cut_turn()]
    return told + ended + machine.enter(Stage.RESUMING, now)


_STATES: dict[str, Callable[[Machine, float], Effects]] = {
    "Listening": _listening,
    "Thinking": _thinking,
    "Responding": _reply_begins,
}

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

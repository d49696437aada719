"""What the service says in Qwen-Omni Realtime, and what each of it does.

One function for each event of section 6 that means something to us; the mapping to the
device's own events is section 16. What belongs to a response that was cancelled is dropped:
a late delta is never heard.
"""

import json
from collections.abc import Callable
from math import inf

from mmid.errors import CloudRefused
from mmid.events import Command, Error, SpeechPrepare, SpeechReady, SpeechRestart, SpeechStart
from mmid.session.dialects.qwen_realtime.failures import Following, after_error
from mmid.session.dialects.qwen_realtime.machine import RealtimeMachine, Request
from mmid.session.dialects.qwen_realtime.messages import ServerEvent
from mmid.session.dialects.qwen_realtime.talk import empty_turn
from mmid.session.dialects.qwen_realtime.turn import (
    ASR_GRACE_S,
    RealtimeRecognition,
    RealtimeReply,
)
from mmid.session.dialects.stages import FREE_STAGES, TURN_STAGES, VOICE_S, TurnStage
from mmid.session.effects import (
    Effects,
    Emit,
    Next,
    Note,
    SaveDialog,
    Send,
    StartRecorder,
    StopRecorder,
    ToolCall,
)

# What one response may call; the others are answered with an error.
_MOST_CALLS = 8

# Values of dialog.text_mode without the reply's text: the service refuses to leave it out.
_TEXT_UNWANTED = {"asr", "none"}

# The session is given up if nothing comes for so long after an error that blames the service.
_SUSPICION_S = 10.0


def on_event(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    """Obey one event; of one that is not known nothing follows."""
    handler = _HANDLERS.get(event.kind)
    if handler is None:
        return []
    machine.cause = event.kind
    return handler(machine, event, now)


# --- the session --------------------------------------------------------------------------


def _created(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    if machine.stage is not TurnStage.STARTING:
        return []
    named = SaveDialog(event.session_id, resumable=False)
    if machine.events.handbook:  # it may be all the answer that session.create gets (section 15)
        return [named, *_updated(machine, event, now)]
    return [named, Send(machine.session)]


def _updated(machine: RealtimeMachine, _event: ServerEvent, now: float) -> Effects:
    if machine.stage is not TurnStage.STARTING:
        return []
    machine.ready = True
    effects = [
        *machine.enter(TurnStage.LISTENING, now),
        Emit(SpeechReady()),
        Emit(SpeechPrepare()),
    ]
    if machine.mode.pressed:
        return effects
    return [*effects, Emit(SpeechStart()), StartRecorder()]


# --- what it hears ------------------------------------------------------------------------


def _speech_started(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    """A voice begins: where a reply is under way, it interrupts that (section 8)."""
    if machine.mode.framed or machine.stage is TurnStage.STARTING:
        return []
    if machine.mode.pressed and machine.stage not in {
        TurnStage.TALKING,
        TurnStage.TRAILING,
    }:
        return []  # of a speech that nobody means any more
    if machine.stage in TURN_STAGES:
        cut = machine.cut_turn(now)
        machine.new_turn()
        machine.hearing.item_id = event.item_id
        moved = machine.enter(TurnStage.LISTENING, now)
        return [*cut, *moved, Emit(SpeechRestart()), *_voice_heard(machine, now)]
    if machine.hearing.ended or (machine.hearing.item_id and not machine.hearing.open):
        machine.hearing = RealtimeRecognition()
    machine.hearing.item_id = event.item_id
    trailing = machine.stage is TurnStage.TRAILING  # it was spoken before the release
    moved = machine.enter(TurnStage.RECOGNISING, now) if trailing else []
    return [*moved, *_voice_heard(machine, now)]


def _voice_heard(machine: RealtimeMachine, now: float) -> Effects:
    if not machine.mode.pressed:
        machine.hearing.due = now + VOICE_S
    return machine.hearing.start()


def _speech_stopped(machine: RealtimeMachine, _event: ServerEvent, now: float) -> Effects:
    hears = machine.stage in FREE_STAGES | {TurnStage.TALKING, TurnStage.RECOGNISING}
    if machine.mode.framed or not hears or not machine.hearing.open:
        return []
    closed: Effects = [StopRecorder()] if machine.stage is TurnStage.TALKING else []
    machine.hearing.due = now + ASR_GRACE_S
    return [*closed, *machine.enter(TurnStage.RECOGNISING, now)]


def _turn_detected(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    """The handbook has one event for a voice that interrupts, and for a speech that ended."""
    if machine.stage in TURN_STAGES - {TurnStage.RECOGNISING}:
        return _speech_started(machine, event, now)
    heard = machine.stage is TurnStage.RECOGNISING
    started = [] if heard else _speech_started(machine, event, now)
    return [*started, *_speech_stopped(machine, event, now)]


def _committed(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    if not machine.mode.framed:  # else it is we who commit
        machine.committed()
    if machine.stage is not TurnStage.RECOGNISING or machine.hearing.silent:
        return []
    machine.hearing.item_id = event.item_id or machine.hearing.item_id
    machine.hearing.due = now + ASR_GRACE_S
    return machine.hearing.start()


def _understood(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    hearing = machine.hearing
    if not _is_about(machine, event):
        return []
    preview = hearing.preview + event.text if event.preview is None else event.preview
    over = machine.stage is TurnStage.RECOGNISING
    begun = hearing.start() if over else _voice_heard(machine, now)
    return [*begun, *hearing.understand(preview)]


def _transcribed(machine: RealtimeMachine, event: ServerEvent, _now: float) -> Effects:
    return machine.hearing.complete(event.text) if _is_about(machine, event) else []


def _not_transcribed(machine: RealtimeMachine, event: ServerEvent, _now: float) -> Effects:
    if not _is_about(machine, event):
        return []
    note = Note(f"the cloud understood nothing: {event.message}")
    return [note, *machine.hearing.complete("")]


def _is_about(machine: RealtimeMachine, event: ServerEvent) -> bool:
    """Whether a transcript is of the speech of this turn."""
    hearing = machine.hearing
    if hearing.silent:
        return False
    known = hearing.open or hearing.ended or machine.stage is TurnStage.RECOGNISING
    return known and event.item_id in {"", hearing.item_id}


# --- what it says -------------------------------------------------------------------------


def _response_created(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    if machine.dying.takes(event.response_id):
        return [Send(machine.events.cancel())]  # the first came before it was there to cancel
    begins = machine.stage in {TurnStage.RECOGNISING, TurnStage.LISTENING}
    if not begins or machine.dying.has(event.response_id):  # said again of one that was cancelled
        return []
    return _begin(machine, event.response_id, now)


def _begin(machine: RealtimeMachine, response_id: str, now: float) -> Effects:
    # One response is active at a time: this one answers what was asked, and any other has ended.
    machine.request = Request()
    machine.dying.ended()
    if machine.stage is TurnStage.LISTENING and not machine.hearing.open:
        machine.new_turn()  # it speaks although nobody asked
    machine.reply = RealtimeReply(id=response_id)
    return machine.enter(TurnStage.THINKING, now)


def _ours(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects | None:
    """Let a part of a response begin what it must; None: nobody is to hear it."""
    reply = machine.reply
    if machine.dying.has(event.response_id):
        return None
    begun: Effects = []
    # In the handbook's words a response begins by its first part.
    if reply.over and machine.events.handbook and machine.stage is TurnStage.RECOGNISING:
        begun = _begin(machine, event.response_id, now)
        reply = machine.reply
    if reply.over:
        return None
    reply.id = reply.id or event.response_id
    if event.response_id not in {"", reply.id}:
        return None
    if machine.stage not in {TurnStage.THINKING, TurnStage.RESPONDING}:
        return None
    machine.stay(now)
    return [*begun, *machine.hearing.end()]


def _content_part(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    begun = _ours(machine, event, now)
    if begun is None or not event.spoken:
        return begun or []
    return [*begun, *machine.enter(TurnStage.RESPONDING, now), *machine.reply.speak()]


def _audio(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    begun = _ours(machine, event, now)
    if begun is None:
        return []
    machine.reply.heard_bytes += len(event.audio)
    heard = machine.reply.hear(event.audio)
    return [*begun, *machine.enter(TurnStage.RESPONDING, now), *heard]


def _audio_done(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    begun = _ours(machine, event, now)
    return [] if begun is None else [*begun, *machine.reply.end_voice()]


def _text(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    begun = _ours(machine, event, now)
    if begun is None or machine.settings.text_mode in _TEXT_UNWANTED:
        return begun or []
    channel = event.kind.rpartition(".")[0]
    shown = machine.enter(TurnStage.RESPONDING, now)
    return [*begun, *shown, *machine.reply.read_delta(channel, event.text, now)]


def _text_done(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    begun = _ours(machine, event, now)
    channel = event.kind.rpartition(".")[0]
    if begun is None or machine.settings.text_mode in _TEXT_UNWANTED:
        return begun or []
    return [*begun, *machine.reply.read_channel(channel, event.text)]


def _call(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    begun = _ours(machine, event, now)
    reply = machine.reply
    if begun is None or not event.call_id or event.call_id in reply.calls:
        return begun or []
    if len(reply.calls) >= _MOST_CALLS:
        refusal = machine.events.output(event.call_id, '{"error":"too many calls"}')
        return [*begun, Send(refusal)]
    reply.calls[event.call_id], reply.called = event.name, True
    call = {"id": event.call_id, "function": event.name, "arguments": event.arguments}
    params = [{"name": name, "value": value} for name, value in call.items()]
    written = json.dumps(params, ensure_ascii=False, separators=(",", ":"))
    told = Command("tool_call", written)
    return [*begun, ToolCall(event.call_id, event.name, event.arguments, told)]


def _response_done(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    reply = machine.reply
    if machine.dying.has(event.response_id):
        return machine.response_ended(event.response_id, now, event.usage)
    if reply.over:
        return machine.response_ended(event.response_id, now)
    if event.response_id not in {"", reply.id}:
        return []
    effects: Effects = [*machine.hearing.end(), *reply.end()]
    if event.status == "failed":
        effects.append(Emit(Error("cloud", "the cloud could not finish its reply")))
    return [*effects, *machine.spend(event.usage), *machine.end_turn(now)]


def _item_done(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    """Some services end a cancelled response by this alone (section 8)."""
    return machine.response_ended(event.response_id, now) if event.response_id else []


# --- what goes wrong ----------------------------------------------------------------------


def _error(machine: RealtimeMachine, event: ServerEvent, now: float) -> Effects:
    code = event.error_code or event.error_kind or "cloud"
    told = Emit(Error(code, event.message or "the cloud said no more than that"))
    if machine.stage is TurnStage.STARTING:
        error = CloudRefused(f"the cloud refused the session: {event.message}", code)
        # An error that blames our event will come again; the service's own trouble may soon pass.
        ours = after_error(event.error_kind, event.message) is not Following.SUSPECT
        return [told, *machine.fail(error, Next.HOURS if ours else Next.RETRY, now)]
    match after_error(event.error_kind, event.message):
        case Following.NOTHING:
            return machine.response_ended("", now)
        case Following.WAIT:
            if machine.stage is TurnStage.RECOGNISING:  # else the one that is active is the answer
                machine.dying.wait(now)
                machine.request.waits, machine.request.again_at = True, inf
            return []
        case Following.EMPTY if machine.stage is TurnStage.RECOGNISING:
            return empty_turn(machine, now)
        case Following.SUSPECT:
            machine.suspect_until = now + _SUSPICION_S
    return [told, *_end_turn_by_error(machine, now)]


def _end_turn_by_error(machine: RealtimeMachine, now: float) -> Effects:
    if machine.stage not in {
        TurnStage.RECOGNISING,
        TurnStage.THINKING,
        TurnStage.CALLING,
    }:
        return []  # a reply that is under way may well go on
    return [*machine.cut_turn(now), *machine.listen(now)]


_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_HANDLERS: dict[str, Callable[[RealtimeMachine, ServerEvent, float], Effects]] = {
    "session.created": _created,
    "session.updated": _updated,
    "input_audio_buffer.speech_started": _speech_started,
    "input_audio_buffer.speech_stopped": _speech_stopped,
    "turn_detected": _turn_detected,
    "input_audio_buffer.committed": _committed,
    f"{_TRANSCRIPTION}.delta": _understood,
    f"{_TRANSCRIPTION}.completed": _transcribed,
    f"{_TRANSCRIPTION}.failed": _not_transcribed,
    "response.created": _response_created,
    "response.content_part.added": _content_part,
    "response.audio.delta": _audio,
    "response.audio.done": _audio_done,
    "response.text.delta": _text,
    "response.text.done": _text_done,
    "response.audio_transcript.delta": _text,
    "response.audio_transcript.done": _text_done,
    "response.function_call_arguments.done": _call,
    "response.output_item.done": _item_done,
    "response.done": _response_done,
    "error": _error,
}

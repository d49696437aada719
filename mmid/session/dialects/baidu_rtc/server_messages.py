"""What the service says in Baidu RTC, and what each of it does (sections 5.1, 6 and 8).

One function for each kind of message. What is not expected now means nothing: the service
has no ids, so it is told apart by the stage, and by ``RtcMachine.is_stale``.
"""

from collections.abc import Callable

from mmid.events import Command, Error, SpeechRestart
from mmid.session.dialects.baidu_rtc import client_messages
from mmid.session.dialects.baidu_rtc.machine import RESTING, RtcMachine
from mmid.session.dialects.baidu_rtc.messages import RtcMessage, Said, parse_call
from mmid.session.dialects.baidu_rtc.turn import SpokenReply
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Effects, Emit, Note, SaveDialog, ToolCall

# So long may a function take (the contract), and so many may be called at once.
CALL_S = 30.0
_MOST_CALLS = 8

# A text that is not spoken, nor gone on with, for so long was to be read.
_VOICE_S = 10.0

# Values of dialog.text_mode without the reply's text.
_NO_ANSWER = {"asr", "none"}

_LONGEST_ERROR = 1024
_LONGEST_ID = 64


def on_message(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    """Obey one message of a dialog that is open."""
    return _HANDLERS[message.said](machine, message, now)


# --- what it hears ------------------------------------------------------------------------


def _voice_coming(machine: RtcMachine, _: RtcMessage, now: float) -> Effects:
    stage, pressed = machine.stage, machine.mode.pressed
    written = stage is TurnStage.THINKING and machine.hearing.silent
    if not pressed and (written or stage in {TurnStage.RESPONDING, TurnStage.PLAYING}):
        return _interrupted_by_voice(machine, now)
    if stage is TurnStage.TRAILING:  # it was spoken before the release
        return [*machine.enter(TurnStage.RECOGNISING, now), *machine.hearing.hear(now)]
    if stage in {TurnStage.RECOGNISING, TurnStage.THINKING} and not pressed:
        machine.stay(now)  # the question goes on
    hears = stage in {TurnStage.TALKING, TurnStage.RECOGNISING}
    if stage is TurnStage.LISTENING and not pressed:
        _new_voice(machine)
        hears = True
    return machine.hearing.hear(now) if hears else []


def _voice_disappear(machine: RtcMachine, _: RtcMessage, now: float) -> Effects:
    listens = TurnStage.TALKING if machine.mode.pressed else TurnStage.LISTENING
    heard = machine.mode.pressed or machine.hearing.open
    if machine.mode.framed or machine.stage is not listens or not heard:
        return []
    heard_now = machine.hearing.hear(now)
    closed = machine.close_microphone()
    return [*closed, *heard_now, *machine.enter(TurnStage.RECOGNISING, now)]


def _interrupted(machine: RtcMachine, _: RtcMessage, now: float) -> Effects:
    speaks = machine.stage in {TurnStage.RESPONDING, TurnStage.PLAYING}
    return _interrupted_by_voice(machine, now) if speaks and not machine.mode.pressed else []


def _interrupted_by_voice(machine: RtcMachine, now: float) -> Effects:
    """Somebody talks into the reply: the cloud ends it by itself (section 6)."""
    cut = machine.drop_turn(now)
    machine.new_turn()
    moved = machine.enter(TurnStage.LISTENING, now)
    return [*cut, *moved, Emit(SpeechRestart()), *machine.hearing.hear(now)]


def _new_voice(machine: RtcMachine) -> None:
    """In duplex a speech begins while nothing is under way."""
    if machine.hearing.ended or not machine.hearing.open:
        machine.new_turn()


def _question_so_far(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    goes_on = message.said is Said.QUESTION_GOES_ON_SO_FAR
    heard: Effects = []
    if machine.stage is TurnStage.TRAILING:
        heard = machine.enter(TurnStage.RECOGNISING, now)
    elif machine.stage is TurnStage.LISTENING and not machine.mode.pressed:
        _new_voice(machine)
    elif machine.stage not in {TurnStage.TALKING, TurnStage.RECOGNISING}:
        return []
    return [*heard, *machine.hearing.preview_is(message.text, now, goes_on=goes_on)]


def _question(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    goes_on = message.said is Said.QUESTION_GOES_ON
    stage, mode = machine.stage, machine.mode
    cut: Effects = []
    if stage is TurnStage.LISTENING and mode.pressed:
        again = machine.hearing.ended and message.text == machine.hearing.text
        return [] if again else _nobody_asked(machine, now)
    if stage is TurnStage.TALKING and mode.framed:
        return []  # of the speech before: this one goes on
    if stage is TurnStage.LISTENING:
        _new_voice(machine)
    elif stage in {TurnStage.RESPONDING, TurnStage.PLAYING}:
        if mode.pressed or goes_on or message.text == machine.hearing.text:
            return machine.hearing.final_is(message.text, now, goes_on=goes_on)
        cut = _interrupted_by_voice(machine, now)
    closed = machine.close_microphone() if stage is TurnStage.TALKING else []
    told = machine.hearing.final_is(message.text, now, goes_on=goes_on)
    if machine.hearing.silent:
        return []
    machine.understood()
    if not message.text.strip() and stage is not TurnStage.THINKING:  # nothing was said
        return [*cut, *closed, *told, *machine.listen(now)]
    return [*cut, *closed, *told, *machine.enter(TurnStage.THINKING, now)]


def _nobody_asked(machine: RtcMachine, now: float) -> Effects:
    """A speech was cancelled, and is answered all the same: it is interrupted once more."""
    if machine.outlet.full:
        return []
    machine.expect_stale(now)
    return machine.outlet.text(client_messages.INTERRUPT, now=now)


# --- what it says -------------------------------------------------------------------------


def _coming(machine: RtcMachine) -> SpokenReply:
    """Return the reply that comes: while nobody asked, one that waits until it speaks."""
    if machine.stage in RESTING and machine.reply.over and not machine.reply.waits:
        machine.reply = SpokenReply(packets=machine.packets, waits=True)
    return machine.reply


def _goes_on(machine: RtcMachine, now: float) -> Effects:
    """The question was understood, if nothing said so: a part of its reply came, or a wish."""
    if machine.stage in RESTING:
        return []
    ended = machine.hearing.end()
    if machine.stage is TurnStage.RECOGNISING:
        return [*ended, *machine.enter(TurnStage.THINKING, now)]
    machine.stay(now)
    return ended


def _answer_so_far(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    if machine.is_stale(message.said, now):
        return []
    begun, reply = _goes_on(machine, now), _coming(machine)
    _await_voice(machine, now)
    if machine.settings.text_mode in _NO_ANSWER:
        return begun
    return [*begun, *reply.read_more(message.text, now)]


def _answer(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    if machine.is_stale(message.said, now):
        return []
    wanted = machine.settings.text_mode not in _NO_ANSWER
    if machine.stage in RESTING and machine.reply.over and not machine.reply.waits:
        if machine.reply.text_due:  # late, behind the end of the voice
            return machine.reply.read_last(message.text) if wanted else []
        if message.text == machine.reply.text:
            return []
    begun, reply = _goes_on(machine, now), _coming(machine)
    _await_voice(machine, now)
    return [*begun, *(reply.read_last(message.text) if wanted else [])]


def _await_voice(machine: RtcMachine, now: float) -> None:
    """A text came: a reply that nobody speaks is over when no more of it comes."""
    if machine.stage is TurnStage.THINKING:
        machine.stage_deadline = now + _VOICE_S


def _tts_begin(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    if machine.is_stale(message.said, now):
        return []
    begun, reply = _goes_on(machine, now), _coming(machine)
    reply.begin(now)
    if machine.stage is TurnStage.PLAYING:
        return []  # it waits until the one before was heard
    return [*begun, *machine.enter(TurnStage.RESPONDING, now), *reply.release(now)]


def on_sound(machine: RtcMachine, audio: bytes, now: float) -> Effects:
    """Sound of a reply came; it may come before its beginning (section 8)."""
    if machine.is_stale(None, now):
        return []
    if machine.stage is TurnStage.RESPONDING:  # ten times a second: it only goes on
        machine.stay(now)
        return machine.reply.take(audio, now)
    begun, reply = _goes_on(machine, now), _coming(machine)
    if machine.stage in RESTING:
        return reply.take(audio, now)
    heard = reply.take(audio, now)
    return [*begun, *machine.enter(TurnStage.RESPONDING, now), *heard]


def _tts_end(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    if machine.is_stale(message.said, now):
        return []
    reply = machine.reply
    if machine.stage is TurnStage.PLAYING and reply.waits and reply.begun:
        return reply.finish()
    if machine.stage is not TurnStage.RESPONDING:
        return []
    return end_reply(machine, now)


def end_reply(machine: RtcMachine, now: float) -> Effects:
    """The reply has come whole."""
    ended = machine.reply.finish()
    machine.understood()
    if machine.reply.playing:
        return [*ended, *machine.enter(TurnStage.PLAYING, now)]
    return [*ended, *machine.listen(now)]


# --- what it wants of the board -----------------------------------------------------------


def _call(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    if machine.is_stale(message.said, now):
        return []
    call = parse_call(message.text)
    if call is None or call.session_id in machine.calls:
        return ignored(machine)
    if len(machine.calls) >= _MOST_CALLS:
        if machine.outlet.full:
            return ignored(machine)
        return machine.answer(call.session_id, "too many calls", now, failed=True)
    machine.calls[call.session_id] = now + CALL_S
    told = Command("tool_call", call.params)
    called = ToolCall(call.session_id, call.name, call.arguments, told)
    return [*_goes_on(machine, now), called]


def _command(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    told = Emit(Command(message.command, message.params))
    if message.command == "upload_image":
        if machine.is_stale(message.said, now):
            return []
        machine.picture_wanted = True
        return [*_goes_on(machine, now), told]
    if machine.stage is TurnStage.THINKING:
        machine.stay(now)
    return [told]


def _conversation(_: RtcMachine, message: RtcMessage, _now: float) -> Effects:
    return [SaveDialog(message.text[:_LONGEST_ID], resumable=False)]


def _error(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    text = machine.activation.identity.without_name(message.text)[:_LONGEST_ERROR]
    told: Effects = [Emit(Error("cloud", text))]
    if machine.stage not in {TurnStage.RECOGNISING, TurnStage.THINKING}:
        return told  # a reply that is under way may well go on
    return [*told, *machine.cut_turn(now), *machine.listen(now)]


def ignored(machine: RtcMachine, *_: object) -> Effects:
    """Count what means nothing; the first is worth a line."""
    machine.ignored += 1
    told = "the cloud said something that mmid does not know or take; it is counted from here on"
    return [Note(told)] if machine.ignored == 1 else []


def _nothing(*_: object) -> Effects:
    return []


_HANDLERS: dict[Said, Callable[[RtcMachine, RtcMessage, float], Effects]] = {
    Said.READY: _nothing,
    Said.VOICE_COMING: _voice_coming,
    Said.VOICE_DISAPPEAR: _voice_disappear,
    Said.INTERRUPTED: _interrupted,
    Said.QUESTION: _question,
    Said.QUESTION_GOES_ON: _question,
    Said.QUESTION_SO_FAR: _question_so_far,
    Said.QUESTION_GOES_ON_SO_FAR: _question_so_far,
    Said.ANSWER: _answer,
    Said.ANSWER_SO_FAR: _answer_so_far,
    Said.HINT: _nothing,
    Said.TTS_BEGIN: _tts_begin,
    Said.TTS_END: _tts_end,
    Said.CALL: _call,
    Said.COMMAND: _command,
    Said.CONVERSATION: _conversation,
    Said.ERROR: _error,
}

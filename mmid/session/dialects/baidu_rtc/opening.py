"""From the first message to the first readiness: the license, and what opens the dialog.

Section 6, rules 2 to 6. Here alone the license key leaves the board, in the answer to MUST.
"""

from math import inf

from mmid.errors import ConnectionLost, LicenseRefused
from mmid.events import Error, SpeechPrepare, SpeechReady, SpeechStart
from mmid.secrets import clean
from mmid.session.dialects.baidu_rtc import client_messages
from mmid.session.dialects.baidu_rtc.machine import RtcMachine
from mmid.session.dialects.baidu_rtc.messages import RtcMessage, Said
from mmid.session.dialects.baidu_rtc.server_messages import ignored, on_message
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Authorized, Effects, Emit, Next, StartRecorder, Unauthorized

# The PASS of a license that was asked for late (rule 3: 10 to 15 s in all).
_PASS_S = 15.0

_LONGEST_REASON = 256

_REFUSED_CODE = "license-refused"
_REFUSED_ADVICE = (
    "Look in the cloud's console for the license (its counts for this application, its term) and "
    "whether another board has the same name; then call Register."
)


def on_license(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    """Take in what is said about the license, at any time."""
    activation, queue = machine.activation, machine.outlet
    if message.said is Said.FAILED:
        return _refused(machine, message.text, now)
    if message.said is Said.PASS:
        first = activation.waits_for_pass
        activation.passed, queue.held, activation.pass_by = True, False, inf
        granted: Effects = [Authorized()] if first else []
        return [*granted, *queue.drain(now), *_open_if_due(machine, now)]
    if activation.answered:
        return ignored(machine)
    activation.answered, activation.passed = True, False  # a PASS that nobody waited for is void
    if machine.ready:
        queue.held, activation.pass_by = True, now + _PASS_S
    shown = activation.identity
    key = shown.license_key.reveal()
    return queue.at_once(client_messages.active(shown.device_id, shown.user_id, key), now)


def _refused(machine: RtcMachine, reason: str, now: float) -> Effects:
    """The cloud does not let this device in: nothing is tried again by itself."""
    line = machine.activation.identity.without_name(reason)[:_LONGEST_REASON]
    said = clean(" ".join(line.split()))
    meaning = f"the cloud refused this device's license{f': {said}' if said else ''}"
    told = f"{meaning}. {_REFUSED_ADVICE}"
    error = LicenseRefused(told, _REFUSED_CODE, _REFUSED_ADVICE, meaning=meaning)
    shown = Emit(Error(_REFUSED_CODE, meaning, _REFUSED_ADVICE))
    return [Unauthorized(error), shown, *machine.fail(error, Next.STOP, now, meaning)]


def give_up_pass(machine: RtcMachine, now: float) -> Effects:
    """Nobody said what became of a license that was asked for late."""
    error = ConnectionLost("waited in vain for the license to pass")
    return machine.fail(error, Next.RETRY, now, str(error))


def before_open(machine: RtcMachine, message: RtcMessage, now: float) -> Effects:
    """Take in what else is said before the dialog is open."""
    if message.said is Said.READY:
        machine.activation.media_ready(now)
        return _open_if_due(machine, now)
    if message.said is Said.TTS_BEGIN and machine.activation.opens_at < inf:
        # It greets us: so nobody will ask for a license first.
        return [*open_dialog(machine, now), *on_message(machine, message, now)]
    if message.said in {Said.ERROR, Said.CONVERSATION}:
        return on_message(machine, message, now)
    return ignored(machine)


def _open_if_due(machine: RtcMachine, now: float) -> Effects:
    """Open now if nothing is waited for."""
    starts = machine.stage is TurnStage.STARTING
    return open_dialog(machine, now) if starts and machine.activation.opens_at <= now else []


def open_dialog(machine: RtcMachine, now: float) -> Effects:
    """The cloud takes speech: say what we are and how we talk, then listen."""
    mode = machine.mode
    machine.ready = True
    asked = machine.outlet.text(
        client_messages.device_info(machine.activation.identity.user_id),
        client_messages.LISTEN_WHEN_TOLD if mode.framed else client_messages.LISTEN_ALWAYS,
        client_messages.voice_interrupts(not mode.pressed),
        now=now,
    )
    moved = machine.enter(TurnStage.LISTENING, now)
    effects = [*asked, *moved, Emit(SpeechReady()), Emit(SpeechPrepare())]
    return effects if mode.pressed else [*effects, Emit(SpeechStart()), StartRecorder()]

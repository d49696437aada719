"""A way into every stage of every work mode, in the inputs of ``trace``."""

from typing import Any, get_args, get_type_hints

from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.settings import Dialog
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.trace import Rehearsal, dialect

MODES: tuple[str, ...] = get_args(get_type_hints(Dialog)["work_mode"])

_CONNECT = ["open", "< Started d-1", "< state Listening"]
_SPEAK = ["press", "mic hello", "< SpeechStarted", "release"]
_VOICE = ["mic hello", "< SpeechStarted"]  # in duplex nobody presses


def _routes(mode: str) -> dict[Stage, list[str]]:
    duplex = mode == "duplex"
    thinking = [*_CONNECT, *(_VOICE if duplex else _SPEAK), "< SpeechEnded", "< state Thinking"]
    responding = [*thinking, "< state Responding", "<< head", "speaker starts"]
    routes = {
        Stage.STARTING: ["open"],
        Stage.LISTENING: _CONNECT,
        Stage.TALKING: [*_CONNECT, "press"],
        Stage.TRAILING: [*_CONNECT, "press", "mic hello", "release"],
        Stage.RECOGNISING: [*_CONNECT, *(["ask what"] if duplex else _SPEAK)],
        Stage.THINKING: thinking,
        Stage.RESPONDING: responding,
        Stage.PLAYING: [*responding, "< RespondingEnded"],
        Stage.RESUMING: [*responding, "< RespondingEnded", "speaker drained"],
        Stage.IDLE: [*_CONNECT, "< state Idle"],
        Stage.ASKING: [*responding, "interrupt" if duplex else "press"],
        Stage.CLOSED: [*_CONNECT, "drop"],
    }
    unused = {
        "push2talk": {Stage.TRAILING},
        "tap2talk": set(),
        "duplex": {Stage.TALKING, Stage.TRAILING},
    }
    return {stage: route for stage, route in routes.items() if stage not in unused[mode]}


ROUTES = {mode: _routes(mode) for mode in MODES}


def reach(stage: Stage, mode: str = "push2talk", **settings: Any) -> Rehearsal:
    """Return a rehearsal whose dialect is in the stage."""
    rehearsal = Rehearsal(dialect(dialog_settings(work_mode=mode, **settings)))
    for given in ROUTES[mode][stage]:
        rehearsal.act(given)
    assert rehearsal.dialect.machine.stage is stage
    return rehearsal

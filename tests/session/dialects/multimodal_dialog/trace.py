"""A small notation for traces, so that a test reads like the protocol's document.

A line is an input and, after a bar, the effects it must have::

    < state Listening         | show listening; SpeechReady; SpeechPrepare
    press                     | flush player; > SendSpeech; SpeechStart
    mic one                   | audio one
    48 s later                | > HeartBeat

Inputs
    open, leave, drop               the connection opens, is left, breaks
    < NAME ...                      the cloud sends a text frame; ``cloud_frames`` has the forms
    << 8000 x46                     the cloud sends 46 binary frames of 8000 bytes
    press, release, cancel, interrupt, ask TEXT, say TEXT
    tell                            the board tells that its telephone stopped ringing
    mic TEXT, mic fails             the microphone recorded these bytes, or ended by itself
    speaker starts|drained|fails    what the loudspeaker really did
    3.5 s later                     time goes by, and ``tick`` is called when it is due

Effects
    > NAME ...                      a directive is sent, with what else its input holds
    audio TEXT, backlog TEXT        speech is sent; backlog: recorded before the cloud listened
    silence BYTES                   silence is sent
    play TEXT                       samples go to the loudspeaker
    close NEXT, close NEXT: CODE    the connection is closed, politely or for an error
    refused NAME                    the command raised this error
    show STATE, save ID, note, start player, flush player, finish player, stop recorder
    AsrComplete TEXT and the like   an event; of ``Error`` the code only

Samples are shown as text if they are letters, else as their number; what
repeats is shown once, with ``x46``.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import chain, groupby
from typing import Any

from mmid.errors import CallerError
from mmid.events import Error, Event
from mmid.frozen import frozen
from mmid.session.dialects.multimodal_dialog.dialog import MultimodalDialog
from mmid.session.dialects.multimodal_dialog.directives import ClientInfo
from mmid.session.effects import (
    Close,
    Effect,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Moved,
    Note,
    Play,
    SaveDialog,
    Send,
    SendAudio,
    Show,
    StartPlayer,
    StartRecorder,
    StopRecorder,
)
from mmid.settings import Dialog
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects.multimodal_dialog.cloud_frames import TASK_ID, server_frame

CONNECT_TIMEOUT_S = 15.0

# --- how far a dialog is before a test's own trace begins --------------------------------------

CONNECTED = """
    open                      | > Start
    < task-started            |
    < Started d-1             | save d-1
    < state Listening         | show listening; SpeechReady; SpeechPrepare
"""
TALKED = f"""{CONNECTED}
    press                     | flush player; > SendSpeech; SpeechStart
    mic hello                 | audio hello
    < SpeechStarted           | AsrStart
    release                   | > StopSpeech
"""
THINKING = f"""{TALKED}
    < SpeechContent final hi  | AsrComplete hi
    < SpeechEnded             | AsrEnd
    < state Thinking          | show thinking
"""
REPLYING = f"""{THINKING}
    < state Responding        | show responding; TtsStart; start player
    << head                   | play head
    speaker starts            | > LocalRespondingStarted
"""


# How each line ends that is about a connection that broke.
LOST = "show offline; close retry: connection-lost"


def follow(trace: str, settings: Dialog | None = None, *, dialog_id: str = "") -> "Rehearsal":
    """Act the trace's inputs out and compare the effects of every line with those written."""
    rehearsal = Rehearsal(dialect(settings, dialog_id=dialog_id))
    for line in filter(str.strip, trace.splitlines()):
        given, _, wanted = map(str.strip, line.partition("|"))
        came = rehearsal.act(given)
        assert came == wanted, f"after {given!r}\n  wanted: {wanted}\n  came:   {came}"
    return rehearsal


def dialect(
    settings: Dialog | None = None, *, dialog_id: str = "", workspace_id: str = ""
) -> MultimodalDialog:
    """Make a dialect whose connection was begun at time 0."""
    settings = settings or dialog_settings()
    return MultimodalDialog(
        ClientInfo("mm_0123", workspace_id, "user-7", "board-7", "multimodal-dialog"),
        settings,
        work_mode=settings.work_mode,
        task_id=TASK_ID,
        dialog_id=dialog_id,
        listening_by=CONNECT_TIMEOUT_S,
    )


class Rehearsal:
    """Plays the cloud, the board, its people and the clock to one dialect.

    Attributes:
        dialect: who is tried.
        now: what time it is.
    """

    def __init__(self, subject: MultimodalDialog) -> None:
        self.dialect = subject
        self.now = 0.0

    def act(self, given: str) -> str:
        """Do what one line says; return what came of it."""
        return render(self.do(given))

    def let_pass(self, seconds: float) -> Iterator[list[Effect]]:
        """Let time go by; yield the effects of each ``tick``, at the time when it was due."""
        end = self.now + seconds
        while self.dialect.deadline <= end:
            self.now = max(self.now, self.dialect.deadline)
            yield self.dialect.tick(self.now)
            assert self.dialect.deadline > self.now, "a tick left its own deadline in the past"
        self.now = end

    def do(self, given: str) -> list[Effect]:
        """Do what one line says; return its effects."""
        word, _, rest = given.partition(" ")
        if rest.endswith("s later"):
            return list(chain.from_iterable(self.let_pass(float(word))))
        if word == "<":
            return self.dialect.receive_text(server_frame(rest), self.now)
        if word == "<<":
            frames = _samples(rest)
            return [e for data in frames for e in self.dialect.receive_binary(data, self.now)]
        if word == "mic" and rest != "fails":
            return self.dialect.record(rest.encode(), self.now)
        return self._command(self._commands(rest).get(word, self._input(given)))

    def _commands(self, text: str) -> dict[str, Callable[[], list[Effect]]]:
        status = {"phone_ringing": {"status": "stopped"}}
        return {
            "ask": lambda: self.dialect.ask(text, self.now),
            "say": lambda: self.dialect.say(text, self.now),
            "drop": lambda: self.dialect.closed(None, "", self.now),
            "tell": lambda: self.dialect.update_info(self.now, client_status=status),
        }

    def _input(self, given: str) -> Callable[[], list[Effect]]:
        return lambda: getattr(self.dialect, _INPUTS[given])(self.now)

    def _command(self, command: Callable[[], list[Effect]]) -> list[Effect]:
        try:
            return command()
        except CallerError as error:
            return [Refused(error)]


_INPUTS = {
    "open": "begin",
    "leave": "end",
    "press": "start_speech",
    "release": "stop_speech",
    "cancel": "cancel_speech",
    "interrupt": "interrupt",
    "mic fails": "recorder_failed",
    "speaker starts": "playback_started",
    "speaker drained": "playback_finished",
    "speaker fails": "playback_failed",
}


@frozen
class Refused(Effect):
    """Stands among the effects for an error that a command raised."""

    error: CallerError


def _samples(line: str) -> list[bytes]:
    what, _, times = line.partition(" x")
    data = bytes(int(what)) if what.isdigit() else what.encode()
    return [data] * int(times or 1)


# --- what comes of it --------------------------------------------------------------------------


def render(effects: list[Effect]) -> str:
    """Write effects in the notation; ``Moved`` is for the black box and not shown."""
    effects = [effect for effect in effects if not isinstance(effect, Moved)]
    counted = ((text, len(list(run))) for text, run in groupby(map(_text, effects)))
    return "; ".join(text if times == 1 else f"{text} x{times}" for text, times in counted)


def _text(effect: Effect) -> str:
    return _WORDS[type(effect)](effect)


def _audio(effect: SendAudio) -> str:
    if not any(effect.data):
        return f"silence {len(effect.data)}"
    return f"{'backlog' if effect.backlog else 'audio'} {_heard(effect.data)}"


def _close(effect: Close) -> str:
    return f"close {effect.next}" + (f": {effect.error.code}" if effect.error else "")


def _event(event: Event) -> str:
    if isinstance(event, Error):
        return f"Error {event.code}"
    return " ".join([type(event).__name__, *filter(None, [getattr(event, "text", "")])])


def _directive(text: str) -> str:
    given = json.loads(text)["payload"]["input"]
    shown = {k: v for k, v in given.items() if k not in {"dialog_id", "app_id", "workspace_id"}}
    return " ".join([">", *shown.values()])


def _heard(data: bytes) -> str:
    text = data.decode("ascii", "replace")
    return text if re.fullmatch(r"[a-z ]+", text) else str(len(data))


_WORDS: dict[type[Effect], Callable[[Any], str]] = {
    Send: lambda effect: _directive(effect.text),
    SendAudio: _audio,
    Play: lambda effect: f"play {_heard(effect.data)}",
    Emit: lambda effect: _event(effect.event),
    Close: _close,
    Show: lambda effect: f"show {effect.state}",
    SaveDialog: lambda effect: f"save {effect.dialog_id}",
    Refused: lambda effect: f"refused {type(effect.error).__name__}",
    Note: lambda _: "note",
    StartRecorder: lambda _: "start recorder",
    StopRecorder: lambda _: "stop recorder",
    StartPlayer: lambda _: "start player",
    FinishPlayer: lambda _: "finish player",
    FlushPlayer: lambda _: "flush player",
}

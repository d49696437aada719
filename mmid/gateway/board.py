"""What the session wants done on this board: its effects, carried out.

They feed the loudspeaker, open the microphone, keep the dialog id, show the state
and tell events. What the devices say in return, they tell the dialog themselves
(``Microphone``, ``Loudspeaker``).
"""

import asyncio
import logging
from collections.abc import Callable

from mmid.errors import MmidError, facts_of
from mmid.events import Error, Event, SpeechReady, State
from mmid.gateway.black_box import BlackBox
from mmid.gateway.loudspeaker import Loudspeaker
from mmid.gateway.microphone import Microphone
from mmid.gateway.prompts import PromptPlayer
from mmid.gateway.taps import Taps
from mmid.gateway.timeline import Moment, Timeline
from mmid.gateway.tools import Tools
from mmid.hal import Clock, Mixer, Player, Recorder
from mmid.secrets import clean
from mmid.session.effects import (
    Authorized,
    Effect,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Moved,
    Play,
    SaveDialog,
    SetLoudness,
    Show,
    Spent,
    StartPlayer,
    StartRecorder,
    StopRecorder,
    ToolCall,
    Unauthorized,
)
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import Dialog, PromptFiles
from mmid.status import Status

_log = logging.getLogger(__name__)

# A loop that is only busy comes back to its devices long before.
_STANDS_STILL_S = 10.0


class Board:
    """Implements the session's ``Host``.

    ``supervisor`` and ``on_event`` are set once by the composition root: the
    supervisor and the board need each other.

    Attributes:
        microphone: who holds it, and what is recorded.
        taps: who hears it, too.
        loudspeaker: what is heard, and how loud.
        timeline: when what happened in the last turns.
        prompts: what explains a silence.
        tools: which programs are tools of the model.
        on_event: gets every event.
        on_ready: called when a connection takes speech, before anything is said on it.
    """

    supervisor: Supervisor

    def __init__(
        self,
        *,
        dialog: Dialog,
        status: Status,
        book: RecordBook,
        black_box: BlackBox,
        clock: Clock,
        recorder: Recorder,
        player: Player,
        mixer: Mixer,
        prompts: PromptFiles,
    ) -> None:
        self._status = status
        self._book = book
        self._black_box = black_box
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.timeline = Timeline(self._loop.time)
        self.microphone = Microphone(recorder, dialog, status, lambda: self.supervisor, self._tell)
        self.taps = Taps(recorder, status)
        self.loudspeaker = Loudspeaker(
            player=player,
            mixer=mixer,
            status=status,
            conversation=lambda: self.supervisor.conversation,
            tell=self._tell,
            mark=self.timeline.mark,
        )
        self.prompts = PromptPlayer(
            prompts,
            status,
            player=player,
            rate_hz=dialog.ds_sample_rate,
            tell=self._tell,
        )
        self.tools = Tools(lambda: self.supervisor.conversation, status, self._tell)
        self.on_event: Callable[[Event], None] = lambda _: None  # until somebody listens
        self.on_ready: Callable[[], None] = lambda: None

    def perform(self, effect: Effect) -> None:  # noqa: C901, PLR0912 - one case an effect
        match effect:
            case Play(data):
                self.loudspeaker.play(data)
            case Emit(event):
                self._emit(event)
            case ToolCall():
                if not self.tools.called(effect):
                    self._emit(effect.told)
            case Show(state):
                connected = state not in {State.OFFLINE, State.CONNECTING}
                self._status.update(state=state, connected=connected)
            case StartPlayer():
                self.prompts.silence()
                self.loudspeaker.start()
            case FinishPlayer():
                self.loudspeaker.player.finish()
            case SetLoudness():
                self.loudspeaker.turn(effect)
            case FlushPlayer():
                if not self.prompts.playing:  # what the dialog wants silenced is a reply
                    self.loudspeaker.player.flush()
            case StartRecorder():
                self.microphone.open()
            case StopRecorder():
                self.microphone.close()
                self.timeline.mark(Moment.RELEASE)
            case SaveDialog(dialog_id, resumable):
                self._status.update(dialog_id=dialog_id)
                if resumable:
                    self._book.remember_dialog(dialog_id)
            case Authorized():
                self.supervisor.authorized()
            case Unauthorized(error):
                self.supervisor.refused(error)
            case Spent():
                self._status.update(usage=effect.added_to(self._status.usage))
            case Moved(stage, cause):
                self._black_box.note(self._loop.time(), stage, cause)

    def speech_sent(self) -> None:
        self.timeline.mark(Moment.AUDIO_SENT)

    def speech_dropped(self, count: int) -> None:
        self.microphone.dropped(count)

    @property
    def full(self) -> bool:
        return self.loudspeaker.player.full

    async def room(self) -> None:
        await self.loudspeaker.player.wait_room()

    def standing_still(self) -> str:
        """Name the sound device that should have been served long ago; empty if there is none.

        Each wake-up of theirs sees to the next: one that an unforeseen error ended was the last.
        """
        if self.microphone.recorder.overdue_s > _STANDS_STILL_S:
            return "the microphone"
        return "the loudspeaker" if self.loudspeaker.player.overdue_s > _STANDS_STILL_S else ""

    def _tell(self, error: MmidError) -> None:
        _log.warning("%s. %s", error, error.remedy, extra=error.journal_fields)
        self._emit(Error(error.code, str(error), error.advice))

    def _emit(self, event: Event) -> None:
        _log.debug("event %s", type(event).__name__)
        if isinstance(event, Error):
            # The cloud may have written both: each is one line, safe to show on a terminal.
            code, message = (clean(" ".join(text.split())) for text in (event.code, event.message))
            event = Error(code, message, event.remedy)
            self._show_error(event)
        self.on_event(event)
        self.prompts.hear(event)
        self.timeline.hear(event)
        if isinstance(event, SpeechReady):
            # After the effects that came with it: the dialect is not ready before.
            self._loop.call_soon(self._dialog_ready)

    def _dialog_ready(self) -> None:
        """A connection is new: tell it what programs told the one before, then talk."""
        self.tools.offer()
        self.on_ready()
        self.microphone.dialog_ready()

    def _show_error(self, error: Error) -> None:
        """Keep an error for whoever was not there when it was told."""
        facts = None if error.remedy else facts_of(error.code)
        self._status.update(
            last_error={
                "code": error.code,
                "message": error.message,
                "remedy": facts.remedy if facts else error.remedy,
                "time": self._clock.now_ms(),
            }
        )

"""What the session and the sound devices want done: the effects, carried out on this board.

It feeds the loudspeaker, opens the microphone, keeps the dialog id and tells
events; and it tells the dialog in return what was recorded and what was heard.
"""

import asyncio
import logging
from collections.abc import Callable

from mmid.errors import AudioDeviceFailed, MmidError, NetworkTooSlow
from mmid.events import Command, Error, Event, SpeechReady, State
from mmid.gateway.black_box import BlackBox
from mmid.gateway.early_press import EarlyPress
from mmid.gateway.loudspeaker_volume import LoudspeakerVolume
from mmid.gateway.microphone import Microphone
from mmid.gateway.talker import Talker
from mmid.gateway.timeline import Moment, Timeline
from mmid.hal import Mixer, Player, Recorder
from mmid.session.effects import (
    Effect,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Moved,
    Play,
    SaveDialog,
    Show,
    StartPlayer,
    StartRecorder,
    StopRecorder,
)
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.settings import Dialog
from mmid.status import Status

__all__ = ["BoardHost"]

_log = logging.getLogger(__name__)

# A loop that is only busy comes back to its devices long before.
_STANDS_STILL_S = 10.0


class BoardHost:
    """Implements the session's ``Host`` and the HAL's listeners.

    ``supervisor`` and ``on_event`` are set once by the composition root: the
    host and they need each other.

    Attributes:
        talker: leads a client's speech to the dialog.
        volume: the loudness of the loudspeaker.
        microphone: what is recorded with.
        timeline: when what happened in the last turns.
    """

    supervisor: Supervisor

    def __init__(
        self,
        *,
        dialog: Dialog,
        status: Status,
        book: RecordBook,
        black_box: BlackBox,
        recorder: Recorder,
        player: Player,
        mixer: Mixer,
    ) -> None:
        self._status = status
        self._book = book
        self._black_box = black_box
        self._player = player
        self.microphone = Microphone(recorder, status, self)
        self.timeline = Timeline()
        press = EarlyPress(dialog.press_wait_s, dialog.speech_bytes_per_s)
        self.talker = Talker(self.microphone, press, status, lambda: self.supervisor)
        self.volume = LoudspeakerVolume(mixer, status)
        self._loop = asyncio.get_running_loop()
        self.on_event: Callable[[Event], None] = _unheard

    # --- what the session wants -----------------------------------------------------------

    def perform(self, effect: Effect) -> None:  # noqa: C901 - one case an effect
        """Carry out one effect of the dialect."""
        match effect:
            case Play(data):
                self._player.write(data)
                self.timeline.mark(Moment.REPLY_AUDIO, self._loop.time())
            case Emit(event):
                self._emit(event)
            case Show(state):
                connected = state not in {State.OFFLINE, State.CONNECTING}
                self._status.update(state=state, connected=connected)
            case StartPlayer():
                self._start_player()
            case FinishPlayer():
                self._player.finish()
            case FlushPlayer():
                self._player.flush()
            case StartRecorder():
                self._start_recorder()
            case StopRecorder():
                self.microphone.close()
                self.timeline.mark(Moment.RELEASE, self._loop.time())
            case SaveDialog(dialog_id):
                self._status.update(dialog_id=dialog_id)
                self._book.remember_dialog(dialog_id)
            case Moved(stage, cause):
                self._black_box.note(self._loop.time(), stage, cause)

    def speech_sent(self) -> None:
        """Note when the first speech of a turn went out."""
        self.timeline.mark(Moment.AUDIO_SENT, self._loop.time())

    def speech_dropped(self, count: int) -> None:
        """Count speech that waited too long; tell it once a speech."""
        if self.microphone.dropped(count):
            text = "the network or the cloud is slower than speech: some of it is lost"
            self._tell(NetworkTooSlow(text))

    async def room(self) -> None:
        """Wait until the loudspeaker's ring takes more."""
        await self._player.wait_room()

    # --- what the board says --------------------------------------------------------------

    def recorder_audio(self, data: bytes) -> None:
        """Pass on what was recorded."""
        if dropped := self.talker.record(data):
            self.speech_dropped(dropped)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        """Tell, and forget the half speech."""
        if self.microphone.is_news(error):
            self._tell(error)
        self.talker.microphone_failed(error)

    def player_started(self) -> None:
        """Pass on that the reply can be heard."""
        self.timeline.mark(Moment.HEARD, self._loop.time())
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.playback_started(self._loop.time()))

    def player_finished(self) -> None:
        """Pass on that the reply was heard."""
        self.timeline.mark(Moment.END, self._loop.time())
        self._count_underruns()
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.playback_finished(self._loop.time()))

    def player_failed(self, error: AudioDeviceFailed) -> None:
        """Tell, and let the dialect end the turn without a loudspeaker."""
        self._count_underruns()
        self._tell(error)
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.playback_failed(self._loop.time()))

    def standing_still(self) -> str:
        """Name the sound device that should have been served long ago; empty if there is none.

        Each wake-up of theirs sees to the next: one that an unforeseen error ended was the last.
        """
        if self.microphone.overdue_s > _STANDS_STILL_S:
            return "the microphone"
        return "the loudspeaker" if self._player.overdue_s > _STANDS_STILL_S else ""

    # --- inside ---------------------------------------------------------------------------

    def _start_player(self) -> None:
        try:
            self._player.start(self)
        except AudioDeviceFailed as error:
            self.player_failed(error)

    def _start_recorder(self) -> None:
        try:
            self.microphone.open()
        except AudioDeviceFailed as error:
            self.recorder_failed(error)

    def _count_underruns(self) -> None:
        self._status.update(player_underruns=self._player.underruns)

    def _tell(self, error: MmidError) -> None:
        facts = {"MESSAGE_ID": error.facts.message_id, "MMID_CODE": error.code}
        _log.warning("%s. %s", error, error.facts.remedy, extra=facts)
        self._emit(Error(error.code, str(error)))

    def _emit(self, event: Event) -> None:
        _log.debug("event %s", type(event).__name__)
        self.on_event(event)
        self.timeline.hear(event, self._loop.time())
        if isinstance(event, SpeechReady):
            self._loop.call_soon(self.talker.dialog_ready)  # after the effects that came with it
        elif isinstance(event, Command):
            try:
                self.volume.obey(event)
            except AudioDeviceFailed as error:
                self._tell(error)


def _unheard(event: Event) -> None:
    """Drop events until somebody listens."""
    _log.debug("nobody hears %s yet", type(event).__name__)

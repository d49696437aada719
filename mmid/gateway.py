"""The application: takes commands, lends the microphone, carries out a dialect's effects.

Between the D-Bus front (which only translates), the session (which talks to
the cloud) and the HAL (which hears and speaks). It owns what none of them
can: who holds the microphone, and what plays.
"""

import asyncio
import logging
from collections.abc import Callable

from mmid.errors import AudioDeviceFailed, Busy, InvalidArgument, NotReady, NotTalking, Unsupported
from mmid.events import Command, Error, Event, State
from mmid.hal import Mixer, Player, Recorder
from mmid.loudspeaker_volume import LoudspeakerVolume
from mmid.session.conversation import Conversation
from mmid.session.effects import (
    Effect,
    Emit,
    FinishPlayer,
    FlushPlayer,
    Play,
    SaveDialog,
    Show,
    StartPlayer,
    StartRecorder,
    StopRecorder,
)
from mmid.session.license.record_book import RecordBook
from mmid.session.supervisor import Supervisor
from mmid.status import Status

__all__ = ["Gateway"]

_log = logging.getLogger(__name__)


class Gateway:
    """Implements ``Host`` for the session, ``Application`` for D-Bus, and the HAL's listeners.

    ``supervisor`` and ``on_event`` are set once by the composition root: the
    gateway and they need each other.
    """

    supervisor: Supervisor

    def __init__(
        self,
        *,
        status: Status,
        book: RecordBook,
        recorder: Recorder,
        player: Player,
        mixer: Mixer,
    ) -> None:
        self._status = status
        self._book = book
        self._recorder = recorder
        self._player = player
        self._volume = LoudspeakerVolume(mixer, status)
        self._loop = asyncio.get_running_loop()
        self._last_talker = ""
        self.on_event: Callable[[Event], None] = _unheard

    # --- commands -------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect now and stay connected."""
        self.supervisor.connect()

    def disconnect(self) -> None:
        """Disconnect and stay disconnected until ``connect``."""
        self.supervisor.disconnect()

    def start_speech(self, client: str) -> None:
        """Lend the microphone to the client and open it.

        Raises:
            Busy: another client holds it.
            NotReady: no dialog is connected and listening.
            AudioDeviceFailed: the microphone cannot be opened.
        """
        holder = self._status.talker
        if holder == client:
            return
        if holder:
            raise Busy(f"{holder} holds the microphone")
        conversation = self._conversation()
        conversation.dialect.check_speech()
        # The microphone first: what is said from here on is kept, whatever
        # the cloud still has to allow.
        self._recorder.start(self)
        self._status.update(talker=client)
        self._last_talker = client
        conversation.perform(conversation.dialect.start_speech(self._loop.time()))

    def stop_speech(self, client: str) -> None:
        """End the client's speech; it is answered.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        if self._release(client):
            conversation = self._conversation()
            conversation.perform(conversation.dialect.stop_speech(self._loop.time()))

    def cancel_speech(self, client: str) -> None:
        """Forget the client's speech.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        if self._release(client):
            self._cancel()

    def interrupt(self) -> None:
        """Silence the reply and listen.

        Raises:
            NotReady: no dialog is connected and listening.
        """
        conversation = self._conversation()
        conversation.perform(conversation.dialect.interrupt(self._loop.time()))

    def ask(self, text: str) -> None:
        """Put a text to the model.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
        """
        conversation = self._conversation()
        conversation.perform(conversation.dialect.ask(text, self._loop.time()))

    def ask_about_image(self, text: str, image: bytes) -> None:
        """Put a JPEG or PNG image to the model, and a text that may be empty.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
            InvalidArgument: the image is too large for the cloud.
            Unsupported: the cloud takes no images.
        """
        conversation = self._conversation()
        conversation.perform(conversation.dialect.ask(text, self._loop.time(), images=(image,)))

    def say(self, text: str) -> None:
        """Have a text spoken.

        Raises:
            Busy: somebody talks.
            NotReady: no dialog is connected and listening.
        """
        conversation = self._conversation()
        conversation.perform(conversation.dialect.say(text, self._loop.time()))

    def new_dialog(self) -> None:
        """Forget the dialog and begin another at once."""
        self._book.remember_dialog("")
        self._status.update(dialog_id="")
        if self._status.state in {State.THINKING, State.RESPONDING} or self._status.talker:
            self.perform(Emit(Error("connection-lost", "a new dialog was begun in mid-turn")))
        self.supervisor.restart()

    def set_work_mode(self, mode: str) -> None:
        """Change the work mode.

        Raises:
            InvalidArgument: there is no such mode.
            Unsupported: this version does not have it.
        """
        if mode not in {"push2talk", "tap2talk", "duplex"}:
            raise InvalidArgument(f"WorkMode is push2talk, tap2talk or duplex, not {mode!r}")
        if mode != self._status.work_mode:
            raise Unsupported(f"WorkMode {mode} is not in this version; it has push2talk")

    def set_volume(self, percent: int) -> None:
        """Set the loudspeaker's volume, 0 to 100; raises as ``LoudspeakerVolume`` does."""
        self._volume.set_volume(percent)

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute the loudspeaker; raises as ``LoudspeakerVolume`` does."""
        self._volume.set_muted(muted)

    async def register(self) -> None:
        """Try again after a refusal."""
        self.supervisor.register()

    async def reset(self) -> None:
        """Forget who this device is, and stay disconnected until ``connect`` or ``register``.

        Raises:
            StorageFailed: the record could not be erased.
        """
        await self.supervisor.stop()
        await self._book.erase()
        self.supervisor.forget()
        _log.warning("the device record was erased")

    def client_left(self, client: str) -> None:
        """The client that held the microphone left the bus: what it said is nobody's."""
        if self._status.talker == client and self._release(client):
            _log.info("%s left the bus while talking; its speech is cancelled", client)
            self._cancel()

    # --- what the session wants -----------------------------------------------------------

    def perform(self, effect: Effect) -> None:
        """Carry out one effect of the dialect."""
        match effect:
            case Play(data):
                self._player.write(data)
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
                self._recorder.stop()
                self._status.update(talker="")
            case SaveDialog(dialog_id):
                self._status.update(dialog_id=dialog_id)
                self._book.remember_dialog(dialog_id)

    async def room(self) -> None:
        """Wait until the loudspeaker's ring takes more."""
        await self._player.wait_room()

    # --- what the board says --------------------------------------------------------------

    def recorder_audio(self, data: bytes) -> None:
        """Pass on what was recorded."""
        if self.supervisor.conversation is not None:
            self.supervisor.conversation.record(data)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        """Tell, and forget the half speech."""
        self._count_xruns()
        self._status.update(talker="")
        self._tell(error)
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.recorder_failed(self._loop.time()))

    def player_started(self) -> None:
        """Pass on that the reply can be heard."""
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.playback_started(self._loop.time()))

    def player_finished(self) -> None:
        """Pass on that the reply was heard."""
        self._count_xruns()
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.playback_finished(self._loop.time()))

    def player_failed(self, error: AudioDeviceFailed) -> None:
        """Tell, and let the dialect end the turn without a loudspeaker."""
        self._count_xruns()
        self._tell(error)
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.playback_failed(self._loop.time()))

    # --- inside ---------------------------------------------------------------------------

    def _conversation(self) -> Conversation:
        conversation = self.supervisor.conversation
        if conversation is None:
            raise NotReady(f"no dialog is connected: {self._status.state}")
        return conversation

    def _release(self, client: str) -> bool:
        """Take the microphone back; False if the cloud already ended this client's speech."""
        if self._status.talker != client:
            if not self._status.talker and self._last_talker == client:
                self._last_talker = ""
                return False
            raise NotTalking(f"{client} does not hold the microphone")
        self._recorder.stop()
        self._count_xruns()
        self._status.update(talker="")
        return True

    def _cancel(self) -> None:
        conversation = self.supervisor.conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.cancel_speech(self._loop.time()))

    def _start_player(self) -> None:
        try:
            self._player.start(self)
        except AudioDeviceFailed as error:
            self.player_failed(error)

    def _start_recorder(self) -> None:
        try:
            self._recorder.start(self)
        except AudioDeviceFailed as error:
            self.recorder_failed(error)

    def _count_xruns(self) -> None:
        self._status.update(
            recorder_overruns=self._recorder.overruns, player_underruns=self._player.underruns
        )

    def _tell(self, error: AudioDeviceFailed) -> None:
        facts = {"MESSAGE_ID": error.facts.message_id, "MMID_CODE": error.code}
        _log.warning("%s. %s", error, error.facts.remedy, extra=facts)
        self._emit(Error(error.code, str(error)))

    def _emit(self, event: Event) -> None:
        _log.debug("event %s", type(event).__name__)
        self.on_event(event)
        if isinstance(event, Command):
            try:
                self._volume.obey(event)
            except AudioDeviceFailed as error:
                self._tell(error)


def _unheard(event: Event) -> None:
    """Drop events until somebody listens."""
    _log.debug("nobody hears %s yet", type(event).__name__)

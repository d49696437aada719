"""Whoever talks: the press, the speech and the release, also when the dialog is not ready yet.

The microphone has one holder. A press opens it before anything else, so the
first syllable is there whatever the cloud still has to allow. While mmid
connects a press waits a little for the dialog, and the speech with it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mmid.errors import AudioDeviceFailed, Busy, CallerError, MmidError, NotReady, Unsupported
from mmid.gateway.early_press import EarlyPress
from mmid.gateway.microphone import Microphone
from mmid.session.supervisor import Supervisor
from mmid.status import Status

__all__ = ["Talker"]

_log = logging.getLogger(__name__)


class Talker:
    """Leads one client's speech to the dialog; the rules of the commands are the dialect's.

    Args:
        microphone: what is lent.
        press: keeps what comes before the dialog is ready.
        status: tells the state and the holder.
        session: returns the supervisor.
    """

    def __init__(
        self,
        microphone: Microphone,
        press: EarlyPress,
        status: Status,
        session: Callable[[], Supervisor],
    ) -> None:
        self._microphone = microphone
        self._early = press
        self._status = status
        self._session = session
        self._loop = asyncio.get_running_loop()

    def press(self, client: str) -> Awaitable[None] | None:
        """Open the microphone for a client; see ``Gateway.start_speech``."""
        if self._status.talker == client:
            return self._early.accepted() if self._early.waiting else None
        self._microphone.check_free()
        conversation = self._session().conversation
        if conversation is None or not conversation.dialect.reached_listening:
            return self._press_early(client)
        conversation.dialect.check_speech()
        self._microphone.lend(client)
        conversation.perform(conversation.dialect.start_speech(self._loop.time()))
        return None

    def release(self, client: str) -> None:
        """Close the microphone; what was said is answered.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        if not self._microphone.take_back(client):
            return
        conversation = self._session().conversation
        if self._early.waiting:
            self._early.released = True
        elif conversation is not None:
            conversation.perform(conversation.dialect.stop_speech(self._loop.time()))

    def cancel(self, client: str) -> None:
        """Close the microphone and forget what was said.

        Raises:
            NotTalking: the client does not hold the microphone.
        """
        if self._early.waiting and self._early.client == client:
            self.refuse(NotReady("the speech was cancelled before the dialog was ready"))
            return
        if not self._microphone.take_back(client):
            return
        conversation = self._session().conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.cancel_speech(self._loop.time()))

    def left(self, client: str) -> None:
        """A client left the bus; if it held the microphone, what it said is nobody's."""
        if self._status.talker == client:
            _log.info("%s left the bus while talking; its speech is cancelled", client)
            self.cancel(client)

    def record(self, data: bytes) -> int:
        """Pass on what the microphone recorded; return how many bytes had to go for it."""
        if self._early.waiting:
            return self._early.record(data)
        conversation = self._session().conversation
        if conversation is not None:
            conversation.record(data)
        return 0

    def microphone_failed(self, error: AudioDeviceFailed) -> None:
        """Forget the half speech: the microphone closed itself."""
        self._microphone.ended()
        self.refuse(error)
        conversation = self._session().conversation
        if conversation is not None:
            conversation.perform(conversation.dialect.recorder_failed(self._loop.time()))

    def dialog_ready(self) -> None:
        """The dialog takes speech now: hand it the press that waited, and what was said since."""
        conversation = self._session().conversation
        if conversation is None or not self._early.waiting:
            return
        try:
            effects = conversation.dialect.start_speech(self._loop.time())
        except NotReady:
            return  # lost again already; the press waits on
        except CallerError as error:
            self.refuse(error)
            return
        conversation.perform(effects)
        for chunk in self._early.succeed():
            conversation.record(chunk, early=True)
        if self._early.released:
            conversation.perform(conversation.dialect.stop_speech(self._loop.time()))

    def refuse(self, error: MmidError) -> None:
        """Refuse the press that waits, if one does."""
        if self._early.waiting:
            self._early.fail(error)
            self._microphone.close()

    def _press_early(self, client: str) -> Awaitable[None]:
        """Record already, if there is hope that the dialog is ready in time."""
        if self._status.work_mode == "duplex":
            raise Unsupported("in duplex the microphone is open whenever the dialog is connected")
        if self._early.waiting:
            raise Busy(f"a speech of {self._early.client} waits for the dialog")
        if not (self._early.wait_s and self._session().hurry()):
            raise NotReady(f"no dialog is connected: {self._status.state}")
        self._microphone.lend(client)
        self._early.begin(client, self._too_late)
        return self._early.accepted()

    def _too_late(self) -> None:
        self.refuse(NotReady(f"no dialog was ready within {self._early.wait_s:g} s"))

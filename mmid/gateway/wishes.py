"""What programs want of the dialog beyond one connection: a voice, and parameters for the cloud."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mmid.errors import CallerError, InvalidArgument, NotReady, Unsupported
from mmid.events import State
from mmid.session.clouds import contradictions
from mmid.session.supervisor import Supervisor
from mmid.settings import Settings
from mmid.status import Status

_log = logging.getLogger(__name__)

# As the option dialog.voice has it.
_LONGEST_VOICE = 64

# What is told anew on each connection goes up with it.
_LONGEST_PARAMETERS = 65536

# A turn may end without an answer, and the state has been "listening" all the time: nothing tells
# of that end.
_LOOK_AGAIN_S = 1.0


class Wishes:
    """Keeps them, and tells each connection of them.

    Args:
        settings: what holds without them.
        status: shows the voice, and when nobody is in a turn.
        supervisor: who has the connection.
    """

    def __init__(self, settings: Settings, status: Status, supervisor: Supervisor) -> None:
        self._settings = settings
        self._status = status
        self._supervisor = supervisor
        self._parameters: dict[str, Any] = {}
        self._due = ""  # why another connection is to be opened when the turn is over
        status.update(voice=settings.dialog.voice)
        self._loop = asyncio.get_running_loop()
        self._look: asyncio.TimerHandle | None = None  # sees whether the turn is over
        status.observe(self._changed)

    def use(self, settings: Settings) -> None:
        """Go on by settings that were read again; the voice stays, unless theirs is another."""
        changed = settings.dialog.voice != self._settings.dialog.voice
        self._settings = settings
        self._speak_with(settings.dialog.voice if changed else self._status.voice)

    def set_voice(self, voice: str) -> None:
        """Have the replies spoken by another voice, from the next turn on.

        Raises:
            InvalidArgument: no cloud has a voice of such a name.
            Unsupported: this cloud lets nobody choose.
        """
        if len(voice) > _LONGEST_VOICE or not voice.isprintable():
            raise InvalidArgument(f"a voice has a name of at most {_LONGEST_VOICE} letters")
        if voice == self._status.voice:
            return
        wanted = self._with(voice)
        for one in contradictions(wanted):
            if one.key == "dialog.voice":
                raise Unsupported(one.why)
        self._speak_with(voice)
        if self._status.state is not State.OFFLINE:  # else the next connection has it at once
            self._due = "the voice was changed"
            self._renew_if_due()

    def tell(self, status: Mapping[str, Any], parameters: Mapping[str, Any]) -> None:
        """Tell the cloud about the board; the parameters are told again on each connection."""
        kept = {**self._parameters, **parameters}
        if parameters and len(json.dumps(kept)) > _LONGEST_PARAMETERS:
            told = f"with those told before, over {_LONGEST_PARAMETERS} characters; ForgetInfo"
            raise InvalidArgument(f"the parameters have, {told} forgets them")
        conversation = self._supervisor.conversation
        if conversation is None:
            raise NotReady(f"no dialog is connected: {self._status.state}")
        conversation.update_info(client_status=status, biz_params=parameters)
        self._parameters = kept

    def forget(self) -> None:
        """Tell connections to come of no parameters; the present one knows them."""
        self._parameters = {}

    def connected(self) -> None:
        """A connection is new: it knows of no parameters."""
        conversation = self._supervisor.conversation
        if self._parameters and conversation is not None:
            try:
                conversation.update_info(biz_params=self._parameters)
            except CallerError as error:
                _log.warning("what programs told the cloud before was not told again: %s", error)

    def _speak_with(self, voice: str) -> None:
        self._supervisor.use(self._with(voice))
        self._status.update(voice=voice)

    def _with(self, voice: str) -> Settings:
        return replace(self._settings, dialog=replace(self._settings.dialog, voice=voice))

    def _changed(self, _: Mapping[str, Any]) -> None:
        if self._status.state is State.OFFLINE:
            self._due = ""  # the next connection has it
        elif self._due:
            # In a turn of the loop of its own. Observers that are called after this one would hear
            # that the connection ended before they hear of the change that was the reason.
            self._look_in(0.0)

    def _look_in(self, wait_s: float) -> None:
        if self._look is not None:
            self._look.cancel()
        self._look = self._loop.call_later(wait_s, self._renew_if_due)

    def _renew_if_due(self) -> None:
        if not self._due or self._status.state is not State.LISTENING or self._status.talker:
            return
        if self._supervisor.in_turn:
            self._look_in(_LOOK_AGAIN_S)
        else:
            why, self._due = self._due, ""
            self._supervisor.restart(why)

"""The loudspeaker's volume: set by people on D-Bus, and by the cloud's commands."""

import logging

from mmid.errors import InvalidArgument
from mmid.events import Command
from mmid.gateway.volume import Loudness, obey
from mmid.hal import Mixer
from mmid.status import Status

__all__ = ["LoudspeakerVolume"]

_log = logging.getLogger(__name__)


class LoudspeakerVolume:
    """Turns the mixer, and shows in the status what it is set to."""

    def __init__(self, mixer: Mixer, status: Status) -> None:
        self._mixer = mixer
        self._status = status
        status.update(volume=mixer.volume, muted=mixer.muted)

    def set_volume(self, percent: int) -> None:
        """Set the volume, 0 to 100.

        Raises:
            InvalidArgument: out of range.
            AudioDeviceFailed: the sound card refused.
        """
        if not 0 <= percent <= 100:
            raise InvalidArgument(f"Volume is 0 to 100, not {percent}")
        self._mixer.set_volume(percent)
        self._status.update(volume=self._mixer.volume)

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute.

        Raises:
            AudioDeviceFailed: the sound card refused.
        """
        self._mixer.set_muted(muted)
        self._status.update(muted=self._mixer.muted)

    def obey(self, command: Command) -> None:
        """Do what a command says if it is about the volume; others are for the bus's clients.

        Raises:
            AudioDeviceFailed: the sound card refused.
        """
        now = Loudness(self._status.volume, self._status.muted)
        try:
            wanted = obey(command.name, command.params_json, now)
            if wanted is not None and wanted.volume != now.volume:
                self.set_volume(wanted.volume)
            if wanted is not None and wanted.muted != now.muted:
                self.set_muted(wanted.muted)
        except InvalidArgument as error:
            _log.warning("the cloud's command is ignored: %s", error)

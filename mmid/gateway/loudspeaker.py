"""The loudspeaker: what of a reply is heard, and how loud.

It tells the dialog what really sounded. Its volume is set by people on D-Bus, and
by the cloud's commands.
"""

from collections.abc import Callable

from mmid.errors import AudioDeviceFailed, AudioFormatRefused, InvalidArgument, MmidError
from mmid.gateway.timeline import Moment
from mmid.hal import Mixer, Player
from mmid.session.conversation import Conversation
from mmid.session.effects import SetLoudness
from mmid.status import Status


class Loudspeaker:
    """Plays replies, is the player's listener, and turns the mixer.

    Args:
        player: the device.
        mixer: its volume.
        status: shows what it is set to, and the gaps.
        conversation: returns the dialog there is, if there is one.
        tell: makes an error known that no caller is told.
        mark: notes when something happened in a turn.

    Attributes:
        player: the device, for what needs no more than it.
    """

    def __init__(
        self,
        *,
        player: Player,
        mixer: Mixer,
        status: Status,
        conversation: Callable[[], Conversation | None],
        tell: Callable[[MmidError], None],
        mark: Callable[[Moment], None],
    ) -> None:
        self.player = player
        self._mixer = mixer
        self._status = status
        self._conversation = conversation
        self._tell = tell
        self._mark = mark
        status.update(volume=mixer.volume, muted=mixer.muted)

    # --- what the dialog wants ------------------------------------------------------------

    def start(self) -> None:
        """A reply begins."""
        try:
            self.player.start(self)
        except AudioDeviceFailed as error:
            self.player_failed(error)

    def play(self, data: bytes) -> None:
        """Add to the reply."""
        self.player.write(data)
        self._mark(Moment.REPLY_AUDIO)

    # --- what the player says -------------------------------------------------------------

    def player_started(self) -> None:
        self._mark(Moment.HEARD)
        if conversation := self._conversation():
            conversation.playback_started()

    def player_finished(self) -> None:
        self._mark(Moment.END)
        self._status.update(player_underruns=self.player.underruns)
        if conversation := self._conversation():
            conversation.playback_finished()

    def player_failed(self, error: AudioDeviceFailed) -> None:
        self._status.update(player_underruns=self.player.underruns)
        self._tell(error)
        if conversation := self._conversation():
            conversation.playback_failed()

    def player_refused(self, error: AudioFormatRefused) -> None:
        self._tell(error)

    # --- how loud it is -------------------------------------------------------------------

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

    def turn(self, wanted: SetLoudness) -> None:
        """Do what somebody asked the cloud for; a card that refuses is told."""
        try:
            volume, muted = wanted.applied(self._mixer.volume, self._mixer.muted)
            if volume != self._mixer.volume:
                self.set_volume(volume)
            if muted != self._mixer.muted:
                self.set_muted(muted)
        except AudioDeviceFailed as error:
            self._tell(error)

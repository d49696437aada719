"""A microphone of a device that also records what the loudspeaker plays, in another channel."""

from collections.abc import Callable

from mmid.hal_linux.audio.alsa import Pcm
from mmid.hal_linux.audio.samples import from_numbers, to_numbers


class LoopbackPcm:
    """One channel of a PCM as a ``Pcm``; another is the reference, in step with it.

    Args:
        pcm: of several channels.
        channels: how many.
        microphone: the channel of the microphone, counted from 0.
        loopback: that of the loudspeaker's sound.
        on_played: gets its samples.
    """

    def __init__(
        self,
        pcm: Pcm,
        channels: int,
        microphone: int,
        loopback: int,
        on_played: Callable[[bytes], None],
    ) -> None:
        self._pcm = pcm
        self._channels = channels
        self._microphone = microphone
        self._loopback = loopback
        self._on_played = on_played
        self.avail = pcm.avail
        self.write = pcm.write
        self.drop = pcm.drop
        self.close = pcm.close

    def read(self) -> tuple[int, bytes]:
        count, data = self._pcm.read()
        if not data:
            return count, data
        numbers = to_numbers(data)
        self._on_played(from_numbers(numbers[self._loopback :: self._channels]))
        return count, from_numbers(numbers[self._microphone :: self._channels])

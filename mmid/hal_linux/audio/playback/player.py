"""The loudspeaker: opens an ALSA PCM for one reply at a time."""

from mmid.hal import PlayerListener
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm
from mmid.hal_linux.audio.playback.playout import Playout
from mmid.hal_linux.audio.ring import ByteRing

__all__ = ["AlsaPlayer"]


class AlsaPlayer(SoundDevice[PlaybackPcm]):
    """A ``Player`` over an ALSA playback PCM.

    A reply without a single sample is finished without having started:
    ``player_finished`` comes, ``player_started`` does not.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period.
        gain: the volume, applied right before the device.
    """

    def __init__(self, device: str, rate_hz: int, period_ms: int, gain: SoftwareGain) -> None:
        super().__init__(
            device, lambda parameters: PlaybackPcm(device, rate_hz, period_ms, gain, parameters)
        )
        self._jitter = JitterBuffer(rate_hz)
        self._reply: Playout | None = None

    @property
    def playing(self) -> bool:
        """Whether it is between ``start`` and the end of the reply."""
        return self._reply is not None and self._reply.open

    @property
    def underruns(self) -> int:
        """How often the loudspeaker ran dry in the middle of a reply."""
        return self.xruns

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fed the device, in seconds; 0 if it need not."""
        return self._reply.overdue_s if self._reply is not None else 0.0

    @property
    def waiting_bytes(self) -> int:
        """How much of the reply waits for the device."""
        return self._reply.waiting_bytes if self._reply is not None else 0

    @property
    def most_prefill_bytes(self) -> int:
        """How much of a reply may have to wait before it starts; a decoder must give as much."""
        return self._jitter.most_bytes

    def start(self, listener: PlayerListener) -> None:
        """Open the device for a new reply; a reply still playing is flushed first."""
        self.flush()
        self._reply = None
        self._reply = Playout(self, self._jitter, listener)

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte; after the reply's end they are not wanted."""
        if self._reply is not None:
            self._reply.write(data)

    async def wait_room(self) -> None:
        """Return once less than 4 MiB wait, or nothing plays: see ``Player``."""
        await self.wait_below(ByteRing.READ_AHEAD_BYTES)

    async def wait_below(self, count: int) -> None:
        """Return once fewer than so many bytes wait, or no more samples are wanted."""
        if self._reply is not None:
            await self._reply.wait_below(count)

    def finish(self) -> None:
        """No more samples will come; the listener hears when all were heard."""
        if self._reply is not None:
            self._reply.finish()

    def flush(self) -> None:
        """Be silent within one period and forget what was buffered."""
        if self._reply is not None:
            self._reply.close()

"""The loudspeaker: opens an ALSA PCM for one reply at a time."""

from mmid.hal import Decoder, PlayerListener
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.playback.coded_reply import CodedReply
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm
from mmid.hal_linux.audio.playback.playout import Playout


class AlsaPlayer(SoundDevice[PlaybackPcm]):
    """A ``Player`` over an ALSA playback PCM.

    A reply without a single sample is finished without having started:
    ``player_finished`` comes, ``player_started`` does not.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period.
        gain: the volume, applied right before the device.
        decoder: makes samples of what is written, if that is in a codec.
        ahead_bytes: so many bytes of samples are decoded ahead of the loudspeaker; what
            the jitter buffer may ask for, if that is more.
    """

    def __init__(
        self,
        device: str,
        rate_hz: int,
        period_ms: int,
        gain: SoftwareGain,
        *,
        decoder: Decoder | None = None,
        ahead_bytes: int = 0,
    ) -> None:
        super().__init__(
            device, lambda parameters: PlaybackPcm(device, rate_hz, period_ms, gain, parameters)
        )
        self._jitter = JitterBuffer(rate_hz)
        self._decoder = decoder
        self._ahead_bytes = max(ahead_bytes, self._jitter.most_bytes)
        self._reply: Playout | CodedReply | None = None

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

    def start(self, listener: PlayerListener) -> None:
        """Open the device for a new reply; a reply still playing is flushed first."""
        self.flush()
        self._reply = None
        playout = Playout(self, self._jitter, listener)
        if self._decoder is None:
            self._reply = playout
        else:
            self._reply = CodedReply(playout, self._decoder, self._ahead_bytes)

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte, or what the decoder takes; none after the end."""
        if self._reply is not None:
            self._reply.write(data)

    async def wait_room(self) -> None:
        """Return once less than 4 MiB wait, or nothing plays: see ``Player``."""
        if self._reply is not None:
            await self._reply.wait_room()

    def finish(self) -> None:
        """No more samples will come; the listener hears when all were heard."""
        if self._reply is not None:
            self._reply.finish()

    def flush(self) -> None:
        """Be silent within one period and forget what was buffered."""
        if self._reply is not None:
            self._reply.close()

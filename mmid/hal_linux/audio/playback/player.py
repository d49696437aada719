"""The loudspeaker: opens an ALSA PCM for one reply at a time."""

from mmid.hal import Decoder, PlayerListener
from mmid.hal_linux.audio.alsa import Direction, PcmRequest
from mmid.hal_linux.audio.codecs.pcm import PcmDecoder
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.playback.coded_reply import CodedReply
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from mmid.hal_linux.audio.playback.playout import Playout
from mmid.hal_linux.audio.ring import ByteRing

# Enough for one wake-up in 200 ms, little enough to hear a new volume soon.
_BUFFER_MS = 300

_FIRST_MS = 50


class AlsaPlayer(SoundDevice):
    """A ``Player`` over an ALSA playback PCM.

    A reply without a single sample is finished without having started:
    ``player_finished`` comes, ``player_started`` does not.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period.
        gain: the volume, applied right before the device.
        decoder: makes samples of what is written; without one it is pcm.
        ahead_bytes: so many bytes of samples are decoded ahead of the loudspeaker; what
            the jitter buffer may ask for, if that is more. Pcm is not held back: as it
            came it would take no less memory.
        jitter_buffer_ms: how long the first reply is collected before it is heard; of those
            after it that is learned.
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
        jitter_buffer_ms: int = _FIRST_MS,
    ) -> None:
        super().__init__(PcmRequest(Direction.PLAYBACK, device, rate_hz, period_ms, _BUFFER_MS))
        self._gain = gain
        self._jitter = JitterBuffer(rate_hz, jitter_buffer_ms)
        self._decoder = decoder or PcmDecoder(rate_hz)
        self._ahead_bytes = max(ahead_bytes, self._jitter.most_bytes)
        if self._decoder.mode == PcmDecoder.mode:
            self._ahead_bytes = ByteRing.LIMIT_BYTES + 1  # a full ring holds nothing back
        self._reply: CodedReply | None = None

    @property
    def playing(self) -> bool:
        return self._reply is not None and self._reply.open

    @property
    def underruns(self) -> int:
        return self.xruns

    @property
    def overdue_s(self) -> float:
        return self._reply.overdue_s if self._reply is not None else 0.0

    def start(self, listener: PlayerListener, *, samples: bool = False) -> None:
        self.flush()
        self._reply = None
        decoder = PcmDecoder(self.request.rate_hz) if samples else self._decoder
        playout = Playout(self, self._gain, self._jitter, listener)
        self._reply = CodedReply(playout, decoder, self._ahead_bytes)

    def write(self, data: bytes) -> None:
        if self._reply is not None:
            self._reply.write(data)

    @property
    def full(self) -> bool:
        return self._reply is not None and self._reply.full

    async def wait_room(self) -> None:
        if self._reply is not None:
            await self._reply.wait_room()

    def finish(self) -> None:
        if self._reply is not None:
            self._reply.finish()

    def flush(self) -> None:
        if self._reply is not None:
            self._reply.close()

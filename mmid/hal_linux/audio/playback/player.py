"""The loudspeaker: opens an ALSA PCM for one reply at a time."""

from collections.abc import Callable

from mmid.hal import PlayerListener
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm
from mmid.hal_linux.audio.playback.playout import Playout
from mmid.hal_linux.audio.playback.speaker import Speaker

__all__ = ["AlsaPlayer"]


class AlsaPlayer:
    """A ``Player`` over an ALSA playback PCM.

    A reply without a single sample is finished without having started:
    ``player_finished`` comes, ``player_started`` does not.

    Args:
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the card's period.
        low_bytes: with less than this left to play ``wait_low`` returns.
        gain: the volume, applied right before the device.
    """

    def __init__(
        self, device: str, rate_hz: int, period_ms: int, low_bytes: int, gain: SoftwareGain
    ) -> None:
        self._device = SoundDevice(
            device, lambda terms: PlaybackPcm(device, rate_hz, period_ms, terms)
        )
        self._speaker = Speaker(self._device, gain)
        self._low_bytes = low_bytes
        self._reply: Playout | None = None

    @property
    def device(self) -> str:
        """The ALSA PCM name."""
        return self._device.name

    @property
    def format(self) -> str:
        """What was negotiated, or why the device does not work; empty until first opened."""
        return self._device.format

    def observe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` whenever ``format`` or ``underruns`` has changed."""
        self._device.on_change = on_change

    @property
    def playing(self) -> bool:
        """Whether it is between ``start`` and the end of the reply."""
        return self._reply is not None and self._reply.open

    @property
    def underruns(self) -> int:
        """How often the loudspeaker ran dry in the middle of a reply."""
        return self._device.xruns

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fed the device, in seconds; 0 if it need not."""
        return self._reply.overdue_s if self._reply is not None else 0.0

    def start(self, listener: PlayerListener) -> None:
        """Open the device for a new reply; a reply still playing is flushed first."""
        self.flush()
        self._reply = None
        self._reply = Playout(self._speaker, self._low_bytes, listener)

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte; after the reply's end they are not wanted."""
        if self._reply is not None:
            self._reply.write(data)

    async def wait_room(self) -> None:
        """Return once less than 4 MiB wait, or nothing plays: see ``Player``."""
        if self._reply is not None:
            await self._reply.wait_room()

    @property
    def low(self) -> bool:
        """Whether less than ``low_bytes`` are left to play: a decoder should go on."""
        return self._reply is None or self._reply.low

    async def wait_low(self) -> None:
        """Return once it is ``low``, or nothing plays."""
        if self._reply is not None:
            await self._reply.wait_low()

    def finish(self) -> None:
        """No more samples will come; the listener hears when all were heard."""
        if self._reply is not None:
            self._reply.finish()

    def flush(self) -> None:
        """Be silent within one period and forget what was buffered."""
        if self._reply is not None:
            self._reply.close()

"""The loudspeaker as replies see it: opens the device, and waits for one that went away."""

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.outage import Outage
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.jitter import JitterBuffer
from mmid.hal_linux.audio.playback.line import Line
from mmid.hal_linux.audio.playback.pcm import PlaybackPcm

__all__ = ["Speaker"]


class Speaker:
    """What outlives a reply: the device, the volume, and what the network taught us.

    Args:
        device: the sound device.
        gain: applied to every sample.

    Attributes:
        jitter: how much to collect before playing starts.
        outage: how often to try when the device went away.
    """

    def __init__(self, device: SoundDevice[PlaybackPcm], gain: SoftwareGain) -> None:
        self.device = device
        self.jitter = JitterBuffer()
        self.outage = Outage()
        self._gain = gain

    def open(self) -> Line:
        """Open the device.

        Raises:
            AudioDeviceFailed: it is not there, busy or cannot do it.
        """
        return Line(self.device.open(), self._gain)

    def lost(self, error: AudioDeviceFailed) -> None:
        """The device went away in mid-reply."""
        self.device.failed(error)

    def ran_dry(self) -> None:
        """There was nothing to play in mid-reply."""
        self.jitter.ran_dry()
        self.device.count_xruns()

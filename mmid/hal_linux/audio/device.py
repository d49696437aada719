"""A configured sound device through the whole life of the daemon: open now and then.

Recorder and player open it for each speech and reply. In between, and after
failures, this remembers what people want to know of it.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.hardware_parameters import HardwareParameters

__all__ = ["SoundDevice"]


class _Opened(Protocol):
    @property
    def format(self) -> str: ...


PcmType = TypeVar("PcmType", bound=_Opened)


class SoundDevice(Generic[PcmType]):
    """One PCM name, how it is, and how often it ran over or dry.

    Args:
        name: the ALSA PCM name.
        opener: opens it, given what is known of it.

    Attributes:
        name: the ALSA PCM name.
        xruns: how often samples were lost or missing since the start.
        format: what was negotiated when it was opened last, or why it does
            not work; empty until it was first opened.
        on_change: called after ``xruns`` or ``format`` changed.
    """

    def __init__(self, name: str, opener: Callable[[HardwareParameters], PcmType]) -> None:
        self.name = name
        self.xruns = 0
        self.format = ""
        self.on_change: Callable[[], None] = _nobody_listens
        self._opener = opener
        self._terms = HardwareParameters()

    def open(self) -> PcmType:
        """Open it.

        Raises:
            AudioDeviceFailed: it is not there, busy or cannot do it.
        """
        try:
            pcm = self._opener(self._terms)
        except AudioDeviceFailed as error:
            self.failed(error)
            raise
        self._show(pcm.format)
        return pcm

    def failed(self, error: AudioDeviceFailed) -> None:
        """It does not work, now or any more."""
        self._terms.forget()
        self._show(f"not working: {error}")

    def count_xruns(self, number: int = 1) -> None:
        """Samples were lost or missing."""
        self.xruns += number
        self.on_change()

    def _show(self, text: str) -> None:
        if text != self.format:
            self.format = text
            self.on_change()


def _nobody_listens() -> None:
    """Until the composition root sets another."""

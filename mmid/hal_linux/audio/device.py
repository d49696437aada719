"""A sound device through the whole life of the daemon, which has it open now and then.

Recorder and player open theirs for each speech and reply. This is what both have in
common: what is shown of the device, and when one that went away is tried again.
"""

import asyncio
from collections.abc import Callable

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import OpenPcm, PcmRequest

# A USB card that was knocked out is back in about a second; longer than this
# nobody waits for the rest of a sentence.
_OUTAGE_S = 4.0

_FIRST_DELAY_S = 0.02
_LONGEST_DELAY_S = 0.32


class SoundDevice:
    """One PCM name, how it is, and how often samples were lost.

    Args:
        request: what is wanted of it.

    Attributes:
        device: the ALSA PCM name.
        format: what was negotiated when it was opened last, or why it does
            not work; empty until it was first opened.
        request: what was wanted of it.
        xruns: how often it ran over (capture) or dry (playback) since the start.
        opener: opens it; echo cancellation puts its own way in this place.
    """

    def __init__(self, request: PcmRequest) -> None:
        self.device = request.device
        self.format = ""
        self.xruns = 0
        self.opener: Callable[[], OpenPcm] = request.open
        self.request = request
        self._on_change: Callable[[], None] = lambda: None
        self._away_since: float | None = None
        self._delay_s = _FIRST_DELAY_S

    def observe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` whenever ``format`` or ``xruns`` has changed."""
        self._on_change = on_change

    def open_pcm(self) -> OpenPcm:
        """Open it.

        Raises:
            AudioDeviceFailed: it is not there, busy or cannot do it.
        """
        try:
            opened = self.opener()
        except AudioDeviceFailed as error:
            self.failed(error)
            raise
        self._show(opened.format)
        return opened

    def failed(self, error: AudioDeviceFailed) -> None:
        """It does not work, now or any more; what comes back may be another card."""
        self.request.parameters.forget()
        self._show(f"not working: {error}")

    def count_xruns(self, number: int = 1) -> None:
        """Samples were lost or missing."""
        self.xruns += number
        self._on_change()

    def next_try_s(self) -> float | None:
        """Return in how many seconds to open a lost device again; None: give up.

        The delays double. A device that comes back and goes away again at once is
        still out: the time goes on until ``works`` says that samples flowed.
        """
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
        delay, self._delay_s = self._delay_s, min(2 * self._delay_s, _LONGEST_DELAY_S)
        return delay if now + delay - self._away_since <= _OUTAGE_S else None

    def works(self) -> None:
        """Samples flow: the next outage is another one."""
        self._away_since = None
        self._delay_s = _FIRST_DELAY_S

    def _show(self, text: str) -> None:
        if text != self.format:
            self.format = text
            self._on_change()

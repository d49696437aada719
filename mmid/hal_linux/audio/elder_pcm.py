"""``avail`` for Debian 13's pyalsaaudio 0.10, which does not have it yet.

0.11 calls ``snd_pcm_avail``, which asks the card where it is. 0.10 has the
state and ``snd_pcm_htimestamp``, which knows where the card was at its last
interrupt: a period older, never wrong.
"""

import errno
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

__all__ = ["ElderPcm"]

_STATES = {
    alsaaudio.PCM_STATE_XRUN: -errno.EPIPE,
    alsaaudio.PCM_STATE_SUSPENDED: -errno.ESTRPIPE,
    alsaaudio.PCM_STATE_DISCONNECTED: -errno.ENODEV,
}


class ElderPcm:
    """An ``alsaaudio.PCM`` of 0.10 as one of 0.11."""

    def __init__(self, pcm: Any) -> None:
        self._pcm = pcm
        self.read = pcm.read
        self.write = pcm.write
        self.drop = pcm.drop
        self.close = pcm.close
        self.info = pcm.info

    def avail(self) -> int:
        """Frames that can be read or written now, or a negative errno."""
        broken: int | None = _STATES.get(self._pcm.state())
        if broken is not None:
            return broken
        frames: int = self._pcm.htimestamp()[2]
        return frames

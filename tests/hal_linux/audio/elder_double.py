"""pyalsaaudio 0.10's PCM, made of whichever is installed.

Facts from alsaaudio.c of 0.10.0: ``read`` and ``write`` prepare a PCM in the
state XRUN and go on without a word; a ``read`` that finds the overrun itself
returns -EPIPE and leaves the PCM as it is; such a ``write`` raises.
"""

import errno
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

__all__ = ["elder_pcm"]


def elder_pcm(**options: Any) -> Any:
    """Open a PCM as ``alsaaudio.PCM`` of 0.10 does."""
    pcm = _PCM(**options)
    return _Elder(pcm) if hasattr(pcm, "avail") else pcm


_PCM = alsaaudio.PCM


class _Elder:
    """A PCM of 0.11 without what 0.10 does not have."""

    def __init__(self, pcm: Any) -> None:
        self._pcm = pcm
        self.state = pcm.state
        self.htimestamp = pcm.htimestamp
        self.info = pcm.info
        self.drop = pcm.drop
        self.close = pcm.close

    def read(self) -> tuple[int, bytes]:
        if self.state() == alsaaudio.PCM_STATE_XRUN:
            self._pcm.read()  # 0.11 prepares, and says so
        answer: tuple[int, bytes] = self._pcm.read()
        return answer

    def write(self, data: bytes) -> int:
        if self.state() == alsaaudio.PCM_STATE_XRUN:
            self._pcm.write(data)
        taken: int = self._pcm.write(data)
        if taken == -errno.EPIPE:
            raise alsaaudio.ALSAAudioError("Broken pipe [card]")
        return taken

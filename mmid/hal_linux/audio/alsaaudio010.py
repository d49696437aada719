"""``alsaaudio.PCM`` as 0.11 has it, over the 0.10 of Debian 13.

What 0.10 does otherwise:

* It has no ``avail``. 0.11's calls ``snd_pcm_avail``, which asks the card for its
  position. 0.10 has the state and ``snd_pcm_htimestamp``, which has the position of
  the card's last interrupt: up to a period old, so what it says is there is there.
* ``read`` and ``write`` of a PCM that ran over or dry start it again and tell nobody,
  so that lost samples could not be counted. Only if that happens during the call itself
  ``read`` returns ``-EPIPE``, and ``write`` raises. 0.11 returns ``-EPIPE`` each time, once.
"""

import errno
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

_XRUN, _EPIPE = alsaaudio.PCM_STATE_XRUN, -errno.EPIPE

# State -> errno. A PCM in one of these states has no position: ``htimestamp`` would
# return what happens to lie in its memory.
_STATES: dict[int, int] = {
    alsaaudio.PCM_STATE_OPEN: -errno.EBADFD,
    alsaaudio.PCM_STATE_SETUP: -errno.EBADFD,
    _XRUN: _EPIPE,
    alsaaudio.PCM_STATE_SUSPENDED: -errno.ESTRPIPE,
    alsaaudio.PCM_STATE_DISCONNECTED: -errno.ENODEV,
}


class Pcm010:
    """An ``alsaaudio.PCM`` of 0.10 as one of 0.11.

    Args:
        pcm: the PCM.
        buffer_frames: the most it holds.
    """

    def __init__(self, pcm: Any, buffer_frames: int) -> None:
        self._pcm = pcm
        self._read, self._state = pcm.read, pcm.state
        self._buffer_frames = buffer_frames
        self._told = False  # the caller knows of this overrun or underrun
        self.drop = pcm.drop
        self.close = pcm.close

    def read(self) -> tuple[int, bytes]:
        """At most one period; ``(-EPIPE, b"")`` after an overrun, and the next call goes on."""
        # Fifty times a second: ``_must_be_told`` is written out here, at half the cost.
        if self._state() == _XRUN and not self._told:
            self._told = True
            return _EPIPE, b""
        count, data = self._read()
        self._told = count == _EPIPE
        return count, data

    def write(self, data: bytes, /) -> int:
        """How many frames were taken; ``-EPIPE`` after an underrun, and the next call goes on."""
        if self._must_be_told():
            return _EPIPE
        try:
            taken: int = self._pcm.write(data)
        except alsaaudio.ALSAAudioError:
            if not self._must_be_told():
                raise
            return _EPIPE
        self._told = False
        return taken

    def avail(self) -> int:
        """Frames that can be read or written now, or a negative errno."""
        broken = self._broken()
        if broken:
            return broken
        frames: int = self._pcm.htimestamp()[2]
        # The state may have changed since ``_broken`` looked. A card that is suspended
        # meanwhile has told its position; one that ran over or dry, or went away, has not.
        if self._state() == _XRUN or not 0 <= frames <= self._buffer_frames:
            return self._broken() or frames
        return frames

    def _broken(self) -> int:
        return _STATES.get(self._state(), 0)

    def _must_be_told(self) -> bool:
        """Whether it ran over or dry and the caller does not know; from now on it does."""
        news = not self._told and self._state() == _XRUN
        self._told = self._told or news
        return news

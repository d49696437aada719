"""Both versions of pyalsaaudio that mmid runs with.

The tests have the installed one. 0.10 is made of it, after alsaaudio.c of 0.10.0: ``read``
and ``write`` prepare a PCM in the state XRUN and go on without a word; a ``read`` that
finds the overrun itself returns -EPIPE and leaves the PCM as it is; such a ``write`` raises.
"""

import errno
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
import pytest


@pytest.fixture(params=["installed", "0.10"])
def either_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with what is installed, and once more with what 0.10 does."""
    if request.param == "0.10":
        monkeypatch.setattr(alsaaudio, "PCM", _open_010)


_PCM = alsaaudio.PCM


def _open_010(**options: Any) -> Any:
    pcm = _PCM(**options)
    return _Pcm010(pcm) if hasattr(pcm, "avail") else pcm


class _Pcm010:
    """A PCM of 0.11 without what 0.10 does not have."""

    def __init__(self, pcm: Any) -> None:
        self._pcm = pcm
        self.state = pcm.state
        self.htimestamp = pcm.htimestamp
        self.info = pcm.info
        self.getratebounds = pcm.getratebounds
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

"""What alsa-lib gave us of a device, asked once and not at every press.

pyalsaaudio's ``PCM.info`` loses memory with each call, and makes three dozen names
anew that Python keeps in a table for as long as they last: in a year of dialogs that
is megabytes. A card that was taken out and put in again, or another in its place, has
a new device node, and is asked.
"""

from pathlib import Path
from typing import Any, Protocol

__all__ = ["HardwareParameters"]

# (number, when it was made) of a device node; None where it cannot be looked at.
_Node = tuple[int, int] | None

_NO_CARD: _Node = (0, 0)


class _Asked(Protocol):
    def info(self) -> dict[str, Any]: ...


class HardwareParameters:
    """The terms of one sound device, by the name under which it was opened.

    There are two names at most: its own, and that of alsa-lib's converter over it.

    Args:
        devices: where the device nodes of sound cards are.
    """

    def __init__(self, devices: Path = Path("/dev/snd")) -> None:
        self._devices = devices
        self._known: dict[str, tuple[dict[str, Any], _Node]] = {}

    def of(self, name: str, pcm: _Asked, *, playback: bool) -> dict[str, Any]:
        """Return ``PCM.info`` of an open PCM, as it was when this name was opened first."""
        info, node = self._known.get(name, ({}, None))
        if node is None or node != self._node(info, playback=playback):
            info = pcm.info()
            self._known[name] = info, self._node(info, playback=playback)
        return info

    def forget(self) -> None:
        """The device failed: what comes back may be another."""
        self._known.clear()

    def _node(self, info: dict[str, Any], *, playback: bool) -> _Node:
        """Look at the device node of the card behind a PCM; most plug-ins have no card."""
        if info["card_no"] < 0:
            return _NO_CARD
        place = f"pcmC{info['card_no']}D{info['device_no']}{'p' if playback else 'c'}"
        try:
            found = (self._devices / place).stat()
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns

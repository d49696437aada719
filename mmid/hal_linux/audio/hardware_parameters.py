"""The hardware parameters that alsa-lib chose for a device, asked once and not at every press.

``PCM.info`` of pyalsaaudio loses 40 to 250 bytes with each call, and makes three dozen
names anew that Python then keeps: in a year of dialogs that is megabytes. They do not
change while the card is the same and has the same rates to offer. Another card has another
device node; and many boards' codecs have one clock for both directions, so that while one is
open, the other has its rate only.
"""

from pathlib import Path
from typing import Any

# (inode, time of its last change) of a device node.
_Node = tuple[int, int]

# The lowest and the highest rate, in Hz.
_Rates = tuple[int, int]


class HardwareParameters:
    """The hardware parameters of one sound device, by the name under which it was opened.

    There are two names at most: its own, and that of alsa-lib's converter over it.

    Args:
        devices: where the device nodes of sound cards are.
    """

    def __init__(self, devices: Path = Path("/dev/snd")) -> None:
        self._devices = devices
        self._known: dict[str, tuple[dict[str, Any], _Node | None, _Rates]] = {}

    def of(self, name: str, pcm: Any, *, playback: bool) -> dict[str, Any]:
        """Return ``PCM.info`` of an open PCM, as it was when this name was opened like this."""
        rates: _Rates = pcm.getratebounds()
        info: dict[str, Any]
        info, node, offered = self._known.get(name, ({}, None, rates))
        if node is None or node != self._node(info, playback=playback) or offered != rates:
            info = pcm.info()
            self._known[name] = info, self._node(info, playback=playback), rates
        return info

    def forget(self) -> None:
        """Ask again at the next opening."""
        self._known.clear()

    def _node(self, info: dict[str, Any], *, playback: bool) -> _Node | None:
        """Return what tells a card from another; None where its node cannot be looked at."""
        if info["card_no"] < 0:
            return 0, 0  # most plug-ins have no card, and no node
        node = f"pcmC{info['card_no']}D{info['device_no']}{'p' if playback else 'c'}"
        try:
            found = (self._devices / node).stat()
        except OSError:
            return None
        return found.st_ino, found.st_ctime_ns

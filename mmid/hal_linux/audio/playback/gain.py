"""The loudness of the loudspeaker, for boards without a mixer control: a gain on the samples."""

from array import array

from mmid.hal_linux.audio.samples import from_numbers, to_numbers

_ONE = 1 << 16


class SoftwareGain:
    """A ``Mixer`` that scales samples; at 100 and not muted it leaves them alone.

    The gain is the cube of the volume: people hear loudness about
    logarithmically, and a cube follows that (half way is -18 dB, a tenth is
    -60 dB) but needs no tables and reaches true silence at 0.
    """

    def __init__(self) -> None:
        self._volume = 100
        self._muted = False

    @property
    def volume(self) -> int:
        return self._volume

    @property
    def muted(self) -> bool:
        return self._muted

    def set_volume(self, percent: int) -> None:
        self._volume = min(100, max(0, percent))

    def set_muted(self, muted: bool) -> None:
        self._muted = muted

    def apply(self, data: bytes) -> bytes:
        """Return ``data`` (whole 16-bit little-endian samples) as loud as it should be."""
        if self._muted or self._volume == 0:
            return bytes(len(data))
        if self._volume == 100:
            return data
        # Integers, and a factor below one: nothing can overflow. Rounds to nearest.
        factor = _ONE * self._volume**3 // 100**3
        numbers = to_numbers(data)
        return from_numbers(array("h", [(s * factor + _ONE // 2) >> 16 for s in numbers]))

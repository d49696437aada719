"""The loudness of the loudspeaker, by a mixer control of the sound card.

A percent means the same on every card and as ``SoftwareGain``'s: it is the cube root of the
gain, which is about as people hear. Of a real DAC's 103 dB half of the register's steps would
be -52 dB; here 50 % is -18 dB, as ``amixer -M`` and alsamixer have it.
"""

import ctypes
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import log10
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import AlsaError, failure, silence_alsa

# In hundredths of a decibel, as alsa-lib counts. Over a smaller range equal steps of decibels
# sound equal; over a larger one the lower half would be hardly heard.
_LINEAR_RANGE = 2400
_TENFOLD = 6000  # ten times the cube root of the gain

# The least of a range whose lowest step is silence (SND_CTL_TLV_DB_GAIN_MUTE).
_SILENT = -9999999

# ``Headphone,1`` and, as amixer prints it, ``'Headphone',1``: the second of that name.
_INDEXED = re.compile(r"(?P<quote>'?)(?P<name>.+)(?P=quote),(?P<index>\d{1,3})")


class AlsaMixer:
    """A ``Mixer`` over one simple mixer control, such as ``Master``.

    The mixer is open only while it is asked: volume changes are rare, and a
    card that was unplugged and came back needs no care. A control without a
    mute switch is muted by its volume.

    Args:
        device: the card, such as ``default`` or ``hw:0``.
        control: the control's name, as ``amixer scontrols`` prints it, with or without
            quotes and index.

    Raises:
        AudioDeviceFailed: there is no such card, or it has no such control for playback.
    """

    def __init__(self, device: str, control: str) -> None:
        self._device = device
        indexed = _INDEXED.fullmatch(control)
        self._control = indexed["name"] if indexed else control.strip("'")
        self._index = int(indexed["index"]) if indexed else 0
        self._before_mute: int | None = None  # the volume, while muted without a switch
        self._on_change: Callable[[], None] = lambda: None
        if not _sets_playback(device, self._control, self._index):
            offered = ", ".join(_playback_controls(device)) or "none"
            raise AudioDeviceFailed(
                f"the sound device {device!r} has no control {control!r} that sets the volume of "
                f"playback; it has {offered}"
            )
        self._decibels = _decibel_range(device, self._control, self._index)
        with self._opened() as mixer:
            self._has_switch = "Playback Mute" in mixer.switchcap() or "Mute" in mixer.switchcap()

    def observe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` whenever mmid has turned the card's volume, or muted it."""
        self._on_change = on_change

    @property
    def volume(self) -> int:
        if self._before_mute is not None:
            return self._before_mute
        with self._opened() as mixer:
            if self._decibels is None:
                return max(mixer.getvolume(), default=0)
            loudest = max(mixer.getvolume(units=alsaaudio.VOLUME_UNITS_DB))
            return percent_of(loudest, *self._decibels)

    @property
    def muted(self) -> bool:
        if not self._has_switch:
            return self._before_mute is not None
        with self._opened() as mixer:
            return all(mixer.getmute())

    def set_volume(self, percent: int) -> None:
        percent = min(100, max(0, percent))
        if self._before_mute is not None:
            self._before_mute = percent
        else:
            self._set_on_card(percent)

    def _set_on_card(self, percent: int) -> None:
        with self._opened() as mixer:
            if self._decibels is None:
                mixer.setvolume(percent)
            else:
                decibels = decibels_of(percent, *self._decibels)
                mixer.setvolume(decibels, units=alsaaudio.VOLUME_UNITS_DB)
        self._on_change()

    def set_muted(self, muted: bool) -> None:
        if self._has_switch:
            with self._opened() as mixer:
                mixer.setmute(int(muted))
            self._on_change()
        elif muted and self._before_mute is None:
            before = self.volume
            self._set_on_card(0)
            self._before_mute = before
        elif not muted and self._before_mute is not None:
            self._set_on_card(self._before_mute)  # raises if the card is away: then it stays muted
            self._before_mute = None

    def _opened(self) -> AbstractContextManager[Any]:
        return _open(self._device, self._control, self._index)


def decibels_of(percent: int, least: int, most: int) -> int:
    """Return what a volume is on a control of that range, in hundredths of a decibel."""
    share = percent / 100
    if most - least <= _LINEAR_RANGE:
        return round(least + share * (most - least))
    floor = _floor(least, most)
    cube_root = floor + share * (1 - floor)
    return round(most + _TENFOLD * log10(cube_root)) if cube_root else least


def percent_of(decibels: int, least: int, most: int) -> int:
    """Return the volume of a control of that range; see ``decibels_of``."""
    if most - least <= _LINEAR_RANGE:
        return round(100 * (decibels - least) / (most - least))
    floor = _floor(least, most)
    return round(100 * (10 ** ((decibels - most) / _TENFOLD) - floor) / (1 - floor))


def _floor(least: int, most: int) -> float:
    return 0.0 if least <= _SILENT else 10.0 ** ((least - most) / _TENFOLD)


@contextmanager
def _open(device: str, control: str, index: int) -> Iterator[Any]:
    silence_alsa()
    try:
        mixer = alsaaudio.Mixer(control=control, id=index, device=device)
        try:
            yield mixer
        finally:
            mixer.close()
    except AlsaError as error:
        raise failure(device, error) from error


def _sets_playback(device: str, control: str, index: int) -> bool:
    try:
        with _open(device, control, index) as mixer:
            return not {"Volume", "Playback Volume"}.isdisjoint(mixer.volumecap())
    except AudioDeviceFailed:
        return False


def _playback_controls(device: str) -> list[str]:
    """Return the controls that would do, as ``AlsaMixer`` takes them.

    Raises:
        AudioDeviceFailed: there is no such card.
    """
    try:
        names = alsaaudio.mixers(device=device)
    except AlsaError as error:
        raise failure(device, error) from error
    indexed = [(name, names[:at].count(name)) for at, name in enumerate(names)]
    fit = [one for one in indexed if _sets_playback(device, *one)]
    return [f"{name},{index}" if index else name for name, index in fit]


def _decibel_range(device: str, control: str, index: int) -> tuple[int, int] | None:
    """Return the least and the most of a control in hundredths of a decibel; None if it has none.

    Of a control without decibels alsaaudio's ``getrange`` returns what lies in its memory.
    """
    library = ctypes.CDLL("libasound.so.2")
    library.snd_mixer_find_selem.restype = ctypes.c_void_p
    mixer, wanted = ctypes.c_void_p(), ctypes.c_void_p()
    least, most = ctypes.c_long(), ctypes.c_long()
    if library.snd_mixer_open(ctypes.byref(mixer), 0) < 0:
        return None
    library.snd_mixer_selem_id_malloc(ctypes.byref(wanted))
    try:
        library.snd_mixer_attach(mixer, device.encode())
        library.snd_mixer_selem_register(mixer, None, None)
        library.snd_mixer_load(mixer)
        library.snd_mixer_selem_id_set_name(wanted, control.encode())
        library.snd_mixer_selem_id_set_index(wanted, index)
        element = ctypes.c_void_p(library.snd_mixer_find_selem(mixer, wanted))
        get = library.snd_mixer_selem_get_playback_dB_range
        if not element or get(element, ctypes.byref(least), ctypes.byref(most)) < 0:
            return None
    finally:
        library.snd_mixer_selem_id_free(wanted)
        library.snd_mixer_close(mixer)
    return (least.value, most.value) if least.value < most.value else None

"""The loudness of the loudspeaker, by a mixer control of the sound card."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mmid.hal_linux.audio.alsa import AlsaError, failure, open_mixer


class AlsaMixer:
    """A ``Mixer`` over one simple mixer control, such as ``Master``.

    The mixer is open only while it is asked: volume changes are rare, and a
    card that was unplugged and came back needs no care. A control without a
    mute switch is muted by its volume.

    Args:
        device: the card, such as ``default`` or ``hw:0``.
        control: the control's name, as ``amixer scontrols`` prints it.

    Raises:
        AudioDeviceFailed: there is no such card or control.
    """

    def __init__(self, device: str, control: str) -> None:
        self._device = device
        self._control = control
        self._before_mute: int | None = None  # the volume, while muted without a switch
        with self._opened() as mixer:
            self._has_switch = "Playback Mute" in mixer.switchcap() or "Mute" in mixer.switchcap()

    @property
    def volume(self) -> int:
        if self._before_mute is not None:
            return self._before_mute
        with self._opened() as mixer:
            return max(mixer.getvolume(), default=0)

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
            return
        with self._opened() as mixer:
            mixer.setvolume(percent)

    def set_muted(self, muted: bool) -> None:
        if self._has_switch:
            with self._opened() as mixer:
                mixer.setmute(int(muted))
        elif muted and self._before_mute is None:
            before = self.volume
            self.set_volume(0)
            self._before_mute = before
        elif not muted and self._before_mute is not None:
            before, self._before_mute = self._before_mute, None
            self.set_volume(before)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        mixer = open_mixer(self._device, self._control)
        try:
            yield mixer
        except AlsaError as error:
            raise failure(self._device, error) from error
        finally:
            mixer.close()

"""The door to alsa-lib: opens a PCM as mmid needs it, and says plainly why one failed.

The one module that imports alsaaudio (pyalsaaudio). Every PCM of mmid is mono,
16-bit signed little-endian, and opened non-blocking: nothing here may stop the
event loop.
"""

import ctypes
import errno
import os
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

from mmid.errors import AudioDeviceFailed

__all__ = [
    "FRAME_BYTES",
    "AlsaError",
    "Direction",
    "OpenPcm",
    "Pcm",
    "failure",
    "open_mixer",
    "open_pcm",
]

FRAME_BYTES = 2

AlsaError: type[Exception] = alsaaudio.ALSAAudioError

_FORMAT_NAME = "S16_LE"

# What people can do something about. alsa-lib's own words are the C library's
# for the number: "No such file or directory" is what it says of a sound card.
_REASONS = {
    errno.EBUSY: "is busy: another program has it open (fuser -v /dev/snd/* names it)",
    errno.ENOENT: "does not exist: no card or no alsa-lib definition has this name",
    errno.ENODEV: "is gone: unplugged, or its driver was removed",
    errno.ENXIO: "does not exist: its alsa-lib plug-in or card is missing",
    errno.EACCES: "may not be opened: the user needs the group audio",
    errno.EPERM: "may not be opened: the user needs the group audio",
    errno.EINVAL: "cannot do 16-bit mono at this rate: put plug: or plughw: before its name",
    errno.ESTRPIPE: "was suspended",
    errno.ECONNREFUSED: "has no answer from its sound server: start the server",
}


class Direction(IntEnum):
    """Which way samples flow."""

    PLAYBACK = alsaaudio.PCM_PLAYBACK
    CAPTURE = alsaaudio.PCM_CAPTURE


class Pcm(Protocol):
    """What mmid uses of ``alsaaudio.PCM``; counts are frames, errors negative errno."""

    def read(self) -> tuple[int, bytes]:
        """At most one period; ``(-EPIPE, b"")`` after an overrun it recovered from."""

    def write(self, data: bytes, /) -> int:
        """How many frames were taken; ``-EPIPE`` after an underrun it recovered from."""

    def avail(self) -> int:
        """Frames that can be read or written now; recovers from nothing."""

    def drop(self) -> int:
        """Stop at once and forget what is in the buffer."""

    def close(self) -> None:
        """Close; a playback PCM that was not dropped is drained first."""

    def info(self) -> dict[str, Any]:
        """What alsa-lib really set."""


@dataclass(frozen=True, slots=True)
class OpenPcm:
    """An open PCM and the sizes alsa-lib really gave it, in frames."""

    pcm: Pcm
    buffer_frames: int
    period_frames: int


def failure(device: str, cause: Exception | int) -> AudioDeviceFailed:
    """Say why ``device`` failed.

    Args:
        device: the ALSA name, as the settings wrote it.
        cause: alsaaudio's exception, or a (negative) errno.
    """
    if isinstance(cause, int):
        reason = _REASONS.get(abs(cause), f"failed: {os.strerror(abs(cause))}")
    else:
        text = str(cause).removesuffix(f" [{device}]")
        known = (words for code, words in _REASONS.items() if text == os.strerror(code))
        reason = next(known, f"failed: {text}")
    return AudioDeviceFailed(f"the sound device {device!r} {reason}")


def open_pcm(
    direction: Direction, device: str, rate_hz: int, period_ms: int, buffer_ms: int
) -> OpenPcm:
    """Open ``device`` non-blocking, mono, 16-bit, at exactly ``rate_hz``.

    Args:
        direction: capture or playback.
        device: the ALSA PCM name.
        rate_hz: samples a second; another rate is not accepted.
        period_ms: the wished period; the device may choose another.
        buffer_ms: the least wished buffer.

    Raises:
        AudioDeviceFailed: the device is not there, busy, or cannot do it.
    """
    _silence_alsa()
    try:
        pcm: Pcm = alsaaudio.PCM(
            type=int(direction),
            mode=alsaaudio.PCM_NONBLOCK,
            device=device,
            rate=rate_hz,
            channels=1,
            format=alsaaudio.PCM_FORMAT_S16_LE,
            periodsize=rate_hz * period_ms // 1000,
            periods=max(2, -(-buffer_ms // period_ms)),
        )
    except AlsaError as error:
        raise failure(device, error) from error
    info = pcm.info()
    offered = (info["channels"], info["rate"], info["format_name"])
    if offered != (1, rate_hz, _FORMAT_NAME):
        pcm.drop()
        pcm.close()
        raise AudioDeviceFailed(
            f"the sound device {device!r} offers {offered[0]} channels at {offered[1]} Hz as "
            f"{offered[2]}, not 1 at {rate_hz} Hz as {_FORMAT_NAME}: put plug: or plughw: "
            "before its name"
        )
    return OpenPcm(pcm, info["buffer_size"], info["period_size"])


def open_mixer(device: str, control: str) -> Any:
    """Open a simple mixer control of a card, as ``alsaaudio.Mixer``.

    Raises:
        AudioDeviceFailed: there is no such card or control.
    """
    _silence_alsa()
    try:
        return alsaaudio.Mixer(control=control, device=device)
    except AlsaError as error:
        raise failure(device, error) from error


_alsa_is_silent = False


def _silence_alsa() -> None:
    """Keep alsa-lib from writing to stderr: every failure is raised with its reason.

    The handler must be a C function that bears any arguments; one of
    alsa-lib's own without any will do. A Python callback would need memory
    that is writable and executable, which the unit's sandbox forbids.
    """
    global _alsa_is_silent  # noqa: PLW0603 - alsa-lib has one handler a process
    if not _alsa_is_silent:
        library = ctypes.CDLL("libasound.so.2")
        library.snd_lib_error_set_handler(library.snd_asoundlib_version)
        _alsa_is_silent = True

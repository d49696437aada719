"""The door to alsa-lib: opens a PCM as mmid needs it, and says plainly why one failed.

It, ``alsaaudio010`` and ``playback.mixer`` import alsaaudio (pyalsaaudio), nothing else
does. Every PCM of mmid is mono, 16-bit signed little-endian, and opened non-blocking:
nothing here may stop the event loop. A name that cannot do that by itself (``hw:0`` of a
card that knows 48 kHz stereo only) is opened once more behind alsa-lib's own converter.
"""

import ctypes
import errno
import logging
import os
import time
from dataclasses import field, replace
from enum import IntEnum
from typing import Any, Protocol

import alsaaudio  # type: ignore[import-not-found,unused-ignore]

from mmid.errors import AudioDeviceFailed
from mmid.frozen import frozen
from mmid.hal_linux.audio.alsaaudio010 import Pcm010
from mmid.hal_linux.audio.hardware_parameters import HardwareParameters
from mmid.hal_linux.audio.proc_asound import hardware_format, holders

_log = logging.getLogger(__name__)

FRAME_BYTES = 2

# A card that gives or takes no sample for so long never will.
STUCK_S = 2.0

# A card opens in a millisecond or two. A sound server that does not answer holds the
# whole event loop for as long as it likes: the log must say so.
_SLOW_OPEN_S = 0.1

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
    errno.EINVAL: "cannot do 16-bit samples of this rate, or not so few or many channels",
    errno.ESTRPIPE: "was suspended",
    errno.EBADFD: "was stopped by its driver",
    errno.EIO: "failed: its driver has an input/output error",
    errno.ECONNREFUSED: "has no answer from its sound server: start the server",
}

# Of a device that was open: opening it anew may help.
_LOST = frozenset({errno.ENODEV, errno.ESTRPIPE, errno.EBADFD, errno.EIO})


class DeviceLost(AudioDeviceFailed):
    """An open device was unplugged, suspended or stopped; opening it anew may help."""


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


@frozen
class OpenPcm:
    """An open PCM, and what alsa-lib really gave of what was asked for.

    Attributes:
        pcm: the PCM.
        device: its name, as the settings wrote it.
        rate_hz: samples a second: what was asked for.
        buffer_frames: the most it holds.
        period_frames: the grain in which it takes or gives samples.
        channels: how many samples a frame has.
        format: all of that for people, in one line.
    """

    pcm: Pcm
    device: str
    rate_hz: int
    buffer_frames: int
    period_frames: int
    channels: int
    format: str


def failure(device: str, cause: Exception | int) -> AudioDeviceFailed:
    """Say why ``device`` failed; ``DeviceLost`` if opening it anew may help.

    Args:
        device: the ALSA name, as the settings wrote it.
        cause: alsaaudio's exception, or a (negative) errno.
    """
    number = abs(cause) if isinstance(cause, int) else _number(cause)
    text = _REASONS.get(number) or f"failed: {os.strerror(number) if number else cause}"
    kind = DeviceLost if number in _LOST else AudioDeviceFailed
    return kind(f"the sound device {device!r} {text}")


def stuck(device: str, what: str, known: str = "its driver reports no error") -> AudioDeviceFailed:
    """Say that an open device does not get on: what it did not do, and what is known of it."""
    return AudioDeviceFailed(f"the sound device {device!r} {what} for {STUCK_S:g} s: {known}")


def _number(error: Exception) -> int:
    """Return the errno of alsaaudio's exception; 0 if not known.

    The exception has only ``snd_strerror``'s words for it, which are the C library's, and
    the device in brackets: "No such device [hw:0]".
    """
    words = str(error).rpartition(" [")[0]
    return next((one for one in _REASONS if words == os.strerror(one)), 0)


@frozen
class PcmRequest:
    """What is wanted of a device: mono if not said otherwise, 16-bit, at exactly ``rate_hz``.

    Attributes:
        direction: capture or playback.
        device: the ALSA PCM name.
        rate_hz: samples a second.
        period_ms: the wished period; the device may choose another.
        buffer_ms: the least wished buffer.
        channels: so many, or more; only one that has the reference of an echo canceller
            beside the microphone is opened with more than one.
        parameters: what is known of the device from the times before.
    """

    direction: Direction
    device: str
    rate_hz: int
    period_ms: int
    buffer_ms: int
    channels: int = 1
    parameters: HardwareParameters = field(default_factory=HardwareParameters)

    def open(self) -> OpenPcm:
        """Open the device non-blocking.

        Raises:
            AudioDeviceFailed: the device is not there, busy, or cannot do it even
                behind alsa-lib's converter.
        """
        began = time.monotonic()
        try:
            return self._open()
        finally:
            took = time.monotonic() - began
            if took > _SLOW_OPEN_S:
                _log.warning("the sound device %r took %.1f s to open", self.device, took)

    def _open(self) -> OpenPcm:
        """Open the device as it is, else behind the converter."""
        silence_alsa()
        try:
            pcm, info = self._pcm(self.device)
        except AlsaError as error:
            refusal, offer, channels = self._refusal(error), "", 0
            if _number(error) != errno.EINVAL:
                raise refusal from error
        else:
            if self._fits(info):
                return self._opened(pcm, info, self._conversion(info))
            pcm.drop()
            pcm.close()
            channels = info["channels"]
            offer = _words(info["rate"], channels, info["format_name"])
            refusal = AudioDeviceFailed(
                f"the sound device {self.device!r} offers {offer}, not "
                f"{_words(self.rate_hz, self.channels, _FORMAT_NAME)}"
            )
        if channels < self.channels > 1:
            raise refusal  # a converter would make the missing channel of the microphone's
        # Of several channels it may convert the rate, of all that there are: else it mixes them.
        wanted = self if self.channels == 1 else replace(self, channels=channels)
        return wanted._converted(offer, refusal)  # noqa: SLF001 - another of its own kind

    def _converted(self, offer: str, refusal: AudioDeviceFailed) -> OpenPcm:
        """Open it behind alsa-lib's ``plug``; whatever fails now, the first refusal says more."""
        # Quoted: a comma in ``hw:0,0`` would end the argument SLAVE.
        quote = '"' if "'" in self.device else "'"
        refusal = AudioDeviceFailed(f"{refusal}; alsa-lib's converter plug does not help")
        try:
            pcm, info = self._pcm(f"plug:SLAVE={quote}{self.device}{quote}")
        except AlsaError as error:
            raise refusal from error
        if not self._fits(info):
            pcm.drop()
            pcm.close()
            raise refusal
        return self._opened(
            pcm, info, f"converted, the device has {offer}" if offer else "converted"
        )

    def _pcm(self, name: str) -> tuple[Pcm, dict[str, Any]]:
        """Open a PCM; return it and what alsa-lib really set.

        Rate, channels and sizes are wishes: where the device has others, alsaaudio reports no
        error.
        """
        pcm = alsaaudio.PCM(
            type=int(self.direction),
            mode=alsaaudio.PCM_NONBLOCK,
            device=name,
            rate=self.rate_hz,
            channels=self.channels,
            format=alsaaudio.PCM_FORMAT_S16_LE,
            # In frames. ``periods`` is a count of periods, 2 at least: the card plays one
            # while the other is filled.
            periodsize=self.rate_hz * self.period_ms // 1000,
            periods=max(2, -(-self.buffer_ms // self.period_ms)),
        )
        info = self.parameters.of(name, pcm, playback=self.direction is Direction.PLAYBACK)
        return pcm if hasattr(pcm, "avail") else Pcm010(pcm, info["buffer_size"]), info

    def _fits(self, info: dict[str, Any]) -> bool:
        enough = info["channels"] == self.channels or info["channels"] > self.channels > 1
        return bool(enough and (info["rate"], info["format_name"]) == (self.rate_hz, _FORMAT_NAME))

    def _refusal(self, error: Exception) -> AudioDeviceFailed:
        who = ""
        if _number(error) == errno.EBUSY:
            who = ", ".join(holders(self.direction is Direction.PLAYBACK))
        if not who:
            return failure(self.device, error)
        return AudioDeviceFailed(f"the sound device {self.device!r} is busy: {who} has a card open")

    def _conversion(self, info: dict[str, Any]) -> str:
        """Say what the card behind a converting name (``plughw:``, ``default``) runs at."""
        if info["card_no"] < 0:
            return ""
        place = (info["card_no"], info["device_no"], info["subdevice_no"])
        real = hardware_format(*place, self.direction is Direction.PLAYBACK)
        if real is None or real == (self.rate_hz, self.channels, _FORMAT_NAME):
            return ""
        return f"converted, the card has {_words(*real)}"

    def _opened(self, pcm: Pcm, info: dict[str, Any], conversion: str) -> OpenPcm:
        period, buffer = info["period_size"], info["buffer_size"]
        period_ms, buffer_ms = (1000 * frames / info["rate"] for frames in (period, buffer))
        words = _words(info["rate"], info["channels"], info["format_name"])
        text = f"{words}, period {period_ms:g} ms, buffer {buffer_ms:g} ms"
        text = f"{text}; {conversion}" if conversion else text
        return OpenPcm(pcm, self.device, self.rate_hz, buffer, period, info["channels"], text)


def _words(rate_hz: int, channels: int, format_name: str) -> str:
    width = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
    return f"{rate_hz} Hz {width} {format_name}"


_alsa_is_silent = False


def silence_alsa() -> None:
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

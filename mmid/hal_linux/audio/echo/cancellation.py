"""Echo cancellation as recorder and player see it: between the two streams and their listeners.

The recorder has its sound cleaned here while the microphone is open beside replies (duplex);
the player's replies go into a stream that runs as long. What becomes of it is told as
``org.mmid1.Audio.EchoCancellation`` has it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Protocol

from mmid.errors import AudioDeviceFailed
from mmid.hal import RecorderListener
from mmid.hal_linux.audio.alsa import FRAME_BYTES, OpenPcm, PcmRequest
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.echo.alignment import Alignment
from mmid.hal_linux.audio.echo.canceller import EchoCanceller
from mmid.hal_linux.audio.echo.continuous_playback import ContinuousPlayback
from mmid.hal_linux.audio.echo.loopback import LoopbackPcm
from mmid.hal_linux.audio.echo.reference import Reference
from mmid.hal_linux.audio.playback.player import AlsaPlayer

_log = logging.getLogger(__name__)

# Figures are told no more often.
_TOLD_S = 1.0

# What is heard is handed on so late, in chunks and behind the filter.
_LATE_MS = 200

# Above this drift alone makes a canceller poor.
_DRIFT_PPM = 15.0


OFF: Mapping[str, str | float] = {
    "state": "off",
    "erle_db": 0.0,
    "delay_ms": 0.0,
    "drift_ppm": 0.0,
}


class RecordingStream(Protocol):
    """What is asked of a recorder."""

    @property
    def position(self) -> tuple[float, int]:
        """When its device was asked (monotonic clock), and how many samples it had then."""

    @property
    def overruns(self) -> int:
        """How often samples were lost."""


def connect(
    recorder: AlsaRecorder,
    player: AlsaPlayer,
    *,
    tail_ms: int,
    microphone: int = 0,
    loopback: int | None = None,
) -> "EchoCancellation":
    """Put an echo canceller between a microphone and a loudspeaker.

    Args:
        recorder: the microphone.
        player: the loudspeaker.
        tail_ms: how long the room answers.
        microphone: the microphone's channel of its device, if ``loopback`` is one of it, too.
        loopback: the channel with the loudspeaker's sound; None: what is played is counted.

    Raises:
        SettingsInvalid: libspeexdsp is not installed.
    """
    counted = player.request if loopback is None else None
    echo = EchoCancellation(recorder.request.rate_hz, tail_ms, counted)
    recorder.echo = echo
    if loopback is None:
        player.opener = partial(echo.open_playback, player.opener)
    else:
        recorder.opener = partial(echo.open_loopback, recorder.request, microphone, loopback)
    return echo


class EchoCancellation:
    """Cleans what a recorder hears while it is told to.

    Args:
        capture_hz: the microphone's rate.
        tail_ms: how long the room answers.
        playback: the loudspeaker, whose stream is the reference; None: ``open_loopback``
            gives it.

    Attributes:
        status: state, echo return loss enhancement in dB, delay in ms, drift in ppm.

    Raises:
        SettingsInvalid: libspeexdsp is not installed.
    """

    def __init__(self, capture_hz: int, tail_ms: int, playback: PcmRequest | None = None) -> None:
        playback_hz = playback.rate_hz if playback else capture_hz
        self.status = OFF
        self._capture_hz = capture_hz
        self._late_bytes = capture_hz * (tail_ms + _LATE_MS) // 1000 * FRAME_BYTES
        self._muted_bytes = 0  # of what is heard next; no reference tells what is in it
        self._reference = Reference(playback_hz, capture_hz)
        self._canceller = EchoCanceller(capture_hz, tail_ms, self._reference)
        self._alignment = Alignment(self._reference, playback_hz, capture_hz)
        self._playback = ContinuousPlayback(playback, self._alignment) if playback else None
        self._cleaner: _Cleaner | None = None
        self._on_change: Callable[[], None] = lambda: None
        self._told_at = 0.0

    @property
    def overdue_s(self) -> float:
        """How long ago the loudspeaker's stream should have been fed, in seconds."""
        return self._playback.overdue_s if self._playback is not None else 0.0

    def observe(self, on_change: Callable[[], None]) -> None:
        """Call ``on_change`` whenever ``status`` has changed."""
        self._on_change = on_change

    def volume_changed(self) -> None:
        """The loudspeaker's card was turned; a gain on the samples is in the reference, too."""
        self._canceller.volume_changed()
        if self._cleaner is not None:
            self._tell(self._figures())

    # --- the devices ----------------------------------------------------------------------

    def open_playback(self, alone: Callable[[], OpenPcm]) -> OpenPcm:
        """Open the loudspeaker for a reply: in the stream that runs, or ``alone``.

        Raises:
            AudioDeviceFailed: it is not there, busy or cannot do it.
        """
        return self._playback.open(alone) if self._playback is not None else alone()

    def open_loopback(self, request: PcmRequest, microphone: int, loopback: int) -> OpenPcm:
        """Open a microphone in one channel whose device has the reference in another.

        Raises:
            AudioDeviceFailed: it is not there, busy or has not so many channels.
        """
        opened = replace(request, channels=max(microphone, loopback) + 1).open()
        pcm = LoopbackPcm(opened.pcm, opened.channels, microphone, loopback, self._loop_back)
        return replace(opened, pcm=pcm)

    def _loop_back(self, samples: bytes) -> None:
        if self._cleaner is not None:
            self._reference.add(samples)

    # --- a recording ----------------------------------------------------------------------

    def start(self, stream: RecordingStream, listener: RecorderListener) -> RecorderListener:
        """A recording begins; return who is to hear it, so that the listener hears no echo."""
        self._cleaner = _Cleaner(self, stream, listener, self._canceller)
        self._canceller.begin()
        self._alignment.broke()
        if self._playback is None:  # both are read in step
            self._canceller.restart(self._canceller.index - self._reference.end)
        else:
            self._playback.run()
        self._tell(self._figures())
        return self._cleaner

    def stop(self) -> None:
        """The recording has ended, or will be with what still comes."""
        if self._cleaner is None:
            return
        self._cleaner = None
        if self._playback is not None:
            self._playback.stop()
        self._tell(OFF)

    def broke(self) -> None:
        """The microphone lost samples."""
        if self._playback is not None:
            self._alignment.broke()

    def recorded(self, now: float, index: int) -> None:
        """The microphone's stream had come to that sample at that moment."""
        self._alignment.recorded(now, index)
        if self._playback is not None and (offset := self._alignment.new_offset()) is not None:
            self._canceller.restart(offset)
        if self._playback is not None:
            self._playback.awake()
        if now - self._told_at >= _TOLD_S and self._cleaner is not None:
            self._told_at = now
            self._tell(self._figures())

    def mute_uncounted(self, clean: bytes) -> bytes:
        """Mute what was heard beside a reply that is not in the reference; return the rest as is.

        Such a reply began before the microphone was opened: a prompt while there was no
        connection, or whatever played when a program's tap came.
        """
        if self._playback is not None and self._playback.plays_alone:
            self._muted_bytes = self._late_bytes + len(clean)
        count = min(len(clean), self._muted_bytes)
        self._muted_bytes -= count
        return bytes(count) + clean[count:]

    @property
    def held_back(self) -> bytes:
        """What the microphone heard last and nobody was handed yet; empty where a reply is in it.

        A frame that is not whole, and the one before it: the filter's sound comes so late.
        """
        if self._cleaner is None or self._muted_bytes or self._canceller.echoes:
            return b""
        return self._cleaner.held_back

    # --- what is told ---------------------------------------------------------------------

    def _figures(self) -> Mapping[str, str | float]:
        convergence, delay = self._canceller.convergence, self._canceller.delay
        state = str(convergence.state)
        if self._playback is not None and self._playback.plays_alone:
            state = "muting: a reply began before the microphone was open"
        elif convergence.poor:
            state = f"muting: {self._why()}"
        return {
            "state": state,
            "erle_db": float(round(convergence.erle_db)),
            "delay_ms": round(1000 * (delay or 0) / self._capture_hz, 1),
            "drift_ppm": float(round(self._alignment.drift_ppm)),
        }

    def _why(self) -> str:
        if self._canceller.lost:
            return "the echo is not found within half a second of the sound"
        drift_ppm = self._alignment.drift_ppm
        text = f"only {self._canceller.convergence.erle_db:.0f} dB of the echo are taken out"
        if abs(drift_ppm - self._reference.drift_ppm) > _DRIFT_PPM:
            text += f", the clocks drift by {drift_ppm:.0f} ppm"
        return text

    def _tell(self, status: Mapping[str, str | float]) -> None:
        if status == self.status:
            return
        if status["state"] != self.status["state"]:
            _log.info("echo cancellation: %s", status["state"])
        self.status = status
        self._on_change()


class _Cleaner:
    """A ``RecorderListener`` that hands on what it hears without the echo, in whole frames."""

    def __init__(
        self,
        cancellation: EchoCancellation,
        stream: RecordingStream,
        listener: RecorderListener,
        canceller: EchoCanceller,
    ) -> None:
        self._cancellation = cancellation
        self._stream = stream
        self._listener = listener
        self._canceller = canceller
        self._first = canceller.index
        self._overruns = stream.overruns
        self._last = self._rest = b""

    @property
    def held_back(self) -> bytes:
        """The frame that the canceller has not given back, and the part of the next one."""
        return self._last + self._rest

    def recorder_audio(self, data: bytes) -> None:
        if self._stream.overruns != self._overruns:
            self._overruns = self._stream.overruns
            self._cancellation.broke()
        asked, count = self._stream.position
        self._cancellation.recorded(asked, self._first + count)
        size = self._canceller.frame * FRAME_BYTES
        self._rest += data
        whole = len(self._rest) // size * size
        frames = [self._rest[at : at + size] for at in range(0, whole, size)]
        self._rest = self._rest[whole:]
        clean = b"".join(self._canceller.cancel(frame) for frame in frames)
        if clean:
            self._last = frames[-1]
            self._listener.recorder_audio(self._cancellation.mute_uncounted(clean))

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        self._cancellation.stop()
        self._listener.recorder_failed(error)

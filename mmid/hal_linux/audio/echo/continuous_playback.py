"""The loudspeaker's stream that never stops while the microphone is open.

A stream that starts and stops with each reply would begin at another moment each time, known
to some milliseconds, where the echo canceller needs samples. So silence is played when
nothing is, a reply is laid into the stream, and what goes to the device is counted. Little is
given to the device ahead of time: what it has cannot be taken back, neither for a reply that
begins nor for one that is silenced.
"""

import asyncio
import errno
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import FRAME_BYTES, AlsaError, OpenPcm, PcmRequest, failure
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.samples import ramp_down

# So much is in the device: a reply begins, or is silent, that much later. It is filled up again
# when so much is left: a loop on a busy board is late by tens of milliseconds, and a device
# that ran dry costs the alignment. The two are 50 ms apart, so that every second turn can be
# the recorder's, which wakes up every 100 ms.
_LEAD_S = 0.12
_REFILL_S = 0.07

# What is due so soon is done when the loop is awake anyway.
_SOON_S = 0.03

# While a reply is under way silence waits until no more than this is left: its next samples
# may come in time.
_LOW_S = 0.06

# What a reply may lay in beyond that, as it would into a card.
_REPLY_S = 0.3

# Of a ramp to silence, so that it does not click.
_EDGE_S = 0.005

# A loudspeaker that is away is looked for this often.
_RETRY_S = 1.0

_LEAST_WAIT_S = 0.005


class PlaybackListener(Protocol):
    """Who counts what the loudspeaker plays."""

    def played(self, samples: bytes) -> None:
        """These went to the device, in order, silence too."""

    def playback_position(self, now: float, sounded: int, waiting: int) -> None:
        """Of the samples that went to it some had sounded at that moment, the rest had not."""

    def playback_broke(self) -> None:
        """The stream begins, or goes on after a pause: the positions of before are void."""


class ContinuousPlayback:
    """The stream, fed by a timer of the event loop.

    Args:
        request: the loudspeaker, as the player opens it.
        listener: hears what is played, and when.
    """

    def __init__(self, request: PcmRequest, listener: PlaybackListener) -> None:
        buffer_ms = max(request.buffer_ms, int(2000 * _LEAD_S))
        self._device = SoundDevice(replace(request, buffer_ms=buffer_ms))
        self._listener = listener
        self._stream: _Stream | None = None
        self._reply: _ReplyPcm | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = False

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fed the device, in seconds; 0 if it need not."""
        if self._timer is None:
            return 0.0
        return max(0.0, asyncio.get_running_loop().time() - self._timer.when())

    def run(self) -> None:
        """Play silence, and replies; a loudspeaker that is away is looked for all the time."""
        self._wanted = True
        if self._timer is None:
            self._turn()

    def stop(self) -> None:
        """Close the device, once the reply that plays has ended."""
        self._wanted = False
        if self._reply is None:
            self._close()

    def open(self, alone: Callable[[], OpenPcm]) -> OpenPcm:
        """Open the loudspeaker for a reply: a place in the stream if it runs, else ``alone``.

        Raises:
            AudioDeviceFailed: it is not there, busy or cannot do it.
        """
        if not self._wanted:
            return alone()
        stream = self._stream or self._open()
        self._reply = _ReplyPcm(self, stream)
        return replace(stream.opened, pcm=self._reply, buffer_frames=self._reply.buffer_frames)

    def more(self) -> None:
        """The reply has samples again: the device may have little left."""
        if self._timer is not None and self._stream is not None and self._stream.low:
            self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(0, self._turn)

    def awake(self) -> None:
        """The loop is awake: feed the device now rather than wake up again soon."""
        timer = self._timer
        if timer is not None and timer.when() - asyncio.get_running_loop().time() < _SOON_S:
            timer.cancel()
            self._turn()

    def leave(self, last: int) -> None:
        """The reply has ended; the device has its samples up to one of that value."""
        self._reply = None
        if last and self._stream is not None:
            period = self._stream.opened.period_frames
            edge = ramp_down(last, min(period, int(_EDGE_S * self._stream.opened.rate_hz)))
            with suppress(AudioDeviceFailed):  # the next turn meets it again
                self._write(self._stream, edge.ljust(period * FRAME_BYTES, b"\0"))
        if not self._wanted:
            self._close()

    def _open(self) -> "_Stream":
        self._stream = _Stream(self._device.open_pcm())
        return self._stream

    def _turn(self) -> None:
        try:
            wait_s = self._feed(self._stream or self._open())
        except AudioDeviceFailed as error:
            self._lose(error)
            wait_s = _RETRY_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._turn)

    def _feed(self, stream: "_Stream") -> float:
        """Fill the device up to the lead; return in how many seconds it wants more."""
        if stream.ask():
            self._listener.playback_position(stream.asked, stream.sounded, stream.held)
        else:
            self._listener.playback_broke()
            if self._reply is not None:
                self._reply.ran_dry = True
        laid, refill_s = b"", _REFILL_S
        if self._reply is not None:
            laid = self._reply.take(stream.wanted(_LEAD_S))
            refill_s = _REFILL_S if laid else _LOW_S
        taken = self._write(stream, laid + stream.silence(laid, refill_s))
        if self._reply is not None:
            self._reply.given(laid[: taken * FRAME_BYTES], stream.written - taken)
        return max(_LEAST_WAIT_S, stream.held / stream.opened.rate_hz - refill_s)

    def _write(self, stream: "_Stream", samples: bytes) -> int:
        taken = stream.write(samples) if samples else 0
        self._listener.played(samples[: taken * FRAME_BYTES])
        return taken

    def _lose(self, error: AudioDeviceFailed) -> None:
        self._device.failed(error)
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if self._reply is not None:
            self._reply.lost = True  # the player opens it again, or gives the reply up

    def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if self._stream is not None:
            self._stream.close()
        self._stream = None


class _Stream:
    """The open device, and what of its stream has sounded.

    A device that does not pace itself (``type file``) is paced by the clock.

    Attributes:
        opened: the PCM.
        written: how many samples went to it.
        asked: when it was asked last, by the monotonic clock.
        held: how many of them had not sounded then, and what was written since.
    """

    def __init__(self, opened: OpenPcm) -> None:
        self.opened = opened
        self.written = 0
        self.asked = 0.0
        self.held = 0
        self._paced = False
        self._since = 0.0  # of a device that is paced by the clock: the first sample sounded

    @property
    def sounded(self) -> int:
        """How many samples had sounded when it was asked."""
        return self.written - self.held

    @property
    def sounding(self) -> int:
        """How many samples have sounded by now, reckoned since it was asked."""
        since = int((time.monotonic() - self.asked) * self.opened.rate_hz)
        return self.written - max(0, self.held - since)

    @property
    def low(self) -> bool:
        """Whether it wants more, reckoned since it was asked."""
        return self.written - self.sounding < _REFILL_S * self.opened.rate_hz

    def wanted(self, lead_s: float) -> int:
        """How many bytes bring it up to a lead: whole periods, as a rate converter passes."""
        missing = int(lead_s * self.opened.rate_hz) - self.held
        period = self.opened.period_frames
        room = (self.opened.buffer_frames - self.held) // period
        return max(0, min(-(-missing // period), room)) * period * FRAME_BYTES

    def silence(self, laid: bytes, least_s: float) -> bytes:
        """Return what goes in behind samples that alone leave it with less than so much."""
        if self.held + len(laid) // FRAME_BYTES > least_s * self.opened.rate_hz:
            return b""
        return bytes(max(0, self.wanted(_LEAD_S) - len(laid)))

    def ask(self) -> bool:
        """Ask the device what it holds; False if it holds nothing and starts with a write.

        Raises:
            AudioDeviceFailed: it failed.
        """
        available = self.opened.pcm.avail()
        self.asked = time.monotonic()
        if available < 0 and available != -errno.EPIPE:
            raise failure(self.opened.device, available)
        if self._paced:
            self.held = 0 if available < 0 else max(0, self.opened.buffer_frames - available)
        else:
            elapsed = int((self.asked - self._since) * self.opened.rate_hz)
            self.held = max(0, self.written - elapsed)
        if not self.held:
            self._since = self.asked - self.written / self.opened.rate_hz
        return self.held > 0

    def write(self, samples: bytes) -> int:
        """Write; return how many samples were taken.

        Raises:
            AudioDeviceFailed: it failed.
        """
        write = self.opened.pcm.write
        try:
            taken = write(samples)
            if taken == -errno.EPIPE:
                taken = write(samples)  # the first one recovered the stream
        except AlsaError as error:
            raise failure(self.opened.device, error) from error
        if taken < 0:
            raise failure(self.opened.device, taken)
        self.written += taken
        self.held += taken
        if not self._paced:  # right now a card still has it all
            self._paced = 0 <= self.opened.pcm.avail() < self.opened.buffer_frames
        return taken

    def close(self) -> None:
        """Be silent now, and close the device."""
        with suppress(AlsaError):  # a device that is gone is silent
            self.opened.pcm.drop()
        self.opened.pcm.close()


class _ReplyPcm:
    """A reply's place in the stream: a ``Pcm`` of its own to the player.

    Attributes:
        buffer_frames: how many samples it holds, with those in the device.
        ran_dry: samples of the reply were late; told once.
        lost: the device is away.
    """

    def __init__(self, playback: ContinuousPlayback, stream: _Stream) -> None:
        self.buffer_frames = int((_REPLY_S + _LEAD_S) * stream.opened.rate_hz)
        self.ran_dry = False
        self.lost = False
        self._playback = playback
        self._stream = stream
        self._waiting = bytearray()
        self._end = 0  # where in the stream the last of its samples is that went to the device
        self._last = b"\0" * FRAME_BYTES

    def read(self) -> tuple[int, bytes]:
        """Nothing: it plays."""
        return 0, b""

    def write(self, data: bytes, /) -> int:
        if self.lost:
            return -errno.ENODEV
        room = max(0, self.buffer_frames - self._held) * FRAME_BYTES
        self._waiting += data[:room]
        self._playback.more()
        return min(room, len(data)) // FRAME_BYTES

    def avail(self) -> int:
        if self.lost:
            return -errno.ENODEV
        if self.ran_dry:
            self.ran_dry = False
            return -errno.EPIPE
        return max(0, self.buffer_frames - self._held)

    def drop(self) -> int:
        """Forget what the device does not have yet."""
        self._waiting.clear()
        return 0

    def close(self) -> None:
        self._playback.leave(int.from_bytes(self._last, "little", signed=True))

    def take(self, limit: int) -> bytes:
        """Return what goes to the device next, at most ``limit`` bytes: whole periods.

        Less than one waits for more, which may be the silence behind the last sample.
        """
        period = self._stream.opened.period_frames * FRAME_BYTES
        return bytes(self._waiting[: min(limit, len(self._waiting) // period * period)])

    def given(self, taken: bytes, begin: int) -> None:
        """The device took these first of its samples, at that place of the stream."""
        if taken:
            self._end = begin + len(taken) // FRAME_BYTES
            self._last = taken[-FRAME_BYTES:]
            del self._waiting[: len(taken)]

    @property
    def _held(self) -> int:
        """How many samples of the reply have not sounded."""
        return len(self._waiting) // FRAME_BYTES + max(0, self._end - self._stream.sounding)

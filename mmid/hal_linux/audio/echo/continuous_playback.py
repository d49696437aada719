"""The loudspeaker's stream that never stops while the microphone is open.

A stream that starts and stops with each reply would begin at another moment each time, known
to some milliseconds, where the echo canceller needs samples. So silence is played when
nothing is, a reply is laid into the stream, and what goes to the device is counted. Little is
given to the device ahead of time: what it has cannot be taken back, neither for a reply that
begins nor for one that is silenced.
"""

import asyncio
import errno
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.alsa import FRAME_BYTES, OpenPcm, Pcm, PcmRequest
from mmid.hal_linux.audio.device import SoundDevice
from mmid.hal_linux.audio.echo.playback_stream import LEAD_S, PlaybackStream
from mmid.hal_linux.audio.samples import ramp_down

# What is due so soon is done when the loop is awake anyway.
_SOON_S = 0.03

# While a reply is under way silence waits until a period and so much is left: its next samples
# may come in time. The player, whose reply it is, has put some in before that, unless it is late.
_LOW_S = 0.01

# What a reply may lay in beyond the lead, as it would into a card.
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

    Attributes:
        plays_alone: a reply that began before the stream has the card for itself; nobody
            counts it.
    """

    def __init__(self, request: PcmRequest, listener: PlaybackListener) -> None:
        buffer_ms = max(request.buffer_ms, int(2000 * LEAD_S))
        self._device = SoundDevice(replace(request, buffer_ms=buffer_ms))
        self._listener = listener
        self.plays_alone = False
        self._stream: PlaybackStream | None = None
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
            opened = alone()
            self.plays_alone = True
            return replace(opened, pcm=_PcmAlone(opened.pcm, self._alone_closed))
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

    def leave(self, reply: "_ReplyPcm") -> None:
        """The reply has ended."""
        self._reply = None
        if reply.sounds and self._stream is not None:
            silence = bytes(self._stream.opened.period_frames * FRAME_BYTES)
            with suppress(AudioDeviceFailed):  # the next turn meets it again
                self._write(self._stream, reply.interrupt(silence))
        if not self._wanted:
            self._close()

    def _alone_closed(self) -> None:
        self.plays_alone = False

    def _open(self) -> PlaybackStream:
        self._stream = PlaybackStream(self._device.open_pcm())
        return self._stream

    def _turn(self) -> None:
        try:
            wait_s = self._feed(self._stream or self._open())
        except AudioDeviceFailed as error:
            self._lose(error)
            wait_s = _RETRY_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._turn)

    def _feed(self, stream: PlaybackStream) -> float:
        """Fill the device up to the lead; return in how many seconds it wants more."""
        if stream.ask():
            self._listener.playback_position(stream.asked, stream.sounded, stream.held)
        else:
            self._listener.playback_broke()
            if self._reply is not None:
                self._reply.ran_dry = True
        # Silence alone waits for nothing. A reply's next samples may come in time: until little is
        # left nothing else goes in, and then silence does, with a soft edge.
        reply, refill_s = self._reply, stream.refill_s
        low_s = stream.opened.period_frames / stream.opened.rate_hz + _LOW_S
        if reply is None:
            self._write(stream, stream.silence(refill_s))
        elif laid := reply.take(stream.wanted(LEAD_S)):
            taken = self._write(stream, laid)
            reply.given(laid[: taken * FRAME_BYTES], stream.written - taken)
        else:
            refill_s = low_s
        if reply is not None and (silence := stream.silence(low_s)):
            self._write(stream, reply.interrupt(silence))
        return max(_LEAST_WAIT_S, stream.held / stream.opened.rate_hz - refill_s)

    def _write(self, stream: PlaybackStream, samples: bytes) -> int:
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


class _PcmAlone:
    """The card, for a reply that has it for itself; tells when it is closed."""

    def __init__(self, pcm: Pcm, on_close: Callable[[], None]) -> None:
        self.read, self.write, self.avail, self.drop = pcm.read, pcm.write, pcm.avail, pcm.drop
        self._pcm = pcm
        self._on_close = on_close

    def close(self) -> None:
        self._pcm.close()
        self._on_close()


class _ReplyPcm:
    """A reply's place in the stream: a ``Pcm`` of its own to the player.

    Attributes:
        buffer_frames: how many samples it holds, with those in the device.
        ran_dry: samples of the reply are late; told once.
        lost: the device is away.
    """

    def __init__(self, playback: ContinuousPlayback, stream: PlaybackStream) -> None:
        self.buffer_frames = int((_REPLY_S + LEAD_S) * stream.opened.rate_hz)
        self.ran_dry = False
        self.lost = False
        self._playback = playback
        self._stream = stream
        self._waiting = bytearray()
        self._end = 0  # where in the stream the last of its samples is that went to the device
        self._last = b"\0" * FRAME_BYTES
        self._interrupted = False  # silence is behind it

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
        self._playback.leave(self)

    @property
    def sounds(self) -> bool:
        """Whether the last sample that the device has is its own, and not silence."""
        return any(self._last)

    def interrupt(self, silence: bytes) -> bytes:
        """Silence goes in behind its last sample: return it with a soft edge.

        Whatever comes of the reply then, a gap was heard before it.
        """
        opened = self._stream.opened
        if self._end and not self._interrupted:
            self._interrupted = self.ran_dry = True
        last, self._last = self._last, b"\0" * FRAME_BYTES
        level = int.from_bytes(last, "little", signed=True)
        edge = ramp_down(level, min(opened.period_frames, int(_EDGE_S * opened.rate_hz)))
        return edge + silence[len(edge) :] if level else silence

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
            self._interrupted = False
            del self._waiting[: len(taken)]

    @property
    def _held(self) -> int:
        """How many samples of the reply have not sounded."""
        return len(self._waiting) // FRAME_BYTES + max(0, self._end - self._stream.sounding)

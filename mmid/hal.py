"""The HAL contract: what a board must offer, as ``typing.Protocol`` classes.

``hal_linux`` implements them over ALSA, a flash partition and the kernel's
clocks; ``session`` and ``gateway`` know these names only. The vendor's SDK
asks a port for the same things in C:

    util_storage_load / _storage / _erase        Store.load / save / erase
    util_get_timestamp, util_timestamp_inited    Clock.now_ms, Clock.synchronized
    util_now_ms, util_msleep                     Clock.monotonic, the event loop
    util_random                                  os.urandom
    util_malloc, util_mutex_*                    the language
    recorder / player callbacks                  Recorder, Player, Mixer

All of it is called from the one event loop, except ``Store``, which blocks
and is called in a thread.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from mmid.errors import AudioDeviceFailed, AudioFormatRefused


class Clock(Protocol):
    """The board's time."""

    @property
    def synchronized(self) -> bool:
        """Whether the wall clock can be trusted to sign with."""

    def monotonic(self) -> float:
        """Seconds that never step back and go on during suspend; the zero is arbitrary."""

    def now_ms(self) -> int:
        """UTC in Unix milliseconds."""

    async def wait_synchronized(self) -> None:
        """Return once the wall clock can be trusted; within 1 s of that moment."""


class Store(Protocol):
    """One record that survives power cuts. Its methods block.

    ``save`` leaves the old payload or the new one, whenever power goes.
    """

    @property
    def name(self) -> str:
        """The target as the settings wrote it, for messages."""

    def load(self) -> bytes | None:
        """The payload saved last, or None if there never was one.

        Raises:
            StorageFailed: it cannot be read, or what is there is not valid.
        """

    def save(self, payload: bytes, *, both: bool = True) -> None:
        """Replace the payload; durable and read back when this returns.

        Args:
            payload: what to keep.
            both: in two places, so that a bad block loses nothing. Else in one: for what
                changes often and can be lost; half the wear.

        Raises:
            StorageFailed: it could not be made durable; the old one is intact.
        """

    def erase(self) -> None:
        """Forget the payload for good.

        Raises:
            StorageFailed: it could not be erased.
        """


class RecorderListener(Protocol):
    """Who hears what a recorder records."""

    def recorder_audio(self, data: bytes) -> None:
        """The next samples: 16-bit signed little-endian mono, whole frames, in order."""

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        """Recording ended by itself; ``stop`` was done already."""


class Recorder(Protocol):
    """A microphone. Its device is open between ``start`` and ``stop``, and while there is a tap."""

    @property
    def device(self) -> str:
        """The ALSA PCM name."""

    @property
    def recording(self) -> bool:
        """Whether it is between ``start`` and ``stop``."""

    @property
    def overruns(self) -> int:
        """How often samples were lost because nobody fetched them in time."""

    @property
    def level(self) -> int:
        """How loud the latest chunk is, 0 (-60 dB or less) to 100; 0 when not recording."""

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fetched samples, in seconds; 0 if it need not."""

    def start(
        self, listener: RecorderListener, *, beside_replies: bool = False, preroll_ms: int = 0
    ) -> None:
        """Open the device; the first sample is the one at this moment.

        The listener gets one short chunk first (the card's period), so that the
        first speech leaves early, then chunks of 100 ms.

        Args:
            listener: gets the samples.
            beside_replies: it stays open while replies play: what the loudspeaker plays
                is taken out of what it hears, where an echo canceller is set.
            preroll_ms: hand over at once what taps heard so long before now, up to 2000.

        Raises:
            AudioDeviceFailed: the device is not there, busy or cannot do the rate.
        """

    def stop(self) -> None:
        """Hand the listener what the device has given up to now, and close it.

        Does nothing when not recording. Of a ``release`` that waits, ``then`` is not called.
        """

    def release(self, then: Callable[[], None]) -> None:
        """Stop, but let nothing be lost that was said before now; then call ``then``.

        A card gives what it recorded at once. A rate converter holds up to a period back:
        then this waits for it, ``recording`` stays true, and the listener hears the rest.
        """

    def add_tap(self, tap: RecorderListener) -> None:
        """Open the device, if it is not, and let a tap hear all of it beside any ``start``.

        It hears samples even where the listener of ``start`` gets packets, and without the echo
        of replies where an echo canceller is set.

        Raises:
            AudioDeviceFailed: the device is not there, busy or cannot do the rate.
        """

    def remove_tap(self, tap: RecorderListener) -> None:
        """A tap hears no more; the device is closed when nobody does. Safe to call again."""


class PlayerListener(Protocol):
    """Who hears how a player gets on."""

    def player_started(self) -> None:
        """The first sample of this reply can be heard now."""

    def player_finished(self) -> None:
        """The last sample of this reply was heard; the device is closed."""

    def player_failed(self, error: AudioDeviceFailed) -> None:
        """Playing ended by itself; what was buffered is lost."""

    def player_refused(self, error: AudioFormatRefused) -> None:
        """The reply, or a part of it, cannot be played: it is silence. Once a reply."""


class Player(Protocol):
    """A loudspeaker, fed faster than real time through a bounded buffer.

    One reply is: ``start``, any number of ``write``, then ``finish`` (play it
    out) or ``flush`` (silence now).
    """

    @property
    def device(self) -> str:
        """The ALSA PCM name."""

    @property
    def playing(self) -> bool:
        """Whether something is heard, or will be."""

    @property
    def underruns(self) -> int:
        """How often the loudspeaker ran dry in the middle of a reply."""

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fed the device, in seconds; 0 if it need not."""

    def start(self, listener: PlayerListener, *, samples: bool = False) -> None:
        """Open the device for a new reply; a reply still playing is flushed first.

        Args:
            listener: told of this reply.
            samples: what is written is samples, whatever codec the replies of the cloud have.

        Raises:
            AudioDeviceFailed: the device is not there, busy or cannot do the rate.
        """

    def write(self, data: bytes) -> None:
        """Add samples, cut at any byte. Never blocks: see ``wait_room``."""

    @property
    def full(self) -> bool:
        """Whether 4 MiB of the reply wait: then no more is to be written before ``wait_room``."""

    async def wait_room(self) -> None:
        """Return once less than 4 MiB of the reply wait: the socket's back-pressure.

        It begins so late because the text that silences a reply comes behind its audio.
        """

    def finish(self) -> None:
        """No more samples will come; the listener hears when all were heard."""

    def flush(self) -> None:
        """Be silent within one period and forget what was buffered. No callback follows."""


class Mixer(Protocol):
    """The loudness of the loudspeaker: a mixer control of the card, else a gain on the samples."""

    @property
    def volume(self) -> int:
        """0 to 100; 100 leaves the samples as they are."""

    @property
    def muted(self) -> bool:
        """Whether nothing is heard whatever the volume."""

    def set_volume(self, percent: int) -> None:
        """Set the volume, 0 to 100.

        Raises:
            AudioDeviceFailed: the card refused.
        """

    def set_muted(self, muted: bool) -> None:
        """Mute or unmute.

        Raises:
            AudioDeviceFailed: the card refused.
        """


class Decoder(Protocol):
    """What the cloud sends, made into samples; one reply after the other.

    Nothing the cloud sends makes it raise. What it keeps between calls is
    less than a frame, a page or a packet: 64 KiB at most.
    """

    @property
    def mode(self) -> str:
        """What the cloud was asked for: a value of ``dialog.downstream_mode``."""

    @property
    def refused(self) -> str:
        """What was found in this reply that it cannot play, in words; empty if nothing."""

    @property
    def damaged(self) -> int:
        """How many packets, or stretches between two, were skipped so far."""

    def reset(self) -> None:
        """Forget the reply before; another begins."""

    def decode(self, data: bytes) -> Iterable[bytes]:
        """Return the samples of a frame, 16-bit mono, in pieces of at most 120 ms.

        A piece is decoded when it is asked for; it may be empty. Ask for all
        of them before the next call.

        Args:
            data: cut at any byte; only bare packets come whole.
        """

    def finish(self) -> Iterator[bytes]:
        """Yield the samples of what still waited for more."""


class Encoder(Protocol):
    """Speech made into what the cloud takes; one speech after the other."""

    def reset(self) -> None:
        """Forget the speech before; another begins."""

    def encode(self, samples: bytes) -> Iterable[bytes]:
        """Return the packets that are complete now; each goes into a frame of its own."""

    def finish(self) -> Iterable[bytes]:
        """Return the last packets, filled up with silence."""

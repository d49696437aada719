"""Samples as they are, and samples in WAV files: some services call both "pcm".

A WAV file is "RIFF", its length, "WAVE", then chunks: four letters, a length, so many
bytes. "fmt " says what the samples in "data" are. A service that sends the sound while
it makes it does not know the lengths, and writes 0 or nearly 2^32: then the samples go
on up to the next file. No I/O.
"""

import struct
from collections.abc import Iterable, Iterator
from math import inf

from mmid.hal_linux.audio.samples import mix_down

_RIFF, _WAVE, _HEAD_BYTES = b"RIFF", b"WAVE", 12
_RIFF_PARTS = (b"RIF", b"RI", b"R")
_CHUNK = struct.Struct("<4sI")

# Kind, channels, samples a second, bytes a second, bytes of all channels, bits of a sample.
_FORMAT = struct.Struct("<HHIIHH")
_INTEGERS = (1, 0xFFFE)  # the second: the kind stands further behind; 16 bits are integers
_BITS, _SAMPLE_BYTES, _MOST_CHANNELS = 16, 2, 8

# No reply is longer: a chunk that says so does not know its length.
_LONGEST_CHUNK = 1 << 30

_DAMAGED = "a WAV file whose head is damaged"

# Some tools write such a chunk behind the samples.
_BEHIND_SAMPLES = (b"LIST", b"id3 ")

# Samples of several channels are mixed in pieces of this length: 0.5 ms on a desktop.
_PIECE_BYTES = 4096

# Yields what was asked for; None until more bytes have come.
_Pieces = Iterator[bytes | None]


class PcmDecoder:
    """A ``Decoder`` of samples, which takes out of them what makes them WAV files.

    Several channels are mixed to one. A file of another rate, or of other samples than
    16-bit integers, is left out.

    Args:
        rate_hz: of the samples.
    """

    mode = "pcm"
    damaged = 0  # any bytes are samples

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self.reset()

    def reset(self) -> None:
        self.refused = ""
        self._bytes = b""  # what came last, behind what waits: part of a head, or of a sample
        self._at = 0  # so many of them were taken
        self._channels = 1  # 0: what comes is not heard
        self._endless = True  # samples come that end with the next file, if there is one
        self._pieces = self._parse()

    def decode(self, data: bytes) -> Iterable[bytes]:
        if self._endless and self._channels == 1 and not self._waiting and not _may_begin(data):
            # Nearly every message: to parse it would cost as much as to play it.
            return (data,)
        return self._parsed(data)

    def _parsed(self, data: bytes) -> Iterator[bytes]:
        self._bytes, self._at = self._bytes[self._at :] + data, 0
        for piece in self._pieces:  # goes on where it was at the last call
            if piece is None:
                return
            yield piece

    def finish(self) -> Iterator[bytes]:
        # What might have become the head of another file was sound.
        yield mix_down(self._take(self._waiting), self._channels)

    @property
    def _waiting(self) -> int:
        return len(self._bytes) - self._at

    def _parse(self) -> _Pieces:
        while True:
            self._endless = True
            yield from self._samples(inf)
            self._endless = False
            self._take(_HEAD_BYTES)
            yield from self._file()

    def _samples(self, count: float) -> _Pieces:
        """Yield so many bytes of samples; if it is infinite, all up to the next file."""
        frame = _SAMPLE_BYTES * self._channels if self._channels > 1 else 1
        while count > 0:
            at, found = self._find_file() if count == inf else (self._waiting, False)
            here = int(min(count, at, _PIECE_BYTES if frame > 1 else inf)) // frame * frame
            if here:
                count -= here
                yield mix_down(self._take(here), self._channels)
            elif found:
                self._take(at)  # less than a sample of all channels
                return
            else:
                yield None

    def _file(self) -> _Pieces:
        """Read a file's chunks, up to a last one of unknown length."""
        self._channels, channels = 0, 0
        while True:
            yield from self._wait(_CHUNK.size)
            name, size = _CHUNK.unpack(self._take(_CHUNK.size))
            if name == b"data":
                break
            if size > _LONGEST_CHUNK or not name.isascii():
                self.refused = _DAMAGED
                return
            if name == b"fmt " and size >= _FORMAT.size:
                yield from self._wait(_FORMAT.size)
                channels = self._judge(*_FORMAT.unpack_from(self._bytes, self._at))
            yield from self._skip(size + size % 2)
        if not channels and not self.refused:
            self.refused = _DAMAGED  # no chunk said what its samples are
        self._channels = channels
        if 0 < size < _LONGEST_CHUNK:
            surplus = size % (_SAMPLE_BYTES * max(1, channels))
            yield from self._samples(size - surplus)
            yield from self._skip(surplus + size % 2)
            self._channels = 1
            yield from self._skip_behind()

    def _skip_behind(self) -> _Pieces:
        """Skip chunks behind the samples. Whatever else comes is the next file, or samples."""
        while True:
            yield from self._wait(_CHUNK.size)
            name, size = _CHUNK.unpack_from(self._bytes, self._at)
            if name not in _BEHIND_SAMPLES or size > _LONGEST_CHUNK:
                return
            yield from self._skip(_CHUNK.size + size + size % 2)

    def _judge(
        self, kind: int, channels: int, rate_hz: int, _bytes_per_s: int, _frame: int, bits: int
    ) -> int:
        """Return how many channels are to be heard."""
        plays = kind in _INTEGERS and bits == _BITS and rate_hz == self._rate_hz
        if plays and 0 < channels <= _MOST_CHANNELS:
            return channels
        self.refused = (
            f"a WAV file with {bits} bits a sample (kind {kind}), {channels} channels, {rate_hz} Hz"
        )
        return 0

    def _wait(self, count: int) -> _Pieces:
        while self._waiting < count:
            yield None

    def _skip(self, count: int) -> _Pieces:
        while count:
            count -= len(self._take(count))
            if count:
                yield None

    def _take(self, count: int) -> bytes:
        taken = self._bytes[self._at : self._at + count]  # no copy if that is all of them
        self._at += len(taken)
        return taken

    def _find_file(self) -> tuple[int, bool]:
        """Return how far off a file begins, or may begin with bytes to come; whether it does."""
        at = self._bytes.find(_RIFF, self._at)
        while at >= 0:
            head = self._bytes[at : at + _HEAD_BYTES]
            if _WAVE.startswith(head[8:]):
                return at - self._at, len(head) == _HEAD_BYTES
            at = self._bytes.find(_RIFF, at + 1)
        rest = self._bytes[max(self._at, len(self._bytes) - 3) :]
        part = next((len(part) for part in _RIFF_PARTS if rest.endswith(part)), 0)
        return self._waiting - part, False


def _may_begin(data: bytes) -> bool:
    """Whether a file may begin in some samples."""
    # ``in`` costs a quarter more: it tries whether what it looks for is a number.
    return data.find(_RIFF) >= 0 or data.endswith(_RIFF_PARTS)

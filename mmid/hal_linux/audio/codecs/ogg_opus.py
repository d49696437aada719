"""Opus in Ogg (RFC 7845), from any bytes of the stream to samples.

A reply may be one stream or several in a row (a service that speaks sentence
by sentence): each begins with an OpusHead of its own. A stream whose head was
lost is played all the same.
"""

import struct
from collections.abc import Iterator

from mmid.hal_linux.audio.codecs import SLICE_BYTES
from mmid.hal_linux.audio.codecs.libopus import LONGEST_PACKET_BYTES, LibopusDecoder
from mmid.hal_linux.audio.codecs.ogg import OggPackets, OggPages, Page

_SAMPLE_BYTES = 2

# Granule positions and the pre-skip count at this rate, whatever else is chosen.
_GRANULE_HZ = 48000

# OpusHead: magic, version, channels, pre-skip, rate of the original, gain in 1/256 dB.
_HEAD = struct.Struct("<8sBBHIh")
_HEAD_MAGIC = b"OpusHead"
_TAGS_MAGIC = b"OpusTags"


class OggOpusDecoder:
    """A ``Decoder`` of Opus in Ogg."""

    def __init__(self, rate_hz: int, setting: str) -> None:
        self._grain = _GRANULE_HZ // rate_hz
        self._opus = LibopusDecoder(rate_hz, setting)
        self._pages = OggPages()
        self._packets = OggPackets(LONGEST_PACKET_BYTES)
        self._skip = 0  # samples still to be left out: the encoder's run-up, "pre-skip"
        self._position = 0  # samples decoded so far, the run-up included
        self._damaged_packets = 0
        self._foreign: int | None = None  # serial of a stream that is not Opus

    @property
    def damaged(self) -> int:
        return self._pages.damaged + self._packets.damaged + self._damaged_packets

    def reset(self) -> None:
        self._pages.reset()
        self._packets.reset()
        self._foreign = None
        self._begin(0, 0)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), SLICE_BYTES):
            for page in self._pages.cut(data[at : at + SLICE_BYTES]):
                yield from self._play(page)
            yield b""  # other work has its turn, even if these bytes hold no page

    def finish(self) -> Iterator[bytes]:
        for page in self._pages.finish():
            yield from self._play(page)

    def _play(self, page: Page | None) -> Iterator[bytes]:
        if page is None or self._is_foreign(page):
            yield b""
            return
        packets = self._packets.split(page)
        if page.first:
            self._begin(*_read_head(packets))
            return
        rest = None
        for packet in packets:
            if rest:
                yield rest
            rest = self._samples(packet)
        surplus = self._arrive(page)
        if rest:
            # Padding is in the last packet only; a stream that claims more is damaged.
            padded = page.last and 0 < surplus <= len(rest)
            yield rest[:-surplus] if padded else rest

    def _is_foreign(self, page: Page) -> bool:
        """Whether the page is of a stream in another codec: libopus would play it as noise."""
        if page.first:
            foreign = not page.body.startswith(_HEAD_MAGIC)
            self._damaged_packets += foreign
            self._foreign = page.serial if foreign else None
        return page.serial == self._foreign

    def _arrive(self, page: Page) -> int:
        """Take over the page's position; return how many bytes too many were decoded."""
        if page.granule < 0:
            return 0
        position = page.granule // self._grain
        surplus = self._position - position
        self._position = position  # after a lost page, too
        return surplus * _SAMPLE_BYTES

    def _begin(self, pre_skip: int, gain: int) -> None:
        self._opus.reset()
        self._opus.set_gain(gain)
        self._skip = pre_skip // self._grain
        self._position = 0

    def _samples(self, packet: bytes) -> bytes:
        if packet.startswith(_TAGS_MAGIC):
            return b""
        samples = self._opus.decode(packet)
        if samples is None:
            self._damaged_packets += 1
            return b""
        count = len(samples) // _SAMPLE_BYTES
        self._position += count
        skipped = min(self._skip, count)
        self._skip -= skipped
        return samples[skipped * _SAMPLE_BYTES :]


def _read_head(packets: list[bytes]) -> tuple[int, int]:
    """Return pre-skip and gain; of something else than OpusHead, nothing of both."""
    head = packets[0] if packets else b""
    if len(head) < _HEAD.size or not head.startswith(_HEAD_MAGIC):
        return 0, 0
    _, _, _, pre_skip, _, gain = _HEAD.unpack_from(head)
    return pre_skip, gain

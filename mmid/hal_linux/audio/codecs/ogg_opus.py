"""Opus in Ogg (RFC 7845), from any bytes of the stream to samples.

A reply may be one stream or several in a row (a service that speaks sentence
by sentence): each begins with an OpusHead of its own. A stream whose head was
lost is played all the same. One in another codec is left out: libopus would play it as
noise.
"""

import struct
from collections.abc import Iterator
from functools import partial

from mmid.hal_linux.audio.codecs import SLICE_BYTES
from mmid.hal_linux.audio.codecs.formats import ogg_format
from mmid.hal_linux.audio.codecs.libopus import LONGEST_PACKET_BYTES, MONO, Layout, LibopusDecoder
from mmid.hal_linux.audio.codecs.ogg import OggPackets, OggPages, Page

_SAMPLE_BYTES = 2

# Granule positions and the pre-skip count at this rate, whatever else is chosen.
_GRANULE_HZ = 48000

# OpusHead: magic, version, channels, pre-skip, rate of the original, gain in 1/256 dB,
# mapping family. Of family 1 (as of Vorbis), what follows is a ``Layout``.
_HEAD = struct.Struct("<8sBBHIhB")
_HEAD_MAGIC = b"OpusHead"
_MONO_OR_STEREO, _VORBIS_CHANNELS = 0, 1
_MOST_CHANNELS = 8
_SILENT = 255
_TAGS_MAGIC = b"OpusTags"


class OggOpusDecoder:
    """A ``Decoder`` of Opus in Ogg."""

    mode = "opus"

    def __init__(self, rate_hz: int, setting: str) -> None:
        self.refused = ""
        self._new_opus = partial(LibopusDecoder, rate_hz, setting)
        self._grain = _GRANULE_HZ // rate_hz
        self._opus = self._new_opus()
        self._pages = OggPages()
        self._packets = OggPackets(LONGEST_PACKET_BYTES)
        self._skip = 0  # samples still to be left out: the encoder's run-up, "pre-skip"
        self._position = 0  # samples decoded so far, the run-up included
        self._damaged_packets = 0
        self._foreign: int | None = None  # serial of a stream that is left out

    @property
    def damaged(self) -> int:
        return self._pages.damaged + self._packets.damaged + self._damaged_packets

    def reset(self) -> None:
        self._pages.reset()
        self._packets.reset()
        self._foreign = None
        self.refused = ""
        self._begin(0, 0, MONO)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), SLICE_BYTES):
            for page in self._pages.cut(data[at : at + SLICE_BYTES]):
                yield from self._play(page)
            yield b""  # other work has its turn, even if these bytes hold no page

    def finish(self) -> Iterator[bytes]:
        for page in self._pages.finish():
            yield from self._play(page)

    def _play(self, page: Page | None) -> Iterator[bytes]:
        if page is not None and page.first:
            self._read_head(page)
        if page is None or page.first or page.serial == self._foreign:
            yield b""
            return
        packets = self._packets.split(page)
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

    def _read_head(self, page: Page) -> None:
        """Begin with a stream, or leave it out."""
        self._packets.split(page)
        head = page.body.ljust(_HEAD.size, b"\0")
        _, _, channels, pre_skip, _, gain, family = _HEAD.unpack_from(head)
        layout = _layout(family, channels, head[_HEAD.size :])
        foreign = not head.startswith(_HEAD_MAGIC)
        self._foreign = page.serial if foreign or layout is None else None
        if foreign:
            self.refused = ogg_format(head)
        elif layout is None:
            self.refused = f"Opus in Ogg with {channels} channels, mapping family {family}"
        else:
            self._begin(pre_skip, gain, layout)
        self._damaged_packets += self._foreign is not None

    def _arrive(self, page: Page) -> int:
        """Take over the page's position; return how many bytes too many were decoded."""
        if page.granule < 0:
            return 0
        position = page.granule // self._grain
        surplus = self._position - position
        self._position = position  # after a lost page, too
        return surplus * _SAMPLE_BYTES

    def _begin(self, pre_skip: int, gain: int, layout: Layout) -> None:
        if self._opus.layout != layout:
            self._opus = self._new_opus(layout)
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


def _layout(family: int, channels: int, table: bytes) -> Layout | None:
    """Return how the channels are packed; None if it is said in no way that we know."""
    if family == _MONO_OR_STEREO:
        return MONO
    if family != _VORBIS_CHANNELS or not 0 < channels <= min(_MOST_CHANNELS, len(table) - 2):
        return None
    streams, coupled, mapping = table[0], table[1], table[2 : 2 + channels]
    if not 0 < streams <= channels or coupled > streams:
        return None
    known = all(number < streams + coupled or number == _SILENT for number in mapping)
    return Layout(channels, streams, coupled, mapping) if known else None

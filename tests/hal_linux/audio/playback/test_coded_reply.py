"""A loudspeaker behind a decoder: the whole reply, in order, a little at a time."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal import Decoder, Player
from mmid.hal_linux.audio.codecs import make_decoder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from mmid.hal_linux.audio.ring import ByteRing
from tests.hal_linux.audio.codecs.streams import decode, frames, sound, stream
from tests.hal_linux.audio.codecs.test_formats import made
from tests.hal_linux.audio.codecs.test_pcm import wav
from tests.hal_linux.audio.playback.test_player import Audience

RATE = 24000
AHEAD_BYTES = 8192

Define = Callable[[str], None]


class Doubling:
    """A decoder of which every step is seen: each byte becomes one sample."""

    mode, refused = "raw-opus", ""

    def __init__(self) -> None:
        self.damaged = 0
        self.steps = 0

    def reset(self) -> None:
        self.steps = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        for at in range(0, len(data), 100):
            self.steps += 1
            yield b"".join(bytes([value, 1]) for value in data[at : at + 100])

    def finish(self) -> Iterator[bytes]:
        yield b"\x09\x09"


class Counted:
    """A decoder whose pieces are counted, those of each turn of the event loop.

    Args:
        decoder: makes them.
        cost_s: so long each of them takes.
    """

    def __init__(self, decoder: Decoder, cost_s: float = 0.0) -> None:
        self._decoder = decoder
        self._cost_s = cost_s
        self._pieces, self._bytes = 0, 0
        self.most_pieces, self.most_bytes = 0, 0
        self.all_pieces = 0
        self.finished = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decoder, name)

    def decode(self, data: bytes) -> Iterator[bytes]:
        for piece in self._decoder.decode(data):
            self._count(piece)
            yield piece

    def finish(self) -> Iterator[bytes]:
        yield from self._decoder.finish()
        self.finished.set()

    def _count(self, piece: bytes) -> None:
        time.sleep(self._cost_s)
        if not self._pieces:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._pieces += 1
        self._bytes += len(piece)

    def _end_turn(self) -> None:
        self.all_pieces += self._pieces
        self.most_pieces = max(self.most_pieces, self._pieces)
        self.most_bytes = max(self.most_bytes, self._bytes)
        self._pieces, self._bytes = 0, 0


@pytest.fixture
def out(define: Define, tmp_path: Path) -> Path:
    path = tmp_path / "out.raw"
    define(f'pcm.file {{ type file slave.pcm null file "{path}" format raw }}\n')
    return path


pytestmark = pytest.mark.usefixtures("virtual_time", "out")


def heard(out: Path) -> bytes:
    return out.read_bytes()


def player_on(device: str, decoder: Decoder) -> AlsaPlayer:
    gain = SoftwareGain()
    return AlsaPlayer(device, RATE, 20, gain, decoder=decoder, ahead_bytes=AHEAD_BYTES)


def player_of(decoder: Decoder) -> AlsaPlayer:
    return player_on("file", decoder)


async def play(player: Player, audience: Audience, *pieces: bytes) -> None:
    player.start(audience)
    for piece in pieces:
        player.write(piece)
        await asyncio.wait_for(player.wait_room(), 10)
    player.finish()
    await audience.until("finished")


@pytest.mark.parametrize("mode", ["mp3", "opus", "raw-opus"])
async def test_the_loudspeaker_gets_what_the_decoder_makes_of_the_reply(
    out: Path, mode: str
) -> None:
    decoder = make_decoder(mode, RATE)
    expected = decode(decoder, *frames(mode, RATE))
    player = player_of(decoder)
    audience = Audience()
    for _ in range(2):
        audience.story.clear()
        await play(player, audience, *frames(mode, RATE))
        assert heard(out) == expected
        assert audience.story == ["started", "finished"]
        assert not player.playing


async def test_samples_of_the_boards_own_are_played_as_they_are(out: Path) -> None:
    player, audience = player_of(make_decoder("opus", RATE)), Audience()
    player.start(audience, samples=True)
    player.write(sound(RATE))
    player.finish()
    await audience.until("finished")
    assert heard(out) == sound(RATE)
    await play(player, audience, *frames("opus", RATE))
    assert audience.refused == []


async def test_a_long_message_is_decoded_only_as_fast_as_it_is_played(out: Path) -> None:
    decoder = Doubling()
    player = player_of(decoder)
    audience = Audience()
    player.start(audience)
    player.write(bytes(range(250)) * 200)
    assert decoder.steps <= 8
    await audience.until("started")
    for _ in range(300):
        await asyncio.sleep(0)
    # The ring and the device hold what was decoded and not yet heard: 120 steps, and what
    # was heard meanwhile.
    assert decoder.steps < 300
    player.finish()
    await audience.until("finished")
    assert decoder.steps == 500
    played = heard(out)
    assert played[:-2] == b"".join(bytes([value, 1]) for value in bytes(range(250)) * 200)
    assert played[-2:] == b"\x09\x09"


DAMAGE = {
    "mp3": b"\xff\xf0" * 3000,
    "opus": b"OggS\0" * 40,
    "raw-opus": b"\xff\xff\xff",
    "pcm": wav(bytes(4000), channels=2),
}


async def decode_as_fast_as_may_be(decoder: Any, *reply: bytes) -> None:
    """Let nothing hold decoding up but its budget, as if the loudspeaker took all at once."""
    gain, ahead = SoftwareGain(), 1 << 30
    player = AlsaPlayer("file", RATE, 20, gain, decoder=decoder, ahead_bytes=ahead)
    player.start(Audience())
    for piece in reply:
        player.write(piece)
    player.finish()
    await asyncio.wait_for(decoder.finished.wait(), 10)
    player.flush()


@pytest.mark.parametrize("mode", ["mp3", "opus"])
async def test_no_turn_of_the_loop_decodes_more_than_eight_pieces(mode: str) -> None:
    decoder = Counted(make_decoder(mode, RATE))
    await decode_as_fast_as_may_be(decoder, stream(mode, RATE) * 20)
    assert decoder.all_pieces > 100
    assert decoder.most_pieces <= 8
    assert decoder.most_bytes <= 8 * RATE * 120 // 1000 * 2


@pytest.mark.parametrize("mode", ["mp3", "opus", "raw-opus", "pcm"])
@pytest.mark.parametrize("damaged", [False, True])
async def test_no_turn_of_the_loop_decodes_longer_than_its_budget(mode: str, damaged: bool) -> None:
    """Each piece takes 1 ms: four of them are the budget, whether in one message or in many."""
    decoder = Counted(make_decoder(mode, RATE), cost_s=0.001)
    good = [wav(sound(RATE), channels=2)] if mode == "pcm" else frames(mode, RATE)
    reply = [DAMAGE[mode]] * 40 if damaged else [*good] * 4
    await decode_as_fast_as_may_be(decoder, *reply)
    assert decoder.all_pieces > 10
    assert decoder.most_pieces <= 5


async def test_a_long_reply_is_taken_at_once_and_stays_coded_until_it_is_played() -> None:
    decoder, audience = Doubling(), Audience()
    player = player_of(decoder)
    player.start(audience)
    began = time.monotonic()
    for _ in range(500):
        player.write(bytes(8000))
        await asyncio.wait_for(player.wait_room(), 0.3)
    assert time.monotonic() - began < 0.3
    await audience.until("started")
    for _ in range(300):
        await asyncio.sleep(0)
    assert decoder.steps < 300  # of 40,000
    player.flush()


async def test_the_network_waits_once_the_coded_reply_is_too_long() -> None:
    player = player_of(Doubling())
    player.start(Audience())
    for _ in range(5):
        player.write(bytes(1 << 20))
    room = asyncio.create_task(player.wait_room())
    await asyncio.sleep(0.05)  # time for whatever would wrongly let it go on
    assert not room.done()
    player.flush()
    await asyncio.wait_for(room, 5)


async def test_a_device_that_fails_lets_the_network_go_on(
    define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    define("pcm.stuck { type paced stuck_ms 100 }")
    monkeypatch.setattr("mmid.hal_linux.audio.playback.pcm.STUCK_S", 0.2)
    player, audience = player_on("stuck", Doubling()), Audience()
    player.start(audience)
    for _ in range(5):
        player.write(bytes(1 << 20))
    await asyncio.wait_for(player.wait_room(), 5)
    assert audience.story[-1] == "failed"
    player.write(bytes(1 << 20))
    await asyncio.wait_for(player.wait_room(), 5)


async def test_a_finish_behind_a_long_message_waits_for_all_of_it(out: Path) -> None:
    player = player_of(Doubling())
    audience = Audience()
    player.start(audience)
    for start in (b"a", b"b", b"c"):
        player.write(start + bytes(3000))
    player.finish()
    player.write(b"too late")
    await audience.until("finished")
    played = heard(out)
    assert len(played) == 3 * 3001 * 2 + 2
    assert played[::2].strip(b"\0\x09") == b"a" + bytes(3000) + b"b" + bytes(3000) + b"c"


async def test_a_flush_in_mid_message_is_final_and_the_next_reply_is_whole(out: Path) -> None:
    decoder = make_decoder("mp3", RATE)
    player = player_of(decoder)
    player.start(Audience())
    player.write(stream("mp3", RATE) * 20)
    await asyncio.sleep(0)
    player.flush()
    player.write(stream("mp3", RATE))
    assert not player.playing
    await play(player, Audience(), stream("mp3", RATE))
    assert len(heard(out)) == len(sound(RATE))


async def test_a_new_start_forgets_the_reply_that_was_being_decoded(out: Path) -> None:
    player = player_of(make_decoder("opus", RATE))
    player.start(Audience())
    for _ in range(3):
        player.write(stream("opus", RATE) * 20)
    await play(player, Audience(), stream("opus", RATE))
    assert len(heard(out)) == len(sound(RATE))


async def test_a_writer_that_never_waits_is_stopped_before_the_memory_is_full() -> None:
    player = player_of(Doubling())
    audience = Audience()
    player.start(audience)
    for _ in range(ByteRing.LIMIT_BYTES // (1 << 20) + 2):
        player.write(bytes(1 << 20))
    await audience.until("failed")
    assert "did not wait for room" in str(audience.failure)
    assert not player.playing
    assert audience.story.count("failed") == 1


async def test_a_device_that_cannot_be_opened_is_told_and_nothing_is_decoded() -> None:
    decoder = Doubling()
    player = player_on("nowhere", decoder)
    with pytest.raises(AudioDeviceFailed, match="nowhere"):
        player.start(Audience())
    player.write(b"abc")
    player.finish()
    assert decoder.steps == 0


WAV = wav(sound(RATE), length=0xFFFFFFFF)


@pytest.mark.parametrize(
    ("mode", "came", "named"),
    [
        ("pcm", stream("mp3", RATE), "MP3"),
        ("pcm", stream("opus", RATE), "Opus in Ogg"),
        ("pcm", wav(sound(RATE), rate_hz=8000), "a WAV file"),
        ("mp3", stream("opus", RATE), "Opus in Ogg"),
        ("mp3", WAV, "a WAV file"),
        ("mp3", sound(RATE), "bytes of an unknown format"),
        ("opus", stream("mp3", RATE), "MP3"),
        ("opus", sound(RATE), "bytes of an unknown format"),
        ("raw-opus", stream("opus", RATE), "Opus in Ogg"),
        ("raw-opus", stream("mp3", RATE), "MP3"),
    ],
)
@pytest.mark.parametrize("cut_bytes", [40, 4000])
async def test_a_reply_in_another_format_is_silence_and_is_told_once(
    out: Path, mode: str, came: bytes, named: str, cut_bytes: int
) -> None:
    player, audience = player_of(make_decoder(mode, RATE)), Audience()
    pieces = [came[at : at + cut_bytes] for at in range(0, len(came), cut_bytes)]
    await play(player, audience, *pieces)
    (told,) = audience.refused
    assert named in told
    assert f"dialog.downstream_mode = '{mode}'" in told
    assert heard(out) == b""
    assert audience.story[-1] == "finished"
    following = Audience()
    await play(player, following, *([WAV] if mode == "pcm" else frames(mode, RATE)))
    assert len(heard(out)) >= len(sound(RATE))
    assert not following.refused


async def test_each_sentence_in_a_wav_file_of_its_own_is_heard_without_its_head(out: Path) -> None:
    player, audience = player_of(make_decoder("pcm", RATE)), Audience()
    await play(player, audience, *[WAV[at : at + 999] for at in range(0, len(WAV), 999)] * 2, WAV)
    assert heard(out) == sound(RATE) * 3
    assert not audience.refused


async def test_a_stream_that_cannot_be_played_is_told_and_the_next_in_the_reply_is_heard(
    out: Path,
) -> None:
    player, audience = player_of(make_decoder("opus", RATE)), Audience()
    await play(player, audience, made("ogg", "libvorbis", RATE) * 2, stream("opus", RATE))
    assert len(heard(out)) == len(sound(RATE))
    assert ["Vorbis in Ogg" in told for told in audience.refused] == [True]


async def test_a_reply_with_damage_is_not_in_another_format() -> None:
    player, audience = player_of(make_decoder("mp3", RATE)), Audience()
    await play(player, audience, bytes(50), stream("mp3", RATE), bytes(50))
    assert not audience.refused


async def test_damage_is_logged_once_a_reply(caplog: pytest.LogCaptureFixture) -> None:
    player = player_of(make_decoder("raw-opus", RATE))
    good = frames("raw-opus", RATE)
    with caplog.at_level(logging.WARNING):
        await play(player, Audience(), good[0], b"\xff\xff\xff", good[1], b"")
        await play(player, Audience(), *good[:2])
    told = [record.getMessage() for record in caplog.records if "damaged" in record.getMessage()]
    assert told == ["the reply was damaged in 2 places, which were skipped"]


async def test_a_reply_without_a_byte_is_finished() -> None:
    player = player_of(make_decoder("opus", RATE))
    audience = Audience()
    await play(player, audience)
    assert audience.story == ["finished"]

"""Cards of all sorts: whatever sizes one has, no sample is lost and no reply is torn.

Each row is a card with one rate, one format, one period and one buffer. One that has not
16 kHz mono in 16 bits is used behind alsa-lib's converters.
"""

import array
import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from tests.hal_linux.audio.capture.test_recorder import Ears
from tests.hal_linux.audio.playback.test_player import Audience

RATE_HZ = 16000
SPOKEN_S, PLAYED_S = 0.45, 1.003
LEVEL = 8000

# Rate, channels, bits, period and buffer in ms.
CARDS = [
    (16000, 1, 16, 5, 20),
    (16000, 1, 16, 10, 40),
    (16000, 1, 16, 20, 100),
    (16000, 1, 16, 125, 250),
    (16000, 1, 16, 250, 2000),
    (16000, 2, 32, 20, 100),
    (48000, 2, 16, 5, 20),
    (48000, 2, 32, 10, 60),
    (48000, 2, 16, 20, 300),
    (48000, 8, 32, 125, 250),
    (48000, 2, 16, 125, 375),
    (48000, 1, 32, 250, 2000),
    (44100, 2, 16, 20, 100),
    (44100, 8, 32, 125, 500),
    (44100, 2, 16, 250, 500),
]
# The converter that alsa-lib brings along: with another one, which Debian's libasound2-plugins make
# the default, a step at the beginning of a sound is no step behind it.
PLUG = (
    "pcm.plug { @args [ SLAVE ] @args.SLAVE { type string } "
    "type plug rate_converter linear slave.pcm $SLAVE }\n"
)

pytestmark = pytest.mark.usefixtures("virtual_time")
every_card = pytest.mark.parametrize("card", CARDS, ids=lambda card: "-".join(map(str, card)))
Card = tuple[int, int, int, int, int]


@pytest.fixture
def define_card(card: Card, define: Callable[[str], None], tmp_path: Path) -> None:
    rate_hz, channels, bits, period_ms, buffer_ms = card
    sizes = (
        f"period_min_ms {period_ms} period_max_ms {period_ms} "
        f"buffer_min_ms {buffer_ms} buffer_max_ms {buffer_ms}"
    )
    files = f'heard "{tmp_path}/heard" starts "{tmp_path}/starts"'
    form = f"rate {rate_hz} channels {channels} bits {bits}"
    define(f"{PLUG}pcm.card {{ type paced {form} {sizes} {files} }}\n")


@every_card
@pytest.mark.usefixtures("define_card", "either_version")
async def test_all_that_is_said_until_the_release_arrives(card: Card) -> None:
    step = card[0] / RATE_HZ
    recorder, ears, released = AlsaRecorder("card", RATE_HZ, 20), Ears(), asyncio.Event()
    recorder.start(ears)
    await asyncio.sleep(SPOKEN_S)
    recorder.release(released.set)
    await asyncio.wait_for(released.wait(), 1)
    heard = array.array("h", ears.speech)
    # What is held back for less than 2 ms nobody waits for; the rest is rounding.
    assert -0.003 < len(heard) / RATE_HZ - SPOKEN_S < 0.001
    steps = [after - before for before, after in itertools.pairwise(heard)]
    assert max(abs(one - step) for one in steps[:-1]) <= 2
    assert recorder.overruns == 0
    assert not recorder.recording


@every_card
@pytest.mark.usefixtures("define_card")
async def test_a_steady_reply_is_heard_whole_and_without_a_gap(card: Card, tmp_path: Path) -> None:
    rate_hz, channels, bits, *_ = card
    frames = int(PLAYED_S * RATE_HZ)
    reply = array.array("h", [LEVEL] * frames).tobytes()
    player, audience = AlsaPlayer("card", RATE_HZ, 20, SoftwareGain()), Audience()
    player.start(audience)
    player.write(reply[:6400])
    for start in range(6400, len(reply), 3200):
        await asyncio.sleep(0.05)
        player.write(reply[start : start + 3200])
    player.finish()
    await audience.until("finished")
    samples = array.array("h" if bits == 16 else "i", (tmp_path / "heard").read_bytes())
    heard = [one >> (bits - 16) for one in samples[::channels]]
    loud = [at for at, one in enumerate(heard) if abs(one - LEVEL) <= 1]
    assert len(loud) / rate_hz == pytest.approx(frames / RATE_HZ, abs=0.001)
    assert loud[-1] - loud[0] == len(loud) - 1
    assert (tmp_path / "starts").read_bytes() == b"."
    assert player.underruns == 0

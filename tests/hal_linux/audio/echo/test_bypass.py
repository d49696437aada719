"""Past the filter and through it: what is said in the room sounds the same."""

from array import array
from operator import sub

from mmid.hal_linux.audio.echo.bypass import Bypass
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS, LibspeexdspCanceller
from tests.hal_linux.audio.echo.rehearsal import RATE_HZ, TALKER, decibels, speech

FRAME = RATE_HZ * FRAME_MS // 1000
TAIL_MS = 200
OFFSET = 2000

# A microphone's sound is seldom without an offset.
SAID = array("h", (OFFSET + one // 2 for one in array("h", speech(8, text=TALKER)))).tobytes()

# Two seconds of silence, then two of something that makes no echo: nothing is to be taken out.
HARDLY_PLAYED = bytes(2 * 2 * RATE_HZ) + array("h", [1, -1] * RATE_HZ).tobytes()


class Counting(LibspeexdspCanceller):
    """Counts how many frames it has to do."""

    frames = 0

    def cancel(self, heard: bytes, played: bytes) -> bytes:
        self.frames += 1
        return super().cancel(heard, played)


def run(played: bytes) -> tuple[Counting, "array[int]"]:
    """Say it while that is played elsewhere; return the canceller and what came of it."""
    canceller = Counting(RATE_HZ, FRAME, TAIL_MS)
    bypass, size = Bypass(canceller, FRAME, TAIL_MS), 2 * FRAME
    heard = [SAID[at : at + size] for at in range(0, len(SAID) - size, size)]
    clean = [
        bypass.cancel(frame, played[at * size :][:size].ljust(size, b"\0"))
        for at, frame in enumerate(heard)
    ]
    return canceller, array("h", b"".join(clean))


def test_while_nothing_is_played_the_filter_rests_and_nothing_is_changed() -> None:
    canceller, clean = run(b"")
    assert canceller.frames == 0
    assert clean[:FRAME] == array("h", bytes(2 * FRAME))
    assert clean[FRAME:].tobytes() == SAID[: 2 * (len(clean) - FRAME)]


def test_from_the_one_to_the_other_there_is_no_click() -> None:
    canceller, clean = run(HARDLY_PLAYED)
    assert 2 < canceller.frames * FRAME_MS / 1000 < 3.5
    said = array("h", SAID)[: len(clean) - FRAME]
    change = array("h", map(sub, clean[FRAME:], said))
    assert min(change) < -OFFSET // 2, "the filter takes the offset out"
    steps = map(sub, change[1:], change)
    assert max(map(abs, steps)) < OFFSET // 4


def test_a_talker_is_as_loud_on_either_side() -> None:
    _, clean = run(HARDLY_PLAYED)
    for begin_s, end_s in ((0.5, 2), (2.2, 3.8), (6, 7.5)):
        begin, end = (int(at * RATE_HZ) for at in (begin_s, end_s))
        after = without_offset(clean[begin + FRAME : end + FRAME])
        before = without_offset(array("h", SAID)[begin:end])
        assert abs(decibels(after) - decibels(before)) < 1


def without_offset(samples: "array[int]") -> bytes:
    mean = sum(samples) // len(samples)
    return array("h", (sample - mean for sample in samples)).tobytes()

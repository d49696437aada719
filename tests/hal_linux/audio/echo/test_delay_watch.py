"""The delay is searched once a reply: first where it was found last, then everywhere."""

import pytest

from mmid.hal_linux.audio.echo.delay_watch import DelayWatch
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS
from mmid.hal_linux.audio.echo.reference import Reference
from tests.hal_linux.audio.echo.rehearsal import RATE_HZ, speech

FRAME = RATE_HZ * FRAME_MS // 1000
SAID = speech(4)
PAUSE = bytes(2 * RATE_HZ * 3 // 2)


class Room:
    """What is played comes back later, and nothing else is heard."""

    def __init__(self) -> None:
        self.reference = Reference(RATE_HZ, RATE_HZ)
        self.watch = DelayWatch(RATE_HZ, self.reference)
        self._played = b""

    def play(self, sound: bytes, delay: int) -> list[tuple[int, int]]:
        """Return which delays were found, and after how many frames of the sound."""
        found = []
        for count in range(len(sound) // 2 // FRAME):
            frame = sound[2 * count * FRAME : 2 * (count + 1) * FRAME]
            self._played += frame
            self.reference.add(frame)
            end = len(self._played) // 2
            heard = self._played[: 2 * max(0, end - delay)][-2 * FRAME :].rjust(2 * FRAME, b"\0")
            told = self.watch.hear(heard, end, loud=any(frame))
            if told is not None:
                found.append((told, count))
        return found


@pytest.fixture
def room() -> Room:
    return Room()


def test_each_reply_is_searched_once(room: Room) -> None:
    for _ in range(2):
        assert [delay for delay, _ in room.play(SAID, 960)] == [960]
        assert room.play(PAUSE, 960) == []


def test_where_it_was_before_it_is_found_with_less_work(room: Room) -> None:
    ((_, searched),) = room.play(SAID, 960)
    room.play(PAUSE, 960)
    ((_, looked),) = room.play(SAID, 960)
    assert looked < searched - 5, "frames, in each of which a part of the search is done"


@pytest.mark.parametrize("moved", [-64, 64, 3200])
def test_an_echo_that_comes_at_another_time_is_found_there(room: Room, moved: int) -> None:
    room.play(SAID + PAUSE, 960)
    assert [delay for delay, _ in room.play(SAID, 960 + moved)] == [960 + moved]


def test_after_a_restart_it_is_looked_for_everywhere(room: Room) -> None:
    room.play(SAID + PAUSE, 960)
    room.watch.restart(0)
    assert [delay for delay, _ in room.play(SAID, 5600)] == [5600]


def test_an_echo_that_is_not_there_is_lost_after_three_searches(room: Room) -> None:
    assert room.play(speech(6), 48000) == []
    assert room.watch.lost

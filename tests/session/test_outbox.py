"""What waits for the socket: one order, whole frames, and old live speech the first to go."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import Busy, ConnectionLost
from mmid.session.effects import Send, SendAudio
from mmid.session.outbox import Outbox

LIMIT, FRAME = 20, 10
MIB = 1 << 20


def outbox(*, limit: int = LIMIT, frame: int = FRAME) -> Outbox:
    """Return an empty one, with small round numbers."""
    return Outbox(speech_limit=limit, frame_bytes=frame)


def take(box: Outbox) -> str | bytes | None:
    """Get the next frame; None if nothing waits."""
    if not box:
        return None
    message = box.get()
    return message.text if isinstance(message, Send) else message.data


def take_all(box: Outbox) -> list[str | bytes]:
    """Get everything, to the end."""
    frames = []
    while (frame := take(box)) is not None:
        frames.append(frame)
    return frames


def speak(box: Outbox, *chunks: bytes) -> None:
    """Queue live speech."""
    for chunk in chunks:
        box.put_speech(SendAudio(chunk))


def test_speech_passes_the_queue_where_nothing_waits_and_it_is_one_frame() -> None:
    box = outbox()
    whole, longer = SendAudio(b"1234567890"), SendAudio(b"12345678901")
    assert box.is_next(whole)
    assert not box.is_next(longer)
    assert Outbox(speech_limit=LIMIT, frame_bytes=None).is_next(longer)  # a packet is a frame
    box.put_text(Send("SendSpeech"))
    assert not box.is_next(whole)
    take_all(box)
    assert box.is_next(whole)


def test_texts_and_speech_leave_in_the_order_they_came() -> None:
    box = outbox()
    box.put_text(Send("SendSpeech"))
    speak(box, b"one")
    box.put_text(Send("StopSpeech"))
    box.put_text(Send("SendSpeech"))
    speak(box, b"two")
    assert take_all(box) == ["SendSpeech", b"one", "StopSpeech", "SendSpeech", b"two"]


def test_speech_that_waits_is_joined_into_whole_frames() -> None:
    box = outbox()
    speak(box, b"0123", b"4567", b"89ab", b"cd")
    assert take_all(box) == [b"0123456789", b"abcd"]


def test_a_chunk_longer_than_a_frame_is_split() -> None:
    box = outbox(limit=100)
    speak(box, b"0123456789abcdefghijklm", b"nop")
    assert take_all(box) == [b"0123456789", b"abcdefghij", b"klmnop"]


def test_a_packet_is_a_frame_however_long_or_short() -> None:
    box = Outbox(speech_limit=LIMIT, frame_bytes=None)
    packets = [b"01", b"2", b"3456789abcdefghi"]
    speak(box, *packets)
    assert take_all(box) == packets


def test_packets_over_the_limit_go_whole_the_oldest_first() -> None:
    box = Outbox(speech_limit=8, frame_bytes=None)
    speak(box, b"0123", b"4567", b"89a", b"b")
    assert take_all(box) == [b"4567", b"89a", b"b"]
    assert box.dropped_bytes == 4


def test_a_chunk_does_not_wait_for_its_frame_to_be_full() -> None:
    box = outbox()
    speak(box, b"one")
    assert take(box) == b"one"


def test_speech_is_not_joined_across_a_text() -> None:
    box = outbox()
    speak(box, b"one")
    box.put_text(Send("StopSpeech"))
    speak(box, b"two")
    assert take_all(box) == [b"one", "StopSpeech", b"two"]


def test_over_the_limit_the_oldest_live_speech_goes_and_is_counted() -> None:
    box = outbox()
    box.put_text(Send("SendSpeech"))
    speak(box, b"0123456789", b"abcdefghij", b"kl")
    box.put_text(Send("StopSpeech"))
    assert box.dropped_bytes == 10
    assert take_all(box) == ["SendSpeech", b"abcdefghij", b"kl", "StopSpeech"]


def test_speech_that_just_fits_is_kept() -> None:
    box = outbox()
    speak(box, b"0123456789", b"abcdefghij")
    assert box.dropped_bytes == 0


def test_speech_that_has_left_makes_room() -> None:
    box = outbox()
    speak(box, b"0123456789", b"abcdefghij")
    assert take(box) == b"0123456789"
    speak(box, b"klmnopqrst")
    assert box.dropped_bytes == 0
    speak(box, b"u")
    assert box.dropped_bytes == 10


def test_what_is_left_of_a_split_chunk_counts_towards_the_limit() -> None:
    box = outbox()
    speak(box, b"0123456789abcde")
    take(box)
    speak(box, b"0123456789", b"01234")
    assert box.dropped_bytes == 0
    speak(box, b"5")
    assert box.dropped_bytes == 5
    assert take_all(box) == [b"0123456789", b"012345"]


def test_the_newest_chunk_is_never_dropped_whatever_its_size() -> None:
    # 100 ms at 48 kHz are 9600 bytes; recorder_rb_size is 8192 by default.
    box = outbox(limit=8)
    speak(box, b"0123456789", b"abcdefghij")
    assert box.dropped_bytes == 10
    assert take_all(box) == [b"abcdefghij"]


def test_the_backlog_may_exceed_the_limit() -> None:
    box = outbox()
    chunks = [bytes([n]) * FRAME for n in range(50)]
    for chunk in chunks:
        box.put_speech(SendAudio(chunk, backlog=True))
    assert take_all(box) == chunks
    assert box.dropped_bytes == 0


def test_live_speech_behind_a_backlog_is_dropped_before_the_first_syllable_is() -> None:
    box = outbox()
    box.put_speech(SendAudio(b"first", backlog=True))
    speak(box, b"0123456789", b"abcdefghij", b"kl")
    assert box.dropped_bytes == 10
    assert b"".join(frame for frame in take_all(box) if isinstance(frame, bytes)) == (
        b"firstabcdefghijkl"
    )


def test_a_backlog_that_has_left_no_longer_lifts_the_limit() -> None:
    box = outbox()
    box.put_speech(SendAudio(b"0123456789" * 3, backlog=True))
    for _ in range(3):
        take(box)
    speak(box, b"0123456789", b"abcdefghij", b"k")
    assert box.dropped_bytes == 10


def test_the_backlog_of_a_second_speech_does_not_drop_the_first_one() -> None:
    box = outbox()
    speak(box, b"0123456789", b"abcdefghij")
    box.put_text(Send("StopSpeech"))
    box.put_speech(SendAudio(b"next" * 10, backlog=True))
    assert box.dropped_bytes == 0


def test_so_many_texts_that_nothing_can_be_leaving_are_a_lost_connection() -> None:
    box = outbox()
    for count in range(256):
        box.put_text(Send(str(count)))
    with pytest.raises(ConnectionLost, match="256 messages wait"):
        box.put_text(Send("one more"))
    assert len(box) == 256


def test_texts_of_more_than_4_mib_that_wait_are_a_lost_connection() -> None:
    box = outbox()
    for _ in range(4):
        box.put_text(Send("x" * MIB))
    with pytest.raises(ConnectionLost, match="4 messages wait"):
        box.put_text(Send("y"))
    take(box)
    box.put_text(Send("y"))


def test_whoever_can_wait_is_told_busy_while_a_mebibyte_waits() -> None:
    box = outbox()
    box.check_room()
    box.put_text(Send("x" * MIB))
    with pytest.raises(Busy, match="has not taken"):
        box.check_room()
    take(box)
    box.check_room()


def test_texts_that_left_make_room_for_others() -> None:
    box = outbox()
    for count in range(1000):
        box.put_text(Send(str(count)))
        assert take(box) == str(count)


def test_when_all_has_left_there_is_none() -> None:
    box = outbox()
    box.put_text(Send("Stop"))
    assert [take(box), take(box), take(box)] == ["Stop", None, None]


# --- against a model ---------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.sampled_from(["text", "take", "take"]),
        st.tuples(st.sampled_from(["live", "live", "backlog"]), st.integers(1, 25)),
    ),
    max_size=60,
)


class Model:
    """The outbox as a plain list: one entry a text, one entry a byte of speech."""

    def __init__(self) -> None:
        self.chunks: list[tuple[str, list[Any]]] = []
        self.dropped = 0

    def put(self, kind: str, units: list[Any]) -> None:
        """Queue one text or chunk; of live speech the oldest chunks make room for it."""
        self.chunks.append((kind, units))
        live = [entry for entry in self.chunks if entry[0] == "live"]
        while len(live) > 1 and sum(len(data) for _, data in live) > LIMIT:
            oldest = live.pop(0)
            self.chunks.remove(oldest)
            self.dropped += len(oldest[1])

    def take(self) -> list[Any]:
        """Return the units of the next frame; empty if there is none."""
        frame: list[Any] = []
        while self.chunks and len(frame) < FRAME:
            kind, units = self.chunks[0]
            if kind == "text":
                return frame or self.chunks.pop(0)[1]
            frame += units[: (room := FRAME - len(frame))]
            self.chunks[0] = (kind, units[room:])
            if not self.chunks[0][1]:
                self.chunks.pop(0)
        return frame


@given(steps=STEPS)
def test_any_use_is_that_of_a_plain_list(steps: list[Any]) -> None:
    box, model = outbox(), Model()
    names = iter(range(10_000))
    for step in steps:
        if step == "take":
            expected = model.take()
            if expected:
                frame = take(box)
                assert (list(frame) if isinstance(frame, bytes) else [frame]) == expected
        elif step == "text":
            text = f"text {next(names)}"
            box.put_text(Send(text))
            model.put("text", [text])
        else:
            kind, size = step
            data = bytes(next(names) % 251 for _ in range(size))
            box.put_speech(SendAudio(data, backlog=kind == "backlog"))
            model.put(kind, list(data))
        assert box.dropped_bytes == model.dropped
    rest = [
        unit for frame in take_all(box) for unit in (frame if isinstance(frame, bytes) else [frame])
    ]
    assert rest == [unit for _, units in model.chunks for unit in units]

"""Speech that waits for the cloud: whole and in order while it fits, bounded when it does not."""

from hypothesis import given
from hypothesis import strategies as st

from mmid.session.backlog import BACKLOG_S, Backlog


def filled(limit_bytes: int, *chunks: bytes) -> Backlog:
    """Return a backlog with these chunks pushed, which all fit."""
    backlog = Backlog(limit_bytes)
    assert [backlog.push(chunk) for chunk in chunks] == [0] * len(chunks)
    return backlog


def test_what_was_pushed_comes_out_oldest_first_and_only_once() -> None:
    backlog = filled(100, b"one", b"two", b"three")
    assert list(backlog.drain()) == [b"one", b"two", b"three"]
    assert list(backlog.drain()) == []
    assert len(backlog) == 0


def test_a_full_backlog_keeps_every_byte() -> None:
    backlog = filled(6, b"one", b"two")
    assert len(backlog) == 6


def test_beyond_the_limit_the_oldest_chunks_go_and_are_counted() -> None:
    backlog = filled(6, b"one", b"two")
    assert backlog.push(b"3") == 3
    assert list(backlog.drain()) == [b"two", b"3"]


def test_what_is_cleared_is_gone() -> None:
    backlog = filled(10, b"one", b"two")
    backlog.clear()
    assert (len(backlog), list(backlog.drain())) == (0, [])


def test_a_backlog_can_be_filled_again_after_it_was_drained() -> None:
    backlog = filled(6, b"one", b"two")
    list(backlog.drain())
    assert backlog.push(b"three") == 0
    assert list(backlog.drain()) == [b"three"]


def test_the_first_syllable_has_five_seconds() -> None:
    assert BACKLOG_S == 5.0


@given(limit=st.integers(1, 40), chunks=st.lists(st.binary(min_size=1, max_size=12)))
def test_the_backlog_holds_the_newest_chunks_that_fit(limit: int, chunks: list[bytes]) -> None:
    backlog = Backlog(limit)
    dropped = sum([backlog.push(chunk) for chunk in chunks])
    kept = len(backlog)
    rest = list(backlog.drain())
    assert kept == sum(map(len, rest)) <= limit
    assert rest == chunks[len(chunks) - len(rest) :]
    assert dropped + kept == sum(map(len, chunks))
    if len(rest) < len(chunks):
        assert kept + len(chunks[-len(rest) - 1]) > limit, "no more is dropped than must be"

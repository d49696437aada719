from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.capture.pieces import Pieces


@given(st.lists(st.binary(max_size=12)), st.lists(st.integers(0, 20)))
def test_what_is_taken_is_what_was_put_in_its_order(put: list[bytes], counts: list[int]) -> None:
    pieces, whole = Pieces(), b"".join(put)
    pieces.put(*put[:2])
    for piece in put[2:]:
        pieces.put(piece)
    assert pieces.size == len(whole)
    for count in counts:
        assert pieces.take(count) == whole[:count]
        whole = whole[count:]
        assert pieces.size == len(whole)


def test_a_piece_that_is_taken_whole_is_not_copied() -> None:
    pieces, piece = Pieces(), bytes(range(100))
    pieces.put(piece)
    assert pieces.take(len(piece)) is piece


def test_a_large_piece_is_not_copied_for_each_part_that_is_taken() -> None:
    pieces, piece = Pieces(), bytes(range(100))
    pieces.put(piece)
    pieces.take(10)
    (rest,) = pieces._waiting
    assert isinstance(rest, memoryview)
    assert rest.obj is piece

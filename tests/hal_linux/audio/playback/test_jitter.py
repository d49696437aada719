from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.playback.jitter import JitterBuffer


def test_it_grows_at_once_and_shrinks_slowly() -> None:
    jitter = JitterBuffer()
    assert jitter.fill_ms == 60
    jitter.ran_dry()
    assert jitter.fill_ms == 120
    jitter.reply_ended()
    assert jitter.fill_ms == 120  # that reply had a gap
    for fill_ms in (100, 80, 60, 60):
        jitter.reply_ended()
        assert jitter.fill_ms == fill_ms


@given(st.lists(st.booleans(), max_size=60))
def test_it_stays_within_its_bounds(dry: list[bool]) -> None:
    jitter = JitterBuffer()
    for one in dry:
        if one:
            jitter.ran_dry()
        else:
            jitter.reply_ended()
        assert 60 <= jitter.fill_ms <= 400


def test_it_reaches_its_bound_in_three_gaps() -> None:
    jitter = JitterBuffer()
    for _ in range(3):
        jitter.ran_dry()
    assert jitter.fill_ms == 400

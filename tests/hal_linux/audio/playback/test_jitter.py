from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.playback.jitter import JitterBuffer


def test_it_grows_at_once_and_shrinks_slowly() -> None:
    jitter = JitterBuffer(24000)
    assert jitter.fill_bytes // 48 == 60
    jitter.ran_dry()
    assert jitter.fill_bytes // 48 == 120
    jitter.reply_ended()
    assert jitter.fill_bytes // 48 == 120  # that reply had a gap
    for fill_ms in (100, 80, 60, 60):
        jitter.reply_ended()
        assert jitter.fill_bytes // 48 == fill_ms


@given(st.lists(st.booleans(), max_size=60))
def test_it_stays_within_its_bounds(dry: list[bool]) -> None:
    jitter = JitterBuffer(24000)
    for one in dry:
        if one:
            jitter.ran_dry()
        else:
            jitter.reply_ended()
        assert 60 <= jitter.fill_bytes // 48 <= 400


def test_it_reaches_its_bound_in_three_gaps() -> None:
    jitter = JitterBuffer(24000)
    for _ in range(3):
        jitter.ran_dry()
    assert jitter.fill_bytes // 48 == 400

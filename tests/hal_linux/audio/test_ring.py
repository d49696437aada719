import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.hal_linux.audio.ring import ByteRing

steps = st.lists(st.one_of(st.binary(max_size=50), st.integers(0, 60)), max_size=60)


@given(steps)
def test_bytes_come_out_once_and_in_order(plan: list[bytes | int]) -> None:
    ring, put, taken = ByteRing(), b"", b""
    for step in plan:
        if isinstance(step, bytes):
            assert ring.put(step)
            put += step
        else:
            assert len(ring.peek(step)) == min(step, ring.fill)
            taken += ring.take(step)
        assert taken + ring.peek(ring.fill) == put


def test_the_limit_refuses_and_changes_nothing() -> None:
    ring = ByteRing()
    assert ring.put(bytes(ring.LIMIT_BYTES))
    assert not ring.put(b"x")
    assert ring.fill == ring.LIMIT_BYTES


async def test_who_waits_for_few_bytes_goes_on_when_so_few_are_left_and_not_before() -> None:
    ring = ByteRing()
    ring.put(b"abc")
    await asyncio.wait_for(ring.wait_below(4), 5)
    ring.put(b"defg")
    waiter = asyncio.ensure_future(ring.wait_below(4))
    other = asyncio.ensure_future(ring.wait_below(5))
    for left in (6, 5, 4):
        assert not other.done()
        ring.discard(1)
        assert ring.fill == left
        for _ in range(3):
            await asyncio.sleep(0)
    assert other.done()
    assert not waiter.done()
    ring.discard(1)
    await asyncio.wait_for(waiter, 5)


@pytest.mark.parametrize("action", [ByteRing.clear, ByteRing.release])
async def test_who_waits_is_let_go(action: object) -> None:
    ring = ByteRing()
    ring.put(b"abcdef")
    waiter = asyncio.ensure_future(ring.wait_below(4))
    await asyncio.sleep(0)
    assert callable(action)
    action(ring)
    await asyncio.wait_for(waiter, 5)


async def test_after_release_nobody_waits_however_full() -> None:
    ring = ByteRing()
    ring.release()
    ring.put(b"abcdef")
    await asyncio.wait_for(ring.wait_below(4), 5)


def test_what_is_put_back_is_first_again() -> None:
    ring = ByteRing()
    ring.put(b"abcdef")
    taken = ring.peek(4)
    ring.discard(4)
    ring.put_back(taken)
    assert ring.peek(ring.fill) == b"abcdef"


def test_half_a_sample_is_no_frame() -> None:
    ring = ByteRing()
    ring.put(b"abc")
    assert ring.frames == 1

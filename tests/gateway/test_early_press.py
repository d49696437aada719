"""A press that waits: the speech with it, and one outcome."""

import asyncio

import pytest

from mmid.errors import NotReady
from mmid.gateway.early_press import EarlyPress


async def test_it_is_accepted_with_what_was_said_in_order() -> None:
    press = EarlyPress(5.0, 32000)
    press.begin(":1.1", _never)
    accepted = press.accepted()
    press.record(b"one")
    press.record(b"two")
    assert list(press.succeed()) == [b"one", b"two"]
    await accepted
    assert not press.waiting


async def test_a_refusal_reaches_who_waits_even_if_it_comes_at_once() -> None:
    press = EarlyPress(5.0, 32000)
    press.begin(":1.1", _never)
    accepted = press.accepted()
    press.record(b"one")
    press.fail(NotReady("too early"))
    with pytest.raises(NotReady, match="too early"):
        await accepted
    press.begin(":1.1", _never)
    accepted = press.accepted()
    assert list(press.succeed()) == []
    await accepted


async def test_it_is_told_when_it_has_waited_long_enough() -> None:
    late = asyncio.Event()
    press = EarlyPress(0.01, 32000)
    press.begin(":1.1", late.set)
    async with asyncio.timeout(5):
        await late.wait()
    assert press.waiting
    list(press.succeed())


async def test_of_a_speech_that_never_ends_the_last_five_seconds_are_kept() -> None:
    press = EarlyPress(5.0, 1000)
    press.begin(":1.1", _never)
    accepted = press.accepted()
    for second in range(8):
        press.record(bytes([second]) * 1000)
    assert [chunk[0] for chunk in press.succeed()] == [3, 4, 5, 6, 7]
    await accepted


def _never() -> None:
    raise AssertionError("it was told too late")

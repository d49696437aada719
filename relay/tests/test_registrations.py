"""A registration is sent once: to whom it is answered, when its device hangs up, what is kept."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mmid_relay import answers
from mmid_relay import registrations as module
from mmid_relay.answers import KEPT_S, MemoryAnswers, Reply
from mmid_relay.problems import Kind, Problem
from mmid_relay.registrations import Registrations
from mmid_relay.settings import Limits
from tests.rig import Board, Vendor, relay_for, settings_for


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Sends:
    """Counts how often the vendor would be asked."""

    def __init__(self, *outcomes: Reply | Exception) -> None:
        self.outcomes = list(outcomes)
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Reply:
        self.count += 1
        outcome = self.outcomes[min(self.count, len(self.outcomes)) - 1]
        await self.gate.wait()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


_REPLY = Reply(200, {"code": "200"}, "200")


def _registrations(clock: Clock | None = None) -> Registrations:
    return Registrations(MemoryAnswers(clock or Clock()))


async def _says(once: Callable[[], Awaitable[Reply]]) -> str:
    try:
        return (await once()).result
    except Problem as problem:
        return problem.kind.slug


def test_memory_holds_what_the_limit_of_all_lets_through_meanwhile() -> None:
    assert Limits().total_per_minute * KEPT_S / 60 <= answers._MOST


async def test_the_same_again_is_answered_from_memory_for_five_minutes() -> None:
    clock, send = Clock(), Sends(_REPLY)
    registrations = _registrations(clock)
    for clock.now in (0.0, 1.0, KEPT_S - 0.1):
        assert await registrations.once("radio-1 n", send) == _REPLY
    assert send.count == 1
    clock.now = float(KEPT_S)
    await registrations.once("radio-1 n", send)
    assert send.count == 2


async def test_another_nonce_or_device_is_another_registration() -> None:
    registrations, send = _registrations(), Sends(_REPLY)
    for key in ("radio-1 n", "radio-1 m", "radio-2 n"):
        await registrations.once(key, send)
    assert send.count == 3


async def test_those_who_ask_while_it_is_under_way_get_the_one_answer() -> None:
    registrations, send = _registrations(), Sends(_REPLY)
    send.gate.clear()
    asked = [asyncio.create_task(registrations.once("radio-1 n", send)) for _ in range(5)]
    await asyncio.sleep(0)
    send.gate.set()
    assert await asyncio.gather(*asked) == [_REPLY] * 5
    assert send.count == 1


async def test_one_that_hangs_up_does_not_cancel_it() -> None:
    registrations, send = _registrations(), Sends(_REPLY)
    send.gate.clear()
    asked = asyncio.create_task(registrations.once("radio-1 n", send))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    send.gate.set()
    assert await registrations.once("radio-1 n", send) == _REPLY
    assert send.count == 1


@pytest.mark.parametrize("sent", [True, False])
async def test_it_is_sent_again_only_if_nothing_was_sent(sent: bool) -> None:
    problem = Problem(Kind.VENDOR_SLOW if sent else Kind.VENDOR_AWAY, "x", sent=sent)
    registrations, send = _registrations(), Sends(problem, _REPLY)
    first = await _says(lambda: registrations.once("radio-1 n", send))
    second = await _says(lambda: registrations.once("radio-1 n", send))
    assert (first, second) == (("vendor-slow",) * 2 if sent else ("vendor-away", "ok"))
    assert send.count == (1 if sent else 2)


async def test_a_fault_of_ours_is_not_sent_again_and_its_text_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    registrations, send = _registrations(), Sends(ValueError("a secret"), _REPLY)
    for _ in range(2):
        assert await _says(lambda: registrations.once("radio-1 n", send)) == "internal"
    assert send.count == 1
    assert "ValueError" in caplog.text
    assert "a secret" not in caplog.text


async def test_no_more_than_so_many_are_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_AT_ONCE", 2)
    registrations, send = _registrations(), Sends(_REPLY)
    send.gate.clear()
    asked = [asyncio.create_task(registrations.once(f"radio {n}", send)) for n in range(2)]
    await asyncio.sleep(0)
    assert await _says(lambda: registrations.once("radio 3", send)) == "busy"
    send.gate.set()
    await asyncio.gather(*asked)
    assert await _says(lambda: registrations.once("radio 3", send)) == "ok"


async def test_a_stop_waits_for_what_is_under_way_but_not_for_ever() -> None:
    registrations, send = _registrations(), Sends(_REPLY)
    send.gate.clear()
    asked = asyncio.create_task(registrations.once("radio-1 n", send))
    await asyncio.sleep(0)
    await registrations.finish(0.01)
    assert not asked.done()
    asyncio.get_running_loop().call_later(0.01, send.gate.set)
    await registrations.finish(10)
    assert await asked == _REPLY
    await registrations.finish(10)


async def test_memory_holds_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmid_relay.answers._MOST", 3)
    clock = Clock()
    answers = MemoryAnswers(clock)
    for number in range(10):
        await answers.keep(str(number), _REPLY)
    assert len(answers._kept) == 3
    clock.now = KEPT_S
    await answers.keep("last", _REPLY)
    assert list(answers._kept) == ["last"]


async def test_a_device_gets_the_same_answer_again_and_the_vendor_one_request(
    board: Board, vendor: Vendor
) -> None:
    answers = [await board.register("n" * 26) for _ in range(3)]
    assert len({answer.text for answer in answers}) == 1
    assert len(vendor.calls) == 1
    await board.register("m" * 26)
    assert len(vendor.calls) == 2


async def test_a_refusal_is_kept_too(board: Board, vendor: Vendor) -> None:
    vendor.body = {"code": "100007", "success": False, "message": "no quota"}
    assert [(await board.register()).json()["code"] for _ in "12"] == ["100007"] * 2
    assert len(vendor.calls) == 1


async def test_a_time_out_is_answered_as_such_and_not_tried_again(
    vendor: Vendor, ca_file: Path
) -> None:
    never = asyncio.Event()
    vendor.before = never.wait
    limits = {"vendor_timeout_s": 0.2}
    async with relay_for(settings_for(vendor, ca_file, limits=limits)) as board:
        first = await board.register()
        vendor.before = None
        second = await board.register()
    never.set()
    assert [first.status_code, second.status_code] == [504, 504]
    assert len(vendor.calls) == 1

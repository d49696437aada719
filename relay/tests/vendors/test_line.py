"""Many requests at once wait in line before a vendor, and not for ever."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from mmid_relay.problems import Kind, Problem
from mmid_relay.vendors import upstream as module
from mmid_relay.vendors.upstream import Connections, Upstream
from tests.rig import Vendor


async def test_no_more_than_a_few_are_sent_at_once_and_all_are_answered(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    at_once = most = 0

    async def look() -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1

    vendor.before = look
    async with aclosing(Connections(str(ca_file))) as connections:
        upstream = Upstream("dashscope", connections, 5)
        url = f"https://localhost:{vendor.port}/api/v1/tokens"
        asked = [upstream.post(url, headers={}, content=b"") for _ in range(20)]
        answers = await asyncio.gather(*asked)
    assert [answer.status for answer in answers] == [200] * 20
    assert most == 3


async def test_who_waits_too_long_hears_that_nothing_was_sent(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LINE_S", 0.05)
    async with aclosing(Connections(str(ca_file))) as connections:
        upstream = Upstream("dashscope", connections, 5)
        while not upstream._line.locked():
            await upstream._line.acquire()
        url = f"https://localhost:{vendor.port}/api/v1/tokens"
        with pytest.raises(Problem) as caught:
            await upstream.post(url, headers={}, content=b"")
    assert (caught.value.kind, caught.value.sent) == (Kind.BUSY, False)
    assert not vendor.calls


async def test_who_still_waits_at_a_stop_hears_that_nothing_was_sent(
    vendor: Vendor, ca_file: Path
) -> None:
    async with aclosing(Connections(str(ca_file))) as connections:
        upstream = Upstream("dashscope", connections, 5)
        while not upstream._line.locked():
            await upstream._line.acquire()
        url = f"https://localhost:{vendor.port}/api/v1/tokens"
        waiting = [asyncio.create_task(upstream.post(url, headers={}, content=b"")) for _ in "123"]
        await asyncio.sleep(0)
        upstream.stop()
        upstream._line.release()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    problems = [one for one in outcomes if isinstance(one, Problem)]
    assert [(one.kind, one.sent) for one in problems] == [(Kind.BUSY, False)] * 3
    assert not vendor.calls

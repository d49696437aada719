"""A registration under way is seen through, though nobody waits for it any more."""

import asyncio
import gc
from typing import Any

import pytest

from mmid.errors import ConnectionLost
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import boot, stored


async def test_a_registration_is_stored_even_when_nobody_waits_for_it_any_more() -> None:
    store, desk = MemoryStore(), LicenseDesk(registration(), token())
    desk.gate.clear()
    parts = await boot(desk, store)
    asking = asyncio.create_task(parts.access.credential())
    await desk.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    desk.gate.set()
    await parts.access.see_through()
    assert stored(store).registered
    assert desk.kinds == ["register"]


async def test_whoever_asks_next_joins_the_registration_under_way() -> None:
    desk = LicenseDesk(registration(), token())
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.access.credential())
    await desk.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    again = asyncio.create_task(parts.access.credential())
    await asyncio.sleep(0)
    desk.gate.set()
    await again
    assert desk.kinds == ["register", "token"]


async def test_a_registration_that_gets_no_answer_holds_a_stop_for_a_bounded_time() -> None:
    desk = LicenseDesk(registration())
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.access.credential())
    await desk.asked.wait()
    asking.cancel()
    async with asyncio.timeout(2.0):
        await parts.access.see_through()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_cancelled_registration_that_fails_leaves_no_traceback() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    desk = LicenseDesk(ConnectionLost("no network"))
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.access.credential())
    await desk.asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    desk.gate.set()
    await parts.access.see_through()
    del asking
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []

"""What all tests share: ways to search, message buses, a board that a test holds in its hand."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.dbus.private_bus import PrivateBus
from tests.gateway.board import Board

_LONGEST_NAME = 60
# For what a test that ran out of time has to stop: programs, servers.
_CANCEL_S = 30.0

# Where this is set, each program that a test starts would compile all of mmid
# again: that is two thirds of a start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What is run in the background of a script starts deaf for Ctrl-C, and so would its children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, which is no lottery, and no clock: machines stall.
settings.register_profile(
    "suite",
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# To search for longer than the suite may: pytest --hypothesis-profile=search --timeout=0.
settings.register_profile(
    "search",
    max_examples=2_000,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("suite")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a long value by its length: a coded sound is other bytes in each process that makes it.

    Processes that share the tests out (pytest-xdist) must name them alike.
    """
    if isinstance(val, bytes | str) and len(val) > _LONGEST_NAME:
        return f"{type(val).__name__}{len(val)}"
    return None


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Function) -> Iterator[None]:
    """Leave no event loop behind, and nothing that runs in one, as later pytest-asyncio does.

    What Debian 13's (0.25) leaves open is closed by the garbage collector, in a later test, which
    fails for it: the programs and connections of a test that ran out of time, and a loop that
    it keeps ready for the next test, if that is a plain one which calls ``asyncio.run``.
    """
    loop: Any = item.funcargs.get("event_loop")
    if loop is None:
        yield
        return
    for task in asyncio.all_tasks(loop):
        if getattr(task.get_coro(), "__name__", "") == item.originalname:
            task.cancel()
            loop.run_until_complete(asyncio.wait({task}, timeout=_CANCEL_S))
    yield
    with suppress(RuntimeError):  # there is none
        asyncio.get_event_loop_policy().get_event_loop().close()


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    made = Board()
    await made.book.load()
    yield made
    await made.book.close()


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bus that all tests share."""
    with PrivateBus(tmp_path_factory.mktemp("bus")) as bus:
        yield bus.address


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[PrivateBus]:
    """A bus for one test, to be mistreated."""
    with PrivateBus(tmp_path) as bus:
        yield bus


def pytest_collection_finish() -> None:
    """Leave what was collected out of the garbage collector's rounds: it stays to the end."""
    gc.freeze()

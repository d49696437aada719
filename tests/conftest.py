"""What all tests share: the ways to search, and a board that a test holds in its hand."""

import os
import signal
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from tests.board import Board

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


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    made = Board()
    await made.book.load()
    yield made
    await made.book.close()

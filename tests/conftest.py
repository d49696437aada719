"""A board whose devices and cloud a test holds in its hand."""

from collections.abc import AsyncIterator

import pytest

from tests.board import Board


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    made = Board()
    await made.book.load()
    yield made
    await made.book.close()

"""Message buses for mmictl."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dbus.private_bus import PrivateBus


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bus that the tests of a module share."""
    with PrivateBus(tmp_path_factory.mktemp("bus")) as bus:
        yield bus.address


@pytest.fixture
def own_bus(tmp_path: Path) -> Iterator[PrivateBus]:
    """A bus for one test, to be mistreated."""
    with PrivateBus(tmp_path) as bus:
        yield bus

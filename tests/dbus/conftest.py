from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.front import Front
from mmid.events import State
from mmid.status import Status
from tests.dbus import system_bus
from tests.dbus.private_bus import NotingApplication, PrivateBus

# They need several users, and only root can be these; and a /proc of their own.
collect_ignore = [] if system_bus.possible() else ["test_access.py", "test_activation.py"]
collect_ignore += [] if system_bus.processes_can_be_hidden() else ["test_hidden_processes.py"]


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


@pytest.fixture
def status() -> Status:
    return Status(state=State.LISTENING, connected=True)


@pytest.fixture
async def application(status: Status) -> NotingApplication:
    return NotingApplication(status)


@pytest.fixture
async def front(
    address: str, status: Status, application: NotingApplication
) -> AsyncIterator[Front]:
    front = await Front.open(address, status, application)
    application.front = front
    yield front
    await front.close()


@pytest.fixture
async def client(address: str, front: Front) -> AsyncIterator[Client]:
    async with await Client.connect(address) as client:
        yield client


@pytest.fixture
async def bus(address: str) -> AsyncIterator[Bus]:
    """A connection of a program that is not mmid's."""
    bus = await Bus.connect(address)
    yield bus
    await bus.close()

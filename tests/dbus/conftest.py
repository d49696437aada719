from collections.abc import AsyncIterator

import pytest

from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.front import Front
from mmid.events import State
from mmid.status import Status
from tests.dbus import system_bus
from tests.dbus.private_bus import NotingApplication

# They need several users, and only root can be these; and a /proc of their own.
collect_ignore = [] if system_bus.possible() else ["test_access.py", "test_activation.py"]
collect_ignore += [] if system_bus.processes_can_be_hidden() else ["test_hidden_processes.py"]


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

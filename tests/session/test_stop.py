"""A stop says goodbye, in bounded time, and leaves nothing behind."""

import asyncio
from pathlib import Path

import pytest

from mmid.events import DataDeinit, State
from mmid.simcloud.core.certificates import Certificates
from tests.session.supervised import clouded, nobody, silent_peer, soon, supervised
from tests.session.talking import settings_of

pytestmark = pytest.mark.usefixtures("quick_stop")

# How long a stop may take.
STOP_S = 2.0


async def test_stop_says_goodbye_in_bounded_time(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        async with asyncio.timeout(STOP_S):
            await rig.supervisor.stop()
        await cloud.wait_for(lambda entry: entry.get("name") == "Stop")
        assert rig.status.state is State.OFFLINE


async def test_stop_gives_up_an_attempt_in_bounded_time(certificates: Certificates) -> None:
    async with (
        silent_peer() as (port, news),
        supervised(nobody(certificates, port)) as rig,
    ):
        assert await soon(news) == "opened"
        async with asyncio.timeout(STOP_S):
            await rig.supervisor.stop()
        assert await soon(news) == "closed"


async def test_cancelling_leaves_no_task(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        rig.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await rig.running
        left = {task.get_name() for task in asyncio.all_tasks()}
        assert left.isdisjoint({"mmid-attempt", "mmid-reader", "mmid-writer"})
        assert rig.host.events[-1] == DataDeinit()

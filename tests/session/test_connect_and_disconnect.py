"""Connect, Disconnect and a restart: what somebody wants of the connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from mmid.events import DataDeinit, DataInit, State
from mmid.session.effects import Emit
from mmid.session.license.record import DeviceRecord
from mmid.simcloud.core.certificates import Certificates
from tests.session.doubles import MemoryStore
from tests.session.supervised import Rig, clouded, nobody, silent_peer, soon, supervised
from tests.session.talking import AMPLE_S, settings_of

pytestmark = pytest.mark.usefixtures("quick_stop")


@asynccontextmanager
async def resting(cloud_directory: Path) -> AsyncIterator[Rig]:
    """A dialog that has left because nobody talks."""
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        rig.supervisor.rest()
        await rig.host.wait_for(Emit(DataDeinit()))
        yield rig


@pytest.mark.usefixtures("patient")
async def test_a_dialog_that_rests_is_away_until_somebody_wants_to_talk(
    cloud_directory: Path,
) -> None:
    async with resting(cloud_directory) as rig:
        assert "press" in rig.supervisor.describe()
        await rig.no_more_attempts()
        assert rig.supervisor.hurry()
        await rig.listening(nth=2)
        assert rig.supervisor.describe() == ""
        rig.supervisor.rest()
        assert rig.supervisor.hurry(), "at the moment of leaving"
        await rig.listening(nth=3)
        assert rig.codes == []


async def test_calls_that_come_before_the_first_attempt_count(certificates: Certificates) -> None:
    # The bus hands over the call that started mmid before the supervisor's task has begun.
    async with supervised(nobody(certificates)) as rig:
        assert rig.supervisor.hurry(), "there is hope for a press"
        rig.supervisor.disconnect()
        await rig.no_more_attempts()
        assert not rig.supervisor.hurry()


@pytest.mark.usefixtures("patient")
async def test_a_disconnect_while_a_dialog_rests_is_told_in_the_status_line(
    cloud_directory: Path,
) -> None:
    async with resting(cloud_directory) as rig:
        await rig.no_more_attempts()
        lines: list[str] = []
        rig.status.observe(lambda _: lines.append(rig.supervisor.describe()))
        rig.supervisor.disconnect()
        assert lines == [""]
        assert not rig.supervisor.hurry()


@pytest.mark.usefixtures("patient")
async def test_a_clock_that_was_set_does_not_wake_a_dialog_that_rests(
    cloud_directory: Path,
) -> None:
    async with resting(cloud_directory) as rig:
        rig.supervisor.clock_set()
        await rig.no_more_attempts()


@pytest.mark.usefixtures("eager")
async def test_disconnect_holds_down_until_connect(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        rig.supervisor.disconnect()
        await cloud.wait_for(lambda entry: entry.get("name") == "Stop")
        await cloud.wait_for("disconnect")
        await rig.host.wait_for(Emit(DataDeinit()))
        await rig.no_more_attempts()
        assert rig.status.state is State.OFFLINE
        rig.supervisor.connect()
        await rig.listening(nth=2)


async def test_disconnect_cancels_an_attempt_under_way(certificates: Certificates) -> None:
    async with (
        silent_peer() as (port, news),
        supervised(nobody(certificates, port)) as rig,
    ):
        assert await soon(news) == "opened"
        rig.supervisor.disconnect()
        assert await soon(news) == "closed"
        await rig.no_more_attempts()
        assert rig.status.state is State.OFFLINE
        assert rig.host.events == [DataInit(), DataDeinit()]


async def test_disconnect_and_connect_at_once_begin_a_new_attempt(
    certificates: Certificates,
) -> None:
    async with (
        silent_peer() as (port, news),
        supervised(nobody(certificates, port)) as rig,
    ):
        assert await soon(news) == "opened"
        rig.supervisor.disconnect()
        rig.supervisor.connect()
        assert {await soon(news), await soon(news)} == {"closed", "opened"}
        assert not rig.running.done()


@pytest.mark.usefixtures("patient")
async def test_connect_does_not_wait_for_the_back_off(certificates: Certificates) -> None:
    async with supervised(nobody(certificates)) as rig:
        for number in range(1, 5):
            await rig.attempts(number)
            await rig.host.wait_for(Emit(DataDeinit()), nth=number)
            rig.supervisor.connect()
        await rig.attempts(5)


@pytest.mark.usefixtures("patient")
async def test_restart_ends_the_dialog_politely_and_begins_another_at_once(
    cloud_directory: Path,
) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        rig.supervisor.restart("the settings were changed")
        await rig.listening(nth=2)
        await cloud.wait_for(lambda entry: entry.get("name") == "Stop")
        assert rig.host.errors == []


async def test_a_new_dialog_while_connecting_does_not_go_on_with_the_old_one(
    certificates: Certificates,
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()
    starts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def wait(_: ServerConnection, __: Request) -> None:
        asked.set()
        await go.wait()

    async def keep_start(connection: ServerConnection) -> None:
        starts.put_nowait(json.loads(await connection.recv()))
        await connection.wait_closed()

    context = certificates.server_context()
    async with serve(
        keep_start, "127.0.0.1", 0, ssl=context, process_request=wait, close_timeout=0.1
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        store = MemoryStore(DeviceRecord(dialog_id="the-old-one").encode())
        async with supervised(nobody(certificates, port), store=store) as rig:
            await asked.wait()
            rig.book.remember_dialog("")
            rig.status.update(dialog_id="")
            rig.supervisor.restart("the settings were changed")
            go.set()
            async with asyncio.timeout(AMPLE_S):
                start = await starts.get()
    assert "dialog_id" not in start["payload"]["input"]


async def test_other_settings_count_at_once_while_the_old_cloud_says_nothing(
    certificates: Certificates, cloud_directory: Path
) -> None:
    async with (
        silent_peer() as (port, news),
        clouded(cloud_directory) as cloud,
        supervised(nobody(certificates, port)) as rig,
    ):
        assert await soon(news) == "opened"
        rig.supervisor.use(settings_of(cloud))
        rig.supervisor.restart("the settings were changed")
        await rig.listening()
        assert rig.host.errors == []


@pytest.mark.usefixtures("patient")
async def test_whoever_asked_for_a_connection_that_is_there_asks_for_no_other_after_it(
    cloud_directory: Path,
) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.attempts(1)
        rig.supervisor.connect()  # while it connects anyway
        await rig.listening()
        rig.supervisor.connect()
        rig.supervisor.rest()
        await rig.host.wait_for(Emit(DataDeinit()))
        await rig.no_more_attempts()
        rig.supervisor.connect()
        await rig.listening(nth=2)
        rig.supervisor.rest()
        rig.supervisor.connect()
        await rig.listening(nth=3)

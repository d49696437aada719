"""A supervisor that runs, with the real access and dialer, and everything around it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mmid.events import DataInit, SpeechPrepare, State
from mmid.secrets import Secret
from mmid.session.clouds import cloud_of, with_own_rates
from mmid.session.dialer import Dialer
from mmid.session.effects import Authorized, Effect, Emit, SaveDialog, Show, Unauthorized
from mmid.session.license.messages import Refusal
from mmid.session.license.record_book import RecordBook
from mmid.session.license.service import Exchange
from mmid.session.supervisor import Supervisor
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.scenario import Fault, Scenario
from mmid.status import Status
from tests.session.doubles import Host, LicenseDesk, MemoryStore, TestClock, peer
from tests.session.talking import AMPLE_S, settings_of

# How long nothing must happen to be taken for never: many times the waits of ``eager``.
NEVER_S = 0.3


@dataclass(slots=True)
class Rig:
    """A supervisor that runs, and everything around it."""

    supervisor: Supervisor
    host: Host
    status: Status
    clock: TestClock
    store: MemoryStore
    book: RecordBook
    running: asyncio.Task[None]

    async def listening(self, *, nth: int = 1) -> None:
        """Wait for the nth Listening."""
        await self.host.wait_for(Emit(SpeechPrepare()), nth=nth)

    async def attempts(self, number: int) -> None:
        """Wait for so many connection attempts."""
        await self.host.wait_for(Emit(DataInit()), nth=number)

    async def error(self, code: str, *, nth: int = 1) -> None:
        """Wait for the nth Error with this code."""
        await self.host.wait_until(lambda: self.codes.count(code) >= nth, f"Error {code}")

    @property
    def codes(self) -> list[str]:
        """The codes of the errors so far."""
        return [error.code for error in self.host.errors]

    async def no_more_attempts(self) -> None:
        """Check that nothing is tried any more."""
        changes: list[State] = []
        self.status.observe(lambda changed: changes.append(changed.get("state", State.OFFLINE)))
        await asyncio.sleep(NEVER_S)
        assert State.CONNECTING not in changes
        assert not self.running.done()


@asynccontextmanager
async def supervised(
    settings: Settings,
    ask: Exchange | None = None,
    *,
    store: MemoryStore | None = None,
    synchronized: bool = True,
) -> AsyncIterator[Rig]:
    """Run a supervisor as the daemon does."""
    host, status, clock, store = Host(), Status(), TestClock(), store or MemoryStore()
    clock.synchronized = synchronized
    book = RecordBook(store)
    await book.load()
    dialer = Dialer(settings)
    made: Supervisor
    access = cloud_of(settings.cloud.protocol).access(
        settings,
        book=book,
        clock=clock,
        status=status,
        exchange=ask or LicenseDesk(Refusal("100007")),
        rehearse=dialer.rehearse,
        work_mode=lambda: made.work_mode,
    )
    access.show()
    made = Supervisor(
        access=access,
        dialer=dialer,
        clock=clock,
        status=status,
        host=host,
        dialog_id=lambda: book.record.dialog_id,
        work_mode=settings.dialog.work_mode,
    )

    def act(effect: Effect) -> None:
        match effect:
            case Show(state):
                status.update(state=state)
            case Authorized():
                made.authorized()
            case Unauthorized(error):
                made.refused(error)
            case SaveDialog(dialog_id):
                status.update(dialog_id=dialog_id)
                book.remember_dialog(dialog_id)

    host.on_effect = act
    running = asyncio.create_task(made.run(), name="test-supervisor")
    try:
        yield Rig(made, host, status, clock, store, book, running)
    finally:
        await made.stop()
        running.cancel()
        await asyncio.wait({running})
        await book.close()


@asynccontextmanager
async def asking(
    certificates: Certificates, desk: Exchange, store: MemoryStore | None = None
) -> AsyncIterator[Rig]:
    """Run a supervisor of a device that is to register, with a service that answers so.

    Its cloud has a good certificate, and hangs up.
    """
    license_ = License(
        app_id="mm_01",
        app_secret=Secret("0123456789abcdef" * 2),
        api_key=Secret("sk-0123456789"),
        device_name="board1",
    )

    async def hang_up(*_: object) -> None:
        """Say nothing."""

    async with peer(hang_up, certificates.server_context()) as port:
        settings = replace(nobody(certificates, port), license=license_)
        async with supervised(settings, desk, store=store) as rig:
            yield rig


@asynccontextmanager
async def clouded(directory: Path, *faults: Fault) -> AsyncIterator[SimCloud]:
    async with SimCloud(directory, scenario=Scenario(faults=faults)) as cloud:
        yield cloud


def licensed(cloud: SimCloud) -> Settings:
    settings = settings_of(cloud)
    return replace(settings, license=replace(settings.license, mode="fully-managed"))


def nobody(certificates: Certificates, port: int = 1) -> Settings:
    """Settings of a device whose cloud is not there."""
    settings = Settings(
        cloud=Cloud(ws_url=f"wss://127.0.0.1:{port}/", ca_file=str(certificates.ca_file)),
        license=License(mode="pay-as-you-go", app_id="mm_01", api_key=Secret("sk-0123456789")),
    )
    return with_own_rates(settings)


@asynccontextmanager
async def silent_peer() -> AsyncIterator[tuple[int, "asyncio.Queue[str]"]]:
    """A TCP server that says nothing; yields its port and what happens at it."""
    news: asyncio.Queue[str] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        news.put_nowait("opened")
        await reader.read()
        news.put_nowait("closed")

    async with peer(hear) as port:
        yield port, news


async def soon(news: "asyncio.Queue[str]") -> str:
    async with asyncio.timeout(AMPLE_S):
        return await news.get()

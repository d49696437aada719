"""Connected, and again, for months: against simcloud, with the real keeper and dialer."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from mmid.errors import MalformedMessage
from mmid.events import DataDeinit, DataInit, SpeechPrepare, SpeechReady, State
from mmid.secrets import Secret
from mmid.session import backoff, supervisor
from mmid.session.backoff import Backoff
from mmid.session.dialer import Dialer
from mmid.session.effects import Effect, Emit, Moved, SaveDialog, Show
from mmid.session.license.exchange_child import answer
from mmid.session.license.keeper import Keeper
from mmid.session.license.messages import ExchangeReply, ExchangeRequest, Refusal, Token
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import RecordBook
from mmid.session.license.service import Exchange
from mmid.session.supervisor import Supervisor
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.certificates import Certificates, make_certificates
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.scenario import Fault, Scenario
from mmid.status import LicenseState, Status
from tests.session.doubles import Host, LicenseDesk, MemoryStore, TestClock, peer, registration
from tests.session.talking import AMPLE_S, settings_of

pytestmark = pytest.mark.usefixtures("quick_stop")

STOP_S = 2.0
# How long nothing must happen to be taken for never: many times the waits of ``eager``.
NEVER_S = 0.3


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the back-off begin with 10 ms at most."""
    for module in (backoff, supervisor):
        monkeypatch.setattr(module, "FIRST_S", 0.01, raising=False)
    monkeypatch.setattr(backoff, "CAP_S", 0.02)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the back-off so long that no test sees a second attempt by itself."""
    monkeypatch.setattr(backoff, "FIRST_S", 1000.0)
    monkeypatch.setattr(backoff, "CAP_S", 1000.0)


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
    keeper = Keeper(
        cloud=settings.cloud,
        license=settings.license,
        book=book,
        clock=clock,
        status=status,
        exchange=ask or LicenseDesk(Refusal("100007")),
    )
    keeper.show()
    made = Supervisor(keeper=keeper, dialer=Dialer(settings), clock=clock, status=status, host=host)

    def act(effect: Effect) -> None:
        match effect:
            case Show(state):
                status.update(state=state)
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
async def clouded(directory: Path, *faults: Fault) -> AsyncIterator[SimCloud]:
    async with SimCloud(directory, scenario=Scenario(faults=faults)) as cloud:
        yield cloud


def licensed(cloud: SimCloud) -> Settings:
    settings = settings_of(cloud)
    return replace(settings, license=replace(settings.license, mode="fully-managed"))


def nobody(certificates: Certificates, port: int = 1) -> Settings:
    """Settings of a device whose cloud is not there."""
    return Settings(
        cloud=Cloud(ws_url=f"wss://127.0.0.1:{port}/", ca_file=str(certificates.ca_file)),
        license=License(mode="pay-as-you-go", app_id="mm_01", api_key=Secret("sk-0123456789")),
    )


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


async def over_https(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
    """Do what the child process does, in a thread: ten times quicker."""
    return await asyncio.to_thread(answer, request, timeout_s)


# --- connected ---------------------------------------------------------------------------------


async def test_it_connects_by_itself(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        assert rig.host.events == [DataInit(), SpeechReady(), SpeechPrepare()]
        assert rig.status.state is State.LISTENING
        assert rig.status.license_state is LicenseState.AUTHORIZED
        assert rig.supervisor.conversation is not None


async def test_it_registers_fetches_a_token_and_connects(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(licensed(cloud), over_https) as rig:
        await rig.listening()
        connected = await cloud.wait_for("connect")
        assert (connected["credential"], connected["device_name"]) == ("token", "board1")
        assert rig.status.registered
        assert rig.codes == []


@pytest.mark.usefixtures("eager")
async def test_after_a_drop_it_goes_on_with_the_same_dialog(cloud_directory: Path) -> None:
    async with (
        clouded(cloud_directory, Fault("Listening", "drop")) as cloud,
        supervised(settings_of(cloud)) as rig,
    ):
        await rig.listening(nth=2)
        first, second = [
            await cloud.wait_for(lambda entry: entry.get("name") == "Start", nth=nth)
            for nth in (1, 2)
        ]
        assert first.get("dialog_id") is None
        assert second["dialog_id"] == rig.status.dialog_id != ""
        assert rig.host.errors == [], "an idle drop that heals needs no Error"
        assert rig.host.events.count(DataDeinit()) == 1
        assert rig.host.events.count(SpeechReady()) == 2


@pytest.mark.usefixtures("eager")
async def test_a_token_that_is_refused_is_replaced(cloud_directory: Path) -> None:
    bogus = iter([Secret("st-bogus-bogus-bogus")])

    async def ask(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
        reply = await over_https(request, timeout_s=timeout_s)
        return replace(reply, token=next(bogus, reply.token)) if isinstance(reply, Token) else reply

    async with clouded(cloud_directory) as cloud, supervised(licensed(cloud), ask) as rig:
        await rig.listening()
        assert (await cloud.wait_for("rejected"))["status"] == 401
        asked = [entry["kind"] for entry in cloud.journal.entries if entry.get("code") == "200"]
        assert asked == ["register", "token", "token"]
        assert rig.codes == ["401"]


# --- what people want --------------------------------------------------------------------------


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


# --- a press that asks for haste ---------------------------------------------------------------


@pytest.mark.usefixtures("patient")
async def test_a_press_ends_a_long_wait_for_the_next_attempt(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_HURRY_S", 0.0)
    async with supervised(nobody(certificates)) as rig:
        for number in range(1, 4):
            await rig.attempts(number)
            await rig.host.wait_for(Emit(DataDeinit()), nth=number)
            await asyncio.sleep(0)
            assert rig.supervisor.hurry()
        await rig.attempts(4)


@pytest.mark.usefixtures("patient")
async def test_whoever_presses_again_and_again_makes_no_storm(certificates: Certificates) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.host.wait_for(Emit(DataDeinit()))
        for _ in range(100):
            assert rig.supervisor.hurry(), "a first attempt was made a moment ago"
            await asyncio.sleep(0)
        assert rig.host.events.count(DataInit()) == 1


async def test_there_is_no_hope_after_disconnect(certificates: Certificates) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.attempts(1)
        rig.supervisor.disconnect()
        assert not rig.supervisor.hurry()
        rig.supervisor.connect()
        assert rig.supervisor.hurry()


@pytest.mark.usefixtures("eager")
async def test_there_is_no_hope_after_a_refusal(certificates: Certificates) -> None:
    desk = LicenseDesk(Refusal("100007"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("100007")
        await asyncio.sleep(0)
        assert not rig.supervisor.hurry()
        await rig.no_more_attempts()


# --- the black box -----------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
async def test_the_way_to_a_dialog_and_its_end_are_moves_for_the_black_box(
    cloud_directory: Path,
) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        rig.supervisor.disconnect()
        await rig.host.wait_for(Moved("offline", "ended politely"))
    moves = [effect for effect in rig.host.effects if isinstance(effect, Moved)]
    assert moves[:2] == [Moved("connecting", "attempt 1"), Moved("dialling", "credential")]


@pytest.mark.usefixtures("patient")
async def test_a_failed_attempt_is_a_move_with_its_cause(certificates: Certificates) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.host.wait_for(Moved("offline", "connection-lost"))


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("eager")
async def test_a_refusal_stops_and_is_told_once(certificates: Certificates) -> None:
    desk = LicenseDesk(Refusal("100007"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("100007")
        await rig.no_more_attempts()
        assert rig.codes == ["100007"]
        assert desk.kinds == ["register"]
        assert rig.status.license_state is LicenseState.REFUSED


@pytest.mark.usefixtures("eager")
async def test_register_asks_again_and_tells_again_what_comes_of_it(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(Refusal("100007"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("100007")
        rig.supervisor.register()
        await rig.error("100007", nth=2)
        assert desk.kinds == ["register", "register"]


@pytest.mark.usefixtures("eager")
async def test_a_quota_that_is_used_up_keeps_the_state_and_waits_for_hours(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(registration(), Refusal("200014"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("200014")
        await asyncio.sleep(NEVER_S)
        assert desk.kinds == ["register", "token"]
        assert rig.status.license_state is LicenseState.REGISTERED
        error = rig.status.license_error
        assert (error["code"], error["remedy"]) == ("200014", "buy")
        assert 3_600_000 < int(error["next_attempt"]) - rig.clock.now_ms() < 3 * 3_600_000


@pytest.mark.usefixtures("eager")
async def test_a_clock_that_was_refused_is_tried_again_when_it_was_set(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(registration(), Refusal("100010"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("100010")
        await asyncio.sleep(NEVER_S)
        assert desk.kinds == ["register", "token", "token"]
        assert rig.status.license_state is LicenseState.REFUSED
        rig.supervisor.clock_set()
        await rig.error("100010", nth=2)
        assert desk.kinds[:4] == ["register", *["token"] * 3]


@pytest.mark.usefixtures("eager")
async def test_a_clock_that_was_set_does_not_call_off_another_refusal(
    certificates: Certificates,
) -> None:
    desk = LicenseDesk(Refusal("100007"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("100007")
        rig.supervisor.clock_set()
        await rig.no_more_attempts()
        assert desk.kinds == ["register"]


@pytest.mark.usefixtures("eager")
async def test_a_platform_without_tokens_is_asked_six_times(certificates: Certificates) -> None:
    desk = LicenseDesk(registration(), Refusal("300002"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        async with asyncio.timeout(AMPLE_S):
            while len(desk.requests) < 7:
                desk.asked.clear()
                await desk.asked.wait()
        await asyncio.sleep(NEVER_S)
        assert desk.kinds == ["register", *["token"] * 6]
        assert rig.codes == ["300002"]
        assert rig.status.license_state is LicenseState.REGISTERED


@pytest.mark.usefixtures("eager")
async def test_a_registration_whose_answer_cannot_be_read_stops(certificates: Certificates) -> None:
    desk = LicenseDesk(MalformedMessage("it cannot be opened"))
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk) as rig:
        await rig.error("malformed-message")
        await rig.no_more_attempts()
        assert desk.kinds == ["register"]
        assert rig.status.license_state is LicenseState.REFUSED


@pytest.mark.usefixtures("eager")
async def test_a_board_that_is_not_provisioned_says_so_once_and_waits(
    certificates: Certificates,
) -> None:
    async with supervised(replace(nobody(certificates), license=License())) as rig:
        await rig.error("not-provisioned")
        await rig.no_more_attempts()
        assert rig.codes == ["not-provisioned"]
        assert rig.status.license_state is LicenseState.UNPROVISIONED
        assert rig.status.state is State.OFFLINE


async def test_a_record_that_cannot_be_kept_is_told_and_nothing_is_asked(
    certificates: Certificates,
) -> None:
    store, desk = MemoryStore(), LicenseDesk(registration())
    store.broken = True
    settings = replace(nobody(certificates), license=_full_license())
    async with supervised(settings, desk, store=store) as rig:
        await rig.error("storage")
        await asyncio.sleep(NEVER_S)
        assert desk.requests == []


@pytest.mark.usefixtures("eager")
async def test_a_start_that_the_cloud_refuses_stops(cloud_directory: Path) -> None:
    fault = Fault("Start", "fatal", ("421", "InvalidParameter", "no such app"))
    async with clouded(cloud_directory, fault) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.error("InvalidParameter")
        await rig.host.wait_for(Emit(DataDeinit()))
        await rig.no_more_attempts()


@pytest.mark.usefixtures("eager")
async def test_a_dialog_that_the_cloud_refuses_to_go_on_with_is_begun_anew(
    cloud_directory: Path,
) -> None:
    fault = Fault("Start", "fatal", ("421", "InvalidParameter", "no such dialog"))
    store = MemoryStore(DeviceRecord(dialog_id="long-forgotten").encode())
    async with (
        clouded(cloud_directory, fault) as cloud,
        supervised(settings_of(cloud), store=store) as rig,
    ):
        await rig.listening()
        starts = [
            await cloud.wait_for(lambda entry: entry.get("name") == "Start", nth=nth)
            for nth in (1, 2)
        ]
        assert [start.get("dialog_id") for start in starts] == ["long-forgotten", None]


@pytest.mark.usefixtures("eager")
async def test_a_start_without_a_dialog_that_is_refused_is_not_repeated(
    cloud_directory: Path,
) -> None:
    fault = Fault("Start", "fatal", ("421", "InvalidParameter", "no such app"), times=1000)
    store = MemoryStore(DeviceRecord(dialog_id="long-forgotten").encode())
    async with (
        clouded(cloud_directory, fault) as cloud,
        supervised(settings_of(cloud), store=store) as rig,
    ):
        await rig.host.wait_for(Emit(DataDeinit()), nth=2)
        await rig.no_more_attempts()
        assert rig.host.events.count(DataInit()) == 2


def _full_license() -> License:
    return License(
        app_id="mm_01",
        app_secret=Secret("0123456789abcdef" * 2),
        api_key=Secret("sk-0123456789"),
        device_name="board1",
    )


# --- what heals by itself ----------------------------------------------------------------------


async def test_without_a_clock_nothing_is_signed_until_it_is_set(cloud_directory: Path) -> None:
    desk = LicenseDesk(Refusal("100007"))
    async with (
        clouded(cloud_directory) as cloud,
        supervised(licensed(cloud), desk, synchronized=False) as rig,
    ):
        await rig.error("clock")
        await asyncio.sleep(NEVER_S)
        assert rig.codes == ["clock"]
        assert desk.requests == []
        assert (rig.status.state, rig.status.clock_synchronized) == (State.CONNECTING, False)
        rig.clock.synchronized = True
        await rig.error("100007")
        assert rig.status.clock_synchronized


async def test_disconnect_ends_the_wait_for_the_clock(certificates: Certificates) -> None:
    async with supervised(nobody(certificates), synchronized=False) as rig:
        await rig.error("clock")
        rig.supervisor.disconnect()
        rig.clock.synchronized = True
        await rig.no_more_attempts()
        assert rig.status.state is State.OFFLINE


@pytest.mark.usefixtures("eager")
async def test_an_outage_is_told_once_and_not_at_its_first_moment(
    certificates: Certificates,
) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.attempts(3)
        assert rig.codes == []
        await rig.attempts(10)
        assert rig.codes == ["connection-lost"]


@pytest.mark.usefixtures("eager")
async def test_the_next_outage_is_told_anew(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud:
        settings = settings_of(cloud)
        async with supervised(settings) as rig:
            await rig.listening()
            for outage in (1, 2):
                await cloud.__aexit__()
                await rig.error("connection-lost", nth=outage)
                await rig.attempts(rig.host.effects.count(Emit(DataInit())) + 5)
                assert rig.codes == ["connection-lost"] * outage
                await _restart(cloud, settings)
                await rig.listening(nth=outage + 1)


async def _restart(cloud: SimCloud, settings: Settings) -> None:
    """Start the cloud again where the settings expect it."""
    cloud._address.port = int(settings.cloud.ws_url.rpartition(":")[2].partition("/")[0])
    await cloud.__aenter__()


@pytest.mark.usefixtures("eager")
async def test_a_certificate_that_is_not_trusted_is_told_once(
    cloud_directory: Path, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path)
    async with clouded(cloud_directory) as cloud:
        settings = settings_of(cloud)
        wrong = replace(settings, cloud=replace(settings.cloud, ca_file=str(other.ca_file)))
        async with supervised(wrong) as rig:
            await rig.attempts(4)
            assert rig.codes == ["tls"]


# --- no storms ---------------------------------------------------------------------------------


async def test_a_cloud_that_drops_us_as_soon_as_it_listens_is_not_stormed(
    cloud_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "Backoff", lambda: Backoff(draw=lambda: 0.0))
    fault = Fault("Listening", "drop", times=1000)
    async with clouded(cloud_directory, fault) as cloud, supervised(settings_of(cloud)):
        connects = [await cloud.wait_for("connect", nth=nth) for nth in range(1, 8)]
        gaps = [late["t"] - early["t"] for early, late in itertools.pairwise(connects)]
        assert gaps[-1] > 4 * 0.1, "the waits grow, even with the shortest draws"


# --- stopping ----------------------------------------------------------------------------------


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

"""An instance for each connection, and one name for ever: how a board proves itself by them."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from mmid.errors import ConnectionLost, HttpFailed, LicenseRefused, MmidError, NotProvisioned
from mmid.secrets import Secret
from mmid.session.access import HOURS_S
from mmid.session.clouds import Opening, cloud_of, with_own_rates
from mmid.session.effects import Next
from mmid.session.endpoint import ClosedUnheard, CredentialRefused
from mmid.session.instance import Instance, InstanceAccess
from mmid.session.license.messages import HttpsEndpoint
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import RecordBook
from mmid.session.relay import RelayBusy, RelayRefused
from mmid.settings import Baidu, Cloud, License, Settings, WorkMode
from mmid.status import Status
from tests.session.dialects.baidu_rtc.connection import MUST, sent
from tests.session.doubles import MemoryStore, TestClock

RELAY = "https://relay.example/v1/baidu"
REPLY: dict[str, Any] = {
    "ai_agent_instance_id": 9_007_199_254_740_993,
    "instance_type": "VoiceChat",
    "context": {"cid": 7, "token": "tok/en+1"},
    "stop_url": f"{RELAY}/stop?proof=1",
}
KEPT_OUT = RelayRefused("the relay does not let this board in", "403", advice="Ask.")
FAILED = LicenseRefused("the cloud refused this device's license", "license-refused", "Look.")
UNHEARD = ClosedUnheard(None)


class Relay:
    """Gives prepared answers to ``ask``, one a question, the last one for ever."""

    def __init__(self, *answers: dict[str, Any] | MmidError) -> None:
        self._answers = list(answers or [REPLY])
        self.asked: list[tuple[HttpsEndpoint, Mapping[str, str | int]]] = []

    async def __call__(
        self, endpoint: HttpsEndpoint, body: Mapping[str, str | int]
    ) -> dict[str, Any]:
        self.asked.append((endpoint, body))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, MmidError):
            raise answer
        return answer

    @property
    def names(self) -> set[object]:
        """The names of all devices that anybody was asked about."""
        return {body["deviceName"] for _, body in self.asked}


class Board:
    """An access, and what it is shown on and kept in; ``start`` makes it anew.

    Attributes:
        store: where the record is; what a factory reset of the root file system leaves.
        device_ids: every devId that was shown to the cloud: each is an activation.
    """

    def __init__(self, *answers: dict[str, Any] | MmidError, store: MemoryStore | None = None):
        self.relay = Relay(*answers)
        self.store = store or MemoryStore()
        self.device_ids: set[str] = set()
        self.mode: WorkMode = "push2talk"
        self.status = Status()
        self.access: InstanceAccess

    async def start(self, name: str = "kitchen-0001", **baidu: Any) -> "Board":
        """Start as the daemon does."""
        self.book = RecordBook(self.store)
        await self.book.load()
        self.status = Status()
        made = cloud_of("baidu-rtc").access(
            settings_of(name, **baidu),
            book=self.book,
            clock=TestClock(),
            status=self.status,
            work_mode=lambda: self.mode,
            ask=self.relay,
        )
        assert isinstance(made, InstanceAccess)
        self.access = made
        made.show()
        return self

    @property
    def state(self) -> str:
        return self.status.license_state.value

    async def connect(self) -> Instance:
        """Connect, show who we are, be let in, and end."""
        instance = await self.access.credential()
        self.device_ids.add(shown_as(instance))
        self.access.authorized()
        self.access.ended()
        await self.access.see_through()
        return instance


def shown_as(instance: Instance) -> str:
    """Return the devId that a connection with this instance shows when it is asked for."""
    opening = Opening(settings_of(""), instance, instance.work_mode, "", 15.0, "")
    dialect = cloud_of("baidu-rtc").dialect(opening)
    (active,) = sent(dialect.receive_text(MUST, 0.0))
    device_id = json.loads(active.removeprefix("[E]:[LIC]:[ACTIVE]:"))["devId"]
    assert isinstance(device_id, str)
    return device_id


def settings_of(name: str, **baidu: Any) -> Settings:
    given: dict[str, Any] = {
        "instance_url": f"{RELAY}/instance",
        "license_key": Secret("lic-0123456789"),
        "app_id": "app1",
    }
    settings = Settings(
        cloud=Cloud(protocol="baidu-rtc", ca_file="/etc/ca.pem"),
        license=License(
            device_name=name,
            headers=Secret("Authorization: Bearer kitchen.1.0f"),
            client_cert="/etc/board.pem",
        ),
        baidu=Baidu(**given | baidu),
    )
    return with_own_rates(settings)


# --- the instance -------------------------------------------------------------------------


async def test_each_connection_has_an_instance_of_its_own_that_is_stopped_afterwards() -> None:
    board = await Board().start()
    board.mode = "duplex"
    instance = await board.connect()
    (endpoint, asked), (stop_endpoint, stopped) = board.relay.asked
    assert asked == {"deviceName": "kitchen-0001", "codec": "raw16k", "mode": "duplex"}
    assert (endpoint.url, endpoint.ca_file, endpoint.client_cert) == (
        f"{RELAY}/instance",
        "/etc/ca.pem",
        "/etc/board.pem",
    )
    assert "kitchen.1.0f" in endpoint.headers.reveal()
    assert (instance.instance_id, instance.work_mode) == (9_007_199_254_740_993, "duplex")
    assert stop_endpoint.url == f"{RELAY}/stop?proof=1"
    assert stopped == {
        "deviceName": "kitchen-0001",
        "ai_agent_instance_id": 9_007_199_254_740_993,
    }
    await board.connect()
    assert len(board.relay.asked) == 4, "nothing of an instance is used twice"


async def test_an_instance_whose_relay_names_no_way_to_stop_it_is_left_alone() -> None:
    board = await Board({**REPLY, "stop_url": None}).start()
    await board.connect()
    assert len(board.relay.asked) == 1


async def test_an_instance_that_cannot_be_stopped_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    board = await Board(REPLY, ConnectionLost("no"), REPLY).start()
    await board.connect()
    assert "an instance was not stopped" in caplog.text
    assert board.status.license_error == {}


class SlowStop:
    """A relay that makes instances at once, and stops one when ``go`` is set."""

    def __init__(self, board: Board) -> None:
        self._relay, self.go = board.relay, asyncio.Event()
        self.stops = 0
        board.access._ask = self

    async def __call__(self, endpoint: HttpsEndpoint, body: Mapping[str, Any]) -> dict[str, Any]:
        if "/stop" not in endpoint.url:
            return await self._relay(endpoint, body)
        self.stops += 1
        await self.go.wait()
        return {}


async def test_a_stop_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmid.session.instance._SEE_THROUGH_S", 0.05)
    board = await Board().start()
    SlowStop(board)
    async with asyncio.timeout(5):
        await board.connect()


async def test_an_instance_that_is_still_open_when_mmid_ends_is_stopped() -> None:
    board = await Board().start()
    await board.access.credential()
    await board.access.see_through()
    assert board.relay.asked[-1][0].url == REPLY["stop_url"]


async def test_a_stop_without_an_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("mmid.session.instance._STOP_S", 0.01)
    board = await Board().start()
    SlowStop(board)
    await board.connect()
    assert "an instance was not stopped" in caplog.text


async def test_instances_are_stopped_one_at_a_time_and_few_wait_for_it() -> None:
    board = await Board().start()
    relay = SlowStop(board)
    for _ in range(6):
        await board.access.credential()
        board.access.ended()
        await asyncio.sleep(0)
    assert relay.stops == 1
    relay.go.set()
    await board.access.see_through()
    assert relay.stops == 4


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("ai_agent_instance_id", 1e19),
        ("ai_agent_instance_id", "1e19"),
        ("ai_agent_instance_id", 12.0),
        ("ai_agent_instance_id", True),
        ("ai_agent_instance_id", -1),
        ("ai_agent_instance_id", "12\n"),
        ("ai_agent_instance_id", "9" * 21),
        ("ai_agent_instance_id", None),
        ("context", None),
        ("context", {"cid": 7}),
        ("context", {"token": ""}),
        ("context", {"token": "two words"}),
        ("context", {"token": "x" * 4097}),
        ("url", "ws://cloud.example/"),
        ("url", "wss://cloud.example/\n"),
        ("url", "wss://[1:2]/"),
        ("url", "wss://lamp[1@cloud.example/"),
        ("url", 7),
        ("stop_url", "http://relay.example/stop"),
        ("stop_url", ["https://relay.example/stop"]),
    ],
)
async def test_what_is_no_instance_is_refused_by_the_name_of_its_member(
    member: str, value: object
) -> None:
    board = await Board({**REPLY, member: value}).start()
    with pytest.raises(HttpFailed, match=member) as caught:
        await board.access.credential()
    assert board.access.after(caught.value) is None
    assert board.state == "registered"


@pytest.mark.parametrize("number", [9_223_372_036_854_775_807, "9223372036854775807", 1])
async def test_the_id_goes_on_as_it_came(number: object) -> None:
    board = await Board({**REPLY, "ai_agent_instance_id": number}).start()
    assert (await board.access.credential()).instance_id == number


async def test_an_instance_that_leads_nowhere_is_made_anew_once_and_then_seldom() -> None:
    board = await Board().start()
    assert not (await board.access.credential()).again
    assert board.access.after(UNHEARD) is Next.RETRY
    assert (await board.access.credential()).again
    assert board.access.after(UNHEARD) is Next.LATER
    assert not (await board.access.credential()).again, "it was told"
    assert board.access.after(CredentialRefused("wss://cloud", 401)) is Next.LATER
    await board.connect()
    assert not (await board.access.credential()).again
    assert board.access.after(UNHEARD) is Next.RETRY
    assert board.access.after(ConnectionLost("no network")) is None
    assert board.access.after(UNHEARD) is Next.RETRY, "not the second in a row"


# --- refusals -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (FAILED, "enable-in-console"),
        (
            RelayRefused("the relay does not let this board in", "403", advice="Ask."),
            "fix-settings",
        ),
    ],
)
async def test_a_refusal_stops_until_register_and_connect_asks_nobody(
    error: MmidError, remedy: str
) -> None:
    board = await Board().start()
    await board.access.credential()
    assert board.access.after(error) is Next.STOP
    assert board.state == "refused"
    assert board.status.license_error["remedy"] == remedy
    assert str(error) in str(board.status.license_error["message"])
    assert str(error) in board.access.describe()
    for _ in range(3):  # Connect
        with pytest.raises(type(error)) as caught:
            await board.access.credential()
        assert board.access.after(caught.value) is Next.STOP
    assert len(board.relay.asked) == 1
    board.access.forgive()  # Register
    assert board.state == "registered"
    assert board.status.license_error == {}
    await board.connect()
    assert board.state == "authorized"


@pytest.mark.parametrize("error", [FAILED, KEPT_OUT])
async def test_a_device_that_was_let_in_and_then_refused_is_not_shown_as_let_in_by_register(
    error: MmidError,
) -> None:
    board = await Board().start()
    await board.connect()
    assert board.state == "authorized"
    board.access.after(error)
    board.access.forgive()
    assert board.state == "registered"
    await board.connect()
    assert board.state == "authorized"


async def test_other_settings_are_a_reason_to_try_again() -> None:
    board = await Board().start()
    board.access.after(FAILED)
    board.access.use(settings_of("kitchen-0001"))
    assert board.state == "refused", "nothing changed"
    board.access.use(settings_of("kitchen-0001", license_key=Secret("lic-9876543210")))
    assert board.state == "registered"
    await board.connect()
    assert board.state == "authorized"
    board.access.use(settings_of("kitchen-0001", app_id="app2"))
    assert board.state == "registered", "as this application's device it was not let in yet"


async def test_a_relay_that_names_a_time_is_left_alone_so_long() -> None:
    board = await Board().start()
    busy = RelayBusy("HTTP 429")
    busy.wait_s = 120.0
    assert board.access.after(busy) is Next.HOURS
    assert 120 <= board.access.long_wait_s() <= 150
    assert board.access.long_wait_s() >= HOURS_S[0], "it said so once"
    assert board.status.license_error == {}


async def test_a_refusal_for_our_clock_is_told_as_one_and_waits_for_the_time() -> None:
    refusal = RelayRefused("HTTP 403; its clock is +90 s from ours", "403", advice="Set it.")
    refusal.clock = True
    board = await Board(refusal).start()
    with pytest.raises(RelayRefused) as caught:
        await board.access.credential()
    assert board.access.after(caught.value) is Next.STOP
    assert board.access.clock_refused
    assert (board.state, board.status.license_error["remedy"]) == ("refused", "fix-clock")
    board.access.forgive()  # the time was set
    assert board.state == "registered"


@pytest.mark.parametrize("error", [ConnectionLost("no"), HttpFailed("HTTP 503")])
async def test_a_relay_that_is_away_is_asked_again_with_back_off(error: MmidError) -> None:
    board = await Board(error).start()
    with pytest.raises(type(error)) as caught:
        await board.access.credential()
    assert board.access.after(caught.value) is None
    assert board.status.license_error == {}


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"instance_url": ""}, "baidu.instance_url"),
        ({"app_id": ""}, "baidu.app_id"),
        ({"license_key": Secret("")}, "baidu.license_key"),
        ({"name": ""}, "license.device_name"),
    ],
)
async def test_what_is_missing_is_named_and_nobody_is_asked(
    given: dict[str, Any], missing: str
) -> None:
    board = await Board().start(**{"name": "kitchen-0001", **given})
    with pytest.raises(NotProvisioned, match=missing) as caught:
        await board.access.credential()
    assert board.access.after(caught.value) is Next.STOP
    assert board.state == "unprovisioned"
    assert board.status.license_error["remedy"] == "fix-settings"
    assert missing in board.access.describe()
    assert board.relay.asked == []


async def test_the_name_is_in_no_text_of_a_failed_relay() -> None:
    refusal = RelayRefused("HTTP 403: kitchen-0001 is not known here", "403", advice="Ask.")
    board = await Board(refusal).start()
    with pytest.raises(RelayRefused, match=r"ki\*\*\*01 is not known"):
        await board.access.credential()


# --- one name for ever --------------------------------------------------------------------


async def test_a_thousand_restarts_send_one_name_and_write_it_once() -> None:
    board = Board()
    for _ in range(1000):
        await board.start()
        await board.connect()
    assert board.relay.names == board.device_ids == {"kitchen-0001"}
    assert len(board.store.saved) == 1
    assert board.book.record.activated_name == "kitchen-0001"
    assert board.status.registered


@pytest.mark.parametrize("settings_left", ["kitchen-0001", ""], ids=["kept", "back to none"])
async def test_a_reinstall_or_a_reset_of_the_root_file_system_sends_the_same_name(
    settings_left: str,
) -> None:
    """The record's partition is what stays; the state directory and all settings may go."""
    board = await Board().start()
    await board.connect()
    again = await Board(store=MemoryStore(board.store.payload)).start(settings_left)
    await again.connect()
    assert again.relay.names == again.device_ids == {"kitchen-0001"}
    assert again.store.saved == []


@pytest.mark.parametrize(
    "spelling", ["Kitchen-0001", "KITCHEN-0001", "kitchen_0001", "kitchen0001", "kitchen-00010"]
)
async def test_another_spelling_in_the_settings_is_refused_and_never_sent(spelling: str) -> None:
    board = await Board().start()
    await board.connect()
    await board.start(spelling)
    with pytest.raises(NotProvisioned, match="the device record says") as caught:
        await board.access.credential()
    assert board.access.after(caught.value) is Next.STOP
    assert board.status.license_error["remedy"] == "fix-settings"
    assert board.state == "unprovisioned"
    assert "kitchen-0001" not in str(board.status.license_error["message"])
    assert board.relay.names == board.device_ids == {"kitchen-0001"}


async def test_another_spelling_that_comes_by_a_reload_is_refused_too() -> None:
    board = await Board().start()
    await board.connect()
    board.access.use(settings_of("Kitchen-0001"))
    with pytest.raises(NotProvisioned):
        await board.access.credential()
    assert board.relay.names == board.device_ids == {"kitchen-0001"}


async def test_the_record_of_an_older_release_names_the_device() -> None:
    store = MemoryStore(DeviceRecord(device_name="from-the-line", app_id="mm_1").encode())
    board = await Board(store=store).start("")
    assert board.status.device_name == "from-the-line"
    await board.connect()
    assert board.relay.names == board.device_ids == {"from-the-line"}
    assert board.book.record.activated_name == "from-the-line"
    assert board.book.record.app_id == "mm_1"
    other = await Board(store=store).start("another")
    with pytest.raises(NotProvisioned):
        await other.access.credential()


async def test_what_the_cloud_knows_wins_over_a_registration_elsewhere() -> None:
    """A board that went to another cloud, by another name, and came back."""
    record = DeviceRecord(device_name="elsewhere", activated_name="kitchen-0001")
    board = await Board(store=MemoryStore(record.encode())).start("")
    await board.connect()
    assert board.relay.names == board.device_ids == {"kitchen-0001"}


async def test_a_name_that_cannot_be_kept_is_held_while_the_process_lives_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    board = await Board().start()
    board.store.broken = True
    await board.connect()
    assert "was not saved" in caplog.text
    board.access.use(settings_of("another"))
    with pytest.raises(NotProvisioned):
        await board.access.credential()
    board.access.use(settings_of("kitchen-0001"))
    board.store.broken = False
    await board.connect()
    assert DeviceRecord.decode(board.store.payload or b"").activated_name == "kitchen-0001"


async def test_only_an_erased_record_makes_another_device_of_it() -> None:
    board = await Board().start()
    await board.connect()
    board.access.use(settings_of("another"))
    with pytest.raises(NotProvisioned) as caught:
        await board.access.credential()
    board.access.after(caught.value)
    await board.book.erase()
    board.access.forget()
    assert not board.status.registered
    assert (board.state, board.status.license_error) == ("registered", {})
    assert board.access.describe() == ""
    await board.connect()
    assert (board.state, board.status.license_error) == ("authorized", {})
    assert board.book.record.activated_name == "another"

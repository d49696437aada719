"""Registers once in a device's life, whatever happens; holds a fresh token."""

import asyncio
import gc
import logging
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import (
    ConnectionLost,
    LicenseRefused,
    MalformedMessage,
    NotProvisioned,
    StorageFailed,
)
from mmid.hal import Store
from mmid.hal_linux.storage.file_store import FileStore
from mmid.secrets import Secret
from mmid.session.effects import Next
from mmid.session.license import exchange_child
from mmid.session.license.codes import CODES, CodeClass
from mmid.session.license.exchange import exchange
from mmid.session.license.keeper import Keeper
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    Identity,
    Kind,
    Refusal,
    Registration,
    ReplyNotOpened,
    TaskSignature,
    Token,
    Unopened,
)
from mmid.session.license.protocol import open_reply
from mmid.session.license.record import DeviceRecord, Pending
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import HOURS_S
from mmid.session.license.registrar import RegistrationUnreadable
from mmid.session.license.service import Exchange
from mmid.settings import Cloud, License
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.license_service import LicenseFaults, Product
from mmid.simcloud.scenario import Scenario
from mmid.status import LicenseState, Status
from tests.session.doubles import LicenseDesk, MemoryStore, TestClock, registration, token

APP_ID = "mm_0123456789abcdef0123456789ab"
PRODUCT = Product(
    APP_ID, Secret("0123456789abcdef" * 2), Secret(f"sk-{'7' * 32}"), "llm-0123456789abcdef"
)
GIVEN = License(
    app_id=APP_ID, app_secret=PRODUCT.app_secret, api_key=PRODUCT.api_key, device_name="board1"
)
REGISTERED = DeviceRecord(
    app_id=APP_ID,
    app_secret=PRODUCT.app_secret,
    device_name="board1",
    nonce="ab" * 13,
    device_secret=Secret("0f" * 16),
)
PENDING = replace(
    REGISTERED, nonce="", device_secret=Secret(""), pending=Pending("board1", "cd" * 13, 5)
)


class Parts:
    """A keeper and all it works with; ``boot`` again for what a restart finds."""

    def __init__(self, store: Store, ask: Exchange, given: License, cloud: Cloud) -> None:
        self.book = RecordBook(store)
        self.clock = TestClock()
        self.status = Status()
        self.keeper = Keeper(
            cloud=cloud,
            license=given,
            book=self.book,
            clock=self.clock,
            status=self.status,
            exchange=ask,
        )

    async def refused(self) -> tuple[LicenseRefused, Next]:
        """Ask for a credential, and return the refusal and what follows."""
        with pytest.raises(LicenseRefused) as caught:
            await self.keeper.credential()
        return caught.value, self.keeper.after(caught.value)


async def boot(
    ask: Exchange,
    store: Store | None = None,
    given: License = GIVEN,
    cloud: Cloud | None = None,
) -> Parts:
    parts = Parts(store or MemoryStore(), ask, given, cloud or Cloud())
    await parts.book.load()
    parts.keeper.show()
    return parts


def stored(store: Store) -> DeviceRecord:
    payload = store.load()
    assert payload is not None
    return DeviceRecord.decode(payload)


# --- with the real service and the real child -------------------------------------------------


@pytest.fixture
async def cloud(cloud_directory: Path) -> AsyncIterator[SimCloud]:
    async with SimCloud(cloud_directory, product=PRODUCT) as made:
        yield made


def at(cloud: SimCloud) -> Cloud:
    return Cloud(license_url=cloud.license_url, ca_file=str(cloud.ca_file))


def handled(cloud: SimCloud) -> list[tuple[str, str]]:
    """What the license service was asked, and its codes."""
    kinds = ("register", "token")
    return [
        (entry["kind"], entry["code"]) for entry in cloud.journal.entries if entry["kind"] in kinds
    ]


async def test_a_device_is_registered_once_and_never_again(cloud: SimCloud, tmp_path: Path) -> None:
    tokens = []
    for _ in range(3):
        parts = await boot(exchange, FileStore(tmp_path / "device.bin"), cloud=at(cloud))
        credential = await parts.keeper.credential()
        assert cloud.license.token_valid(credential.token.reveal()) == "board1"
        assert credential.workspace_id == PRODUCT.workspace_id
        assert parts.status.license_state is LicenseState.AUTHORIZED
        tokens.append(credential.token.reveal())
    assert handled(cloud) == [("register", "200"), *[("token", "200")] * 3]
    assert len(set(tokens)) == 3


async def test_a_lost_answer_is_told_with_the_way_out_and_nothing_more_is_asked(
    cloud_directory: Path, tmp_path: Path
) -> None:
    lost = Scenario(license=LicenseFaults(drop_after=1))
    async with SimCloud(cloud_directory, product=PRODUCT, scenario=lost) as cloud:
        parts = await boot(exchange, FileStore(tmp_path / "device.bin"), cloud=at(cloud))
        with pytest.raises(ConnectionLost):
            await parts.keeper.credential()
        error, following = await parts.refused()
        assert error.code == "100008"
        assert "Reset the device board1 in the console, then call Register" in str(error)
        assert following is Next.STOP
        assert parts.status.license_state is LicenseState.REFUSED
        assert handled(cloud) == [("register", "200"), ("register", "100008")]
        cloud.license.book.reset("board1")
        parts.keeper.forgive()
        await parts.keeper.credential()
        assert stored(FileStore(tmp_path / "device.bin")).registered


async def test_a_semi_managed_device_does_not_send_the_api_key(
    cloud_directory: Path, tmp_path: Path
) -> None:
    relay = replace(PRODUCT, fully_managed=False)
    given = replace(GIVEN, mode="semi-managed")
    async with SimCloud(cloud_directory, product=relay) as cloud:
        parts = await boot(exchange, FileStore(tmp_path / "device.bin"), given, at(cloud))
        await parts.keeper.credential()
        assert handled(cloud) == [("register", "200"), ("token", "200")]


# --- write-ahead ------------------------------------------------------------------------------


async def test_the_pending_registration_is_stored_before_it_is_sent(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "device.bin")
    seen: list[tuple[ExchangeRequest, DeviceRecord]] = []

    def answer(request: ExchangeRequest) -> ExchangeReply:
        seen.append((request, stored(store)))
        return registration()

    parts = await boot(LicenseDesk(answer, token()), store)
    await parts.keeper.credential()
    ((request, record),) = seen
    assert record.pending == Pending("board1", request.nonce, request.request_time_ms)
    assert (record.app_id, record.app_secret) == (APP_ID, PRODUCT.app_secret)
    assert not record.registered


async def test_the_answer_is_stored_before_it_is_used() -> None:
    store = MemoryStore()
    seen: list[DeviceRecord] = []

    def answer(request: ExchangeRequest) -> ExchangeReply:
        seen.append(stored(store))
        assert request.identity.device_secret == seen[0].device_secret
        return token()

    desk = LicenseDesk(registration(), answer)
    await (await boot(desk, store)).keeper.credential()
    assert seen[0].registered
    assert seen[0].nonce == desk.requests[0].nonce
    assert seen[0].pending is None


@pytest.mark.parametrize("defect", ["broken", "forgetful"])
async def test_nothing_is_asked_when_the_record_cannot_be_kept(defect: str) -> None:
    store, desk = MemoryStore(), LicenseDesk(registration())
    setattr(store, defect, True)
    parts = await boot(desk, store)
    with pytest.raises(StorageFailed):
        await parts.keeper.credential()
    assert desk.requests == []
    assert parts.status.license_state is LicenseState.UNREGISTERED


async def test_an_answer_that_cannot_be_stored_is_not_used() -> None:
    store = MemoryStore()

    def answer(_: ExchangeRequest) -> ExchangeReply:
        store.broken = True
        return registration()

    desk = LicenseDesk(answer)
    parts = await boot(desk, store)
    with pytest.raises(StorageFailed):
        await parts.keeper.credential()
    assert desk.kinds == ["register"]
    assert not parts.book.record.registered
    assert stored(store).pending is not None


async def test_a_registration_whose_answer_cannot_be_read_is_told_with_the_way_out() -> None:
    store = MemoryStore()
    parts = await boot(LicenseDesk(MalformedMessage("it cannot be opened")), store)
    with pytest.raises(RegistrationUnreadable, match="reset the device in the console"):
        await parts.keeper.credential()
    assert parts.status.license_state is LicenseState.REFUSED
    assert parts.status.license_error["remedy"] == "fix-codec"
    assert stored(store).pending is not None


KEPT = Unopened("board1", "ef" * 13, 7, '{"nonce":"n"}')


def not_opened(request: ExchangeRequest) -> ExchangeReply:
    """Answer as a codec that cannot open what the service said."""
    kept = replace(KEPT, nonce=request.nonce, request_time_ms=request.request_time_ms)
    raise ReplyNotOpened("it does not open", request.unopened or kept)


async def test_an_answer_that_cannot_be_opened_is_kept_as_it_came() -> None:
    store, desk = MemoryStore(), LicenseDesk(not_opened)
    parts = await boot(desk, store)
    with pytest.raises(RegistrationUnreadable, match="kept in the device record: correct license"):
        await parts.keeper.credential()
    kept = stored(store).unopened
    assert kept is not None
    assert (kept.nonce, kept.data) == (desk.requests[0].nonce, KEPT.data)
    assert stored(store).pending is not None
    assert not stored(store).registered


async def test_a_corrected_codec_opens_the_kept_answer_and_nobody_is_asked_to_register() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(registration(), token())
    parts = await boot(desk, store)
    assert parts.status.license_state is LicenseState.UNREGISTERED
    await parts.keeper.credential()
    opened, asked = desk.requests
    assert (opened.unopened, opened.nonce, opened.request_time_ms) == (KEPT, KEPT.nonce, 7)
    assert (asked.kind, asked.unopened) == (Kind.TOKEN, None)
    assert stored(store).registered
    assert stored(store).nonce == KEPT.nonce
    assert (stored(store).unopened, stored(store).pending) == (None, None)


async def test_a_codec_that_is_still_wrong_stops_again_and_nobody_is_asked() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(not_opened)
    for _ in range(3):
        parts = await boot(desk, store)
        with pytest.raises(RegistrationUnreadable):
            await parts.keeper.credential()
        assert parts.status.license_state is LicenseState.REFUSED
    assert [request.unopened for request in desk.requests] == [KEPT] * 3
    assert store.saved == []


async def test_after_a_reset_in_the_console_register_asks_anew() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(not_opened, not_opened, registration(), token())
    parts = await boot(desk, store)
    with pytest.raises(RegistrationUnreadable):
        await parts.keeper.credential()
    parts.keeper.forgive()
    await parts.keeper.credential()
    assert [request.unopened for request in desk.requests] == [KEPT, KEPT, None, None]
    assert desk.kinds == ["register", "register", "register", "token"]
    assert (stored(store).registered, stored(store).unopened) == (True, None)


async def test_register_without_a_reset_leaves_the_kept_answer_where_it_is() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    parts = await boot(LicenseDesk(not_opened, Refusal("100008")), store)
    parts.keeper.forgive()
    error, following = await parts.refused()
    assert (error.code, following) == ("100008", Next.STOP)
    assert stored(store).unopened == KEPT


async def test_the_kept_answer_of_another_name_does_not_stand_in_the_way() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(registration(), token())
    parts = await boot(desk, store, replace(GIVEN, device_name="board2"))
    await parts.keeper.credential()
    assert desk.requests[0].unopened is None
    assert stored(store).unopened is None


async def test_an_answer_that_cannot_be_kept_either_says_so_and_stops() -> None:
    store = MemoryStore()

    def answer(request: ExchangeRequest) -> ExchangeReply:
        store.broken = True
        return not_opened(request)

    parts = await boot(LicenseDesk(answer), store)
    with pytest.raises(RegistrationUnreadable, match=r"reset the device in the console"):
        await parts.keeper.credential()
    assert parts.status.license_state is LicenseState.REFUSED


async def test_the_built_in_codec_opens_what_it_could_not_with_a_wrong_secret(
    cloud_directory: Path, tmp_path: Path
) -> None:
    """With the real child: an answer in another's cipher, and then the right AppSecret."""
    other = Secret("f" * 32)
    store = FileStore(tmp_path / "device.bin")
    async with SimCloud(cloud_directory, product=PRODUCT) as cloud:

        async def misled(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
            """Send it rightly, and open the answer with the wrong secret."""
            identity = replace(request.identity, app_secret=other)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(exchange_child, "BuiltInCodec", misleading(identity))
                heard: list[Any] = []
                try:
                    return await asyncio.to_thread(
                        exchange_child.answer, request, timeout_s, heard.append
                    )
                except MalformedMessage as error:
                    [came] = [news["unopened"] for news in heard if "unopened" in news]
                    raise ReplyNotOpened(str(error), Unopened.from_plain(came)) from None

        parts = await boot(misled, store, cloud=at(cloud))
        with pytest.raises(RegistrationUnreadable, match="does not open with our AppSecret"):
            await parts.keeper.credential()
        parts = await boot(exchange, store, cloud=at(cloud))
        await parts.keeper.credential()
        assert handled(cloud) == [("register", "200"), ("token", "200")]


def misleading(identity: Identity) -> type[exchange_child.BuiltInCodec]:
    class Misled(exchange_child.BuiltInCodec):
        def open_reply(self, data: Mapping[str, Any]) -> Registration | Token:
            return open_reply(replace(self._request, identity=identity), data)

    return Misled


async def test_months_without_a_network_write_the_pending_record_once_a_boot() -> None:
    store = MemoryStore()
    parts = await boot(LicenseDesk(ConnectionLost("no network")), store)
    for _ in range(20):
        with pytest.raises(ConnectionLost):
            await parts.keeper.credential()
    assert len(store.saved) == 1


async def test_a_boot_proves_the_store_anew_before_it_registers() -> None:
    store = MemoryStore(PENDING.encode())
    store.broken = True
    desk = LicenseDesk(registration())
    with pytest.raises(StorageFailed):
        await (await boot(desk, store)).keeper.credential()
    assert desk.requests == []


async def test_every_request_has_a_nonce_of_its_own() -> None:
    desk = LicenseDesk(ConnectionLost("no network"))
    parts = await boot(desk)
    for _ in range(5):
        with pytest.raises(ConnectionLost):
            await parts.keeper.credential()
    assert len({request.nonce for request in desk.requests}) == 5


@pytest.mark.parametrize("code", ["100008", "100025"])
async def test_after_a_power_cut_the_lost_answer_is_explained(code: str) -> None:
    desk = LicenseDesk(Refusal(code))
    parts = await boot(desk, MemoryStore(PENDING.encode()))
    error, following = await parts.refused()
    assert "Reset the device board1 in the console" in error.remedy
    assert following is Next.STOP
    assert desk.kinds == ["register"]


# --- cancellation -----------------------------------------------------------------------------


async def test_a_registration_is_stored_even_when_nobody_waits_for_it_any_more() -> None:
    store, desk = MemoryStore(), LicenseDesk(registration(), token())
    desk.gate.clear()
    parts = await boot(desk, store)
    asking = asyncio.create_task(parts.keeper.credential())
    await desk.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    desk.gate.set()
    await parts.keeper.see_through()
    assert stored(store).registered
    assert desk.kinds == ["register"]


async def test_whoever_asks_next_joins_the_registration_under_way() -> None:
    desk = LicenseDesk(registration(), token())
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.keeper.credential())
    await desk.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    again = asyncio.create_task(parts.keeper.credential())
    await asyncio.sleep(0)
    desk.gate.set()
    await again
    assert desk.kinds == ["register", "token"]


async def test_a_registration_that_gets_no_answer_holds_a_stop_for_a_bounded_time() -> None:
    desk = LicenseDesk(registration())
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.keeper.credential())
    await desk.asked.wait()
    asking.cancel()
    async with asyncio.timeout(2.0):
        await parts.keeper.see_through()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_cancelled_registration_that_fails_leaves_no_traceback() -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    desk = LicenseDesk(ConnectionLost("no network"))
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.keeper.credential())
    await desk.asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    desk.gate.set()
    await parts.keeper.see_through()
    del asking
    gc.collect()
    await asyncio.sleep(0)
    assert complaints == []


# --- tokens -----------------------------------------------------------------------------------


@pytest.fixture
def no_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a token be renewed as late as can be."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.mark.usefixtures("no_spread")
async def test_a_token_is_used_until_it_expires_and_fetched_anew_then() -> None:
    desk = LicenseDesk(token("st-first", life_s=60), token("st-second", life_s=60))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    assert (await parts.keeper.credential()).token.reveal() == "st-first"
    parts.clock.offset_ms = 50_000
    assert (await parts.keeper.credential()).token.reveal() == "st-first"
    parts.clock.offset_ms = 57_000  # too near the end to connect with
    assert (await parts.keeper.credential()).token.reveal() == "st-second"
    assert desk.kinds == ["token", "token"]


async def test_devices_renew_tokens_of_one_moment_at_different_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is early in the spread has a new token when another uses its old one still."""
    asked = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(random, "random", lambda share=share: share)
        desk = LicenseDesk(token(life_s=60))
        parts = await boot(desk, MemoryStore(REGISTERED.encode()))
        await parts.keeper.credential()
        parts.clock.offset_ms = 48_000
        await parts.keeper.credential()
        asked.append(len(desk.requests))
    assert asked == [1, 2]


@pytest.mark.usefixtures("no_spread")
async def test_a_token_expires_by_the_services_clock() -> None:
    ahead = 600_000
    desk = LicenseDesk(token(life_s=60, skew_ms=ahead))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.keeper.credential()
    assert abs(parts.status.token_expiry - parts.clock.now_ms() - 60_000) < 10_000
    parts.clock.offset_ms = 57_000
    await parts.keeper.credential()
    assert desk.kinds == ["token", "token"]


async def test_a_token_that_was_refused_is_not_used_again() -> None:
    desk = LicenseDesk(token("st-first"), token("st-second"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.keeper.credential()
    parts.keeper.forget_token()
    assert (await parts.keeper.credential()).token.reveal() == "st-second"


async def test_a_token_is_never_stored() -> None:
    store = MemoryStore()
    await (await boot(LicenseDesk(registration(), token("st-secret")), store)).keeper.credential()
    assert not [payload for payload in store.saved if b"st-secret" in payload]


async def test_the_api_key_is_never_stored() -> None:
    store = MemoryStore()
    await (await boot(LicenseDesk(registration(), token()), store)).keeper.credential()
    assert store.saved
    assert not [payload for payload in store.saved if b"sk-" in payload]


# --- modes and identity -----------------------------------------------------------------------


async def test_pay_as_you_go_asks_nobody_and_uses_the_api_key() -> None:
    given = replace(GIVEN, mode="pay-as-you-go", app_secret=Secret(""), device_name="")
    store, desk = MemoryStore(), LicenseDesk(token())
    parts = await boot(desk, store, given, Cloud(workspace_id="llm-1"))
    credential = await parts.keeper.credential()
    assert credential.token == PRODUCT.api_key
    assert (credential.app_id, credential.workspace_id) == (APP_ID, "llm-1")
    assert desk.requests == []
    assert store.saved == []
    assert parts.status.license_state is LicenseState.AUTHORIZED


@pytest.mark.parametrize(("mode", "sent"), [("fully-managed", True), ("semi-managed", False)])
async def test_the_api_key_goes_to_the_service_when_fully_managed_only(
    mode: Any, sent: bool
) -> None:
    desk = LicenseDesk(registration(), token())
    await (await boot(desk, given=replace(GIVEN, mode=mode))).keeper.credential()
    keys = {request.api_key for request in desk.requests}
    assert keys == ({PRODUCT.api_key} if sent else {None})


async def test_a_task_is_signed_for_each_connection_if_the_settings_say_so() -> None:
    desk = LicenseDesk(token(), TaskSignature("17", "a", "b"), TaskSignature("18", "c", "d"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()), replace(GIVEN, sign_tasks=True))
    first, second = [await parts.keeper.credential() for _ in range(2)]
    assert desk.kinds == ["token", "sign", "sign"]
    assert first.signature == {"timestamp": "17", "license_info": "a", "device_info": "b"}
    assert first.task_id == desk.requests[1].task_id
    assert len({first.task_id, second.task_id, ""}) == 3
    assert desk.requests[1].identity.device_secret == REGISTERED.device_secret


async def test_a_task_is_not_signed_by_itself() -> None:
    desk = LicenseDesk(token())
    credential = await (await boot(desk, MemoryStore(REGISTERED.encode()))).keeper.credential()
    assert (credential.task_id, credential.signature) == ("", {})


async def test_headers_and_certificate_go_to_the_relay() -> None:
    desk = LicenseDesk(registration(), token())
    relay = {"headers": Secret("X-Relay: 7"), "client_cert": "/c.pem", "client_key": "/k.pem"}
    given = replace(GIVEN, mode="semi-managed", **relay)  # type: ignore[arg-type]
    await (await boot(desk, given=given)).keeper.credential()
    for request in desk.requests:
        way = request.way
        assert (way.headers, way.client_cert, way.client_key) == tuple(relay.values())


async def test_the_paths_are_appended_to_the_base_url_unless_overridden() -> None:
    desk = LicenseDesk(registration(), token())
    given = replace(GIVEN, token_url="https://relay.example/my/token")
    await (
        await boot(desk, given=given, cloud=Cloud(license_url="https://a/b/"))
    ).keeper.credential()
    assert [request.way.url for request in desk.requests] == [
        "https://a/b/api/device/v1/register",
        "https://relay.example/my/token",
    ]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (License(), "license.app_id, license.device_name, license.app_secret, license.api_key"),
        (replace(GIVEN, api_key=Secret("")), "license.api_key"),
        (replace(GIVEN, app_secret=Secret("")), "license.app_secret"),
        (replace(GIVEN, device_name="", mode="semi-managed"), "license.device_name"),
        (License(mode="pay-as-you-go", app_id=APP_ID), "license.api_key"),
    ],
)
async def test_what_is_not_provisioned_is_named(given: License, named: str) -> None:
    desk = LicenseDesk(registration())
    parts = await boot(desk, given=given)
    with pytest.raises(NotProvisioned, match=rf"not provisioned: {named} not set"):
        await parts.keeper.credential()
    assert parts.status.license_state is LicenseState.UNPROVISIONED
    assert desk.requests == []


@pytest.mark.parametrize("changed", [{"device_name": "board2"}, {"app_id": "mm_ff"}])
async def test_settings_that_contradict_a_registered_record_stop(changed: dict[str, str]) -> None:
    desk = LicenseDesk(token())
    given = replace(GIVEN, **changed)  # type: ignore[arg-type]
    parts = await boot(desk, MemoryStore(REGISTERED.encode()), given)
    with pytest.raises(NotProvisioned, match="the device record is registered as") as caught:
        await parts.keeper.credential()
    assert next(iter(changed.values())) in str(caught.value)
    assert desk.requests == []


async def test_a_registered_record_alone_says_who_the_device_is() -> None:
    desk = LicenseDesk(token())
    record = replace(REGISTERED, app_secret=Secret(""))
    given = License(api_key=PRODUCT.api_key)
    parts = await boot(desk, MemoryStore(record.encode()), given)
    assert parts.status.license_state is LicenseState.REGISTERED
    credential = await parts.keeper.credential()
    assert (credential.app_id, credential.device_name) == (APP_ID, "board1")


@pytest.mark.parametrize(
    ("configured", "answered", "recorded", "used"),
    [
        ("llm-set", "llm-token", "llm-old", "llm-set"),
        ("", "llm-token", "llm-old", "llm-token"),
        ("", "", "llm-old", "llm-old"),
        ("", "", "", ""),
    ],
)
async def test_the_workspace_is_the_configured_one_else_the_services(
    configured: str, answered: str, recorded: str, used: str
) -> None:
    record = replace(REGISTERED, workspace_id=recorded)
    desk = LicenseDesk(replace(token(), workspace_id=answered))
    parts = await boot(desk, MemoryStore(record.encode()), cloud=Cloud(workspace_id=configured))
    assert (await parts.keeper.credential()).workspace_id == used


# --- refusals ---------------------------------------------------------------------------------

FOLLOWING = {
    CodeClass.STOP: (Next.STOP, LicenseState.REFUSED),
    CodeClass.LONG: (Next.HOURS, LicenseState.REGISTERED),
    CodeClass.RETRY: (Next.LATER, LicenseState.REGISTERED),
    CodeClass.CLOCK: (Next.RETRY, LicenseState.REGISTERED),
    CodeClass.REREGISTER: (Next.RETRY, LicenseState.REGISTERED),
}


@pytest.mark.parametrize("code", CODES)
async def test_a_refused_token_is_told_with_advice_and_followed_by_its_class(code: str) -> None:
    row = CODES[code]
    desk = LicenseDesk(Refusal(code, message="their words"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    error, following = await parts.refused()
    assert error.code == code
    assert row.meaning in str(error)
    assert row.advice in str(error)
    assert (following, parts.status.license_state) == FOLLOWING[row.code_class]
    assert desk.kinds == ["token"]


@pytest.mark.parametrize("code", CODES)
async def test_a_refusal_is_a_license_error_until_a_request_is_granted(code: str) -> None:
    desk = LicenseDesk(Refusal(code), registration() if code == "100009" else token(), token())
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    before_ms = parts.clock.now_ms()
    await parts.refused()
    shown = parts.status.license_error
    assert (shown["code"], shown["remedy"]) == (code, CODES[code].remedy.value)
    assert before_ms <= int(shown["since"]) <= parts.clock.now_ms()
    await parts.keeper.credential()
    assert parts.status.license_error == {}


async def test_a_license_error_tells_when_it_is_tried_again_and_since_when_it_lasts() -> None:
    desk = LicenseDesk(Refusal("200014"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    _, following = await parts.refused()
    assert following is Next.HOURS
    parts.keeper.waiting(7200.0)
    first = dict(parts.status.license_error)
    assert abs(int(first["next_attempt"]) - parts.clock.now_ms() - 7_200_000) < 10_000
    parts.clock.offset_ms = 7_200_000
    await parts.refused()
    parts.keeper.waiting(None)
    assert parts.status.license_error == {**first, "next_attempt": 0}


async def test_somebody_who_acts_clears_the_license_error() -> None:
    parts = await boot(LicenseDesk(Refusal("100007")))
    await parts.refused()
    parts.keeper.forgive()
    assert parts.status.license_error == {}
    assert parts.status.license_state is LicenseState.UNREGISTERED


async def test_a_daily_limit_waits_for_midnight_by_the_services_clock() -> None:
    desk = LicenseDesk(Refusal("200021", clock_skew_ms=3_600_000))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    parts.clock.offset_ms = -(parts.clock.now_ms() % 86_400_000)  # midnight in Greenwich
    assert HOURS_S[0] <= parts.keeper.long_wait_s() <= HOURS_S[1]
    await parts.refused()
    until_midnight_s = parts.keeper.long_wait_s() - 15 * 3600  # it is nine in Shanghai
    assert 0 <= until_midnight_s <= 1830


async def test_a_clock_that_is_far_off_is_told_once_even_if_nothing_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = LicenseDesk(token(life_s=0, skew_ms=-45_000))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    for _ in range(3):
        await parts.keeper.credential()
    told = [record.message for record in caplog.records if "clock" in record.message]
    assert told == ["the license service's clock is -45.0 s from ours: check NTP"]


async def test_a_refusal_is_told_with_the_request_id_that_the_services_support_asks_for() -> None:
    error, _ = await (await boot(LicenseDesk(Refusal("500001", request_id="5f3c")))).refused()
    assert "(500001, request 5f3c)" in str(error)


async def test_a_refusal_with_a_good_clock_does_not_speak_of_it() -> None:
    desk = LicenseDesk(Refusal("100007", clock_skew_ms=1200))
    error, _ = await (await boot(desk)).refused()
    assert "clock" not in str(error)


# What a device does next after a code, by its class: whether it asks again by itself.
ASKED_AGAIN = {
    CodeClass.STOP: False,
    CodeClass.LONG: True,
    CodeClass.RETRY: True,
    CodeClass.CLOCK: True,
    CodeClass.REREGISTER: True,
}


@pytest.mark.parametrize("kind", ["register", "token"])
@pytest.mark.parametrize("code", CODES)
async def test_a_code_of_the_service_over_https_is_followed_by_its_class(
    cloud: SimCloud, code: str, kind: str
) -> None:
    """simcloud refuses once; whoever is to ask again by itself gets what it wants then."""
    faults = cloud.license.faults
    (faults.register_codes if kind == "register" else faults.token_codes).append(code)
    parts = await boot(in_a_thread, cloud=at(cloud))
    error, following = await parts.refused()
    assert error.code == code
    assert (following is not Next.STOP) == ASKED_AGAIN[CODES[code].code_class]
    assert parts.status.license_error["code"] == code
    if following is Next.STOP:
        assert parts.status.license_state is LicenseState.REFUSED
        parts.keeper.forgive()
    elif code == "100009" and kind == "token":
        cloud.license.book.reset("board1")  # so it is with the service, if it says so
    credential = await parts.keeper.credential()
    assert cloud.license.token_valid(credential.token.reveal()) == "board1"
    assert parts.status.license_error == {}
    assert parts.status.license_state is LicenseState.AUTHORIZED


async def in_a_thread(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
    """Do what the child process does, ten times quicker."""
    return await asyncio.to_thread(exchange_child.answer, request, timeout_s)


async def test_an_api_key_on_a_semi_managed_device_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = LicenseDesk(token())
    store = MemoryStore(REGISTERED.encode())
    await boot(desk, store, replace(GIVEN, mode="semi-managed", api_key=Secret("")))
    assert caplog.records == []
    await boot(desk, store, replace(GIVEN, mode="semi-managed"))
    assert "remove it from this board" in caplog.text


async def test_a_wrong_clock_is_told_with_its_error() -> None:
    desk = LicenseDesk(Refusal("100010", clock_skew_ms=-3_600_000))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    error, _ = await parts.refused()
    assert "the service's clock is -3600.0 s from ours" in str(error)
    assert "-3600.0 s" in str(parts.status.license_error["message"])
    assert parts.keeper.clock_refused


async def test_a_device_that_the_service_forgot_registers_anew_once_a_boot() -> None:
    store = MemoryStore(REGISTERED.encode())
    desk = LicenseDesk(
        Refusal("100009"), registration(), token(), Refusal("100009"), Refusal("100009")
    )
    parts = await boot(desk, store)
    assert (await parts.refused())[1] is Next.RETRY
    await parts.keeper.credential()
    assert stored(store).nonce == desk.requests[1].nonce
    parts.keeper.forget_token()
    assert (await parts.refused())[1] is Next.STOP
    assert parts.status.license_state is LicenseState.REFUSED
    assert desk.kinds == ["token", "register", "token", "token"]


async def test_a_device_without_the_product_secret_cannot_register_anew_and_says_so() -> None:
    record = replace(REGISTERED, app_secret=Secret(""))
    desk = LicenseDesk(Refusal("100009"), registration())
    parts = await boot(desk, MemoryStore(record.encode()), replace(GIVEN, app_secret=Secret("")))
    await parts.refused()
    with pytest.raises(NotProvisioned, match=r"license\.app_secret"):
        await parts.keeper.credential()
    assert Kind.REGISTER not in {request.kind for request in desk.requests}


async def test_no_secret_reaches_the_log_or_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        desk = LicenseDesk(registration(), token("st-secret"), Refusal("500002"))
        parts = await boot(desk)
        await parts.keeper.credential()
        parts.keeper.forget_token()
        error, _ = await parts.refused()
    told = f"{caplog.text} {error!r} {parts.status}"
    for secret in (PRODUCT.app_secret, PRODUCT.api_key, parts.book.record.device_secret):
        assert secret.reveal() not in told
    assert "st-secret" not in told

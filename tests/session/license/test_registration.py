"""A device registers once in its life, whatever happens: written ahead, seen through."""

from pathlib import Path

import pytest

from mmid.errors import (
    ConnectionLost,
    MalformedMessage,
    RegistrationUnreadable,
    StorageFailed,
    TlsFailed,
)
from mmid.hal_linux.storage import open_store
from mmid.session.access import Credential
from mmid.session.effects import Next
from mmid.session.license.access import LicenseCredential
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import ExchangeReply, ExchangeRequest, Refusal
from mmid.session.license.record import DeviceRecord, Pending
from mmid.settings import Cloud
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Fault, Scenario
from mmid.simcloud.license.server import LicenseServer
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import APP_ID, PENDING, PRODUCT, at, boot, handled, stored


async def test_a_device_is_registered_once_and_never_again(cloud: SimCloud, tmp_path: Path) -> None:
    tokens = []
    for _ in range(3):
        parts = await boot(exchange, open_store(f"file:{tmp_path}/device.bin"), cloud=at(cloud))
        credential = await parts.access.credential()
        assert cloud.find(LicenseServer).token_valid(credential.token.reveal()) == "board1"
        assert credential.workspace_id == PRODUCT.workspace_id
        assert parts.status.license_state is LicenseState.AUTHORIZED
        tokens.append(credential.token.reveal())
    assert handled(cloud) == [("register", "200"), *[("token", "200")] * 3]
    assert len(set(tokens)) == 3


async def test_a_lost_answer_is_told_with_the_way_out_and_nothing_more_is_asked(
    cloud_directory: Path, tmp_path: Path
) -> None:
    lost = Scenario(faults=(Fault("register", "lose"),))
    async with SimCloud(cloud_directory, product=PRODUCT, scenario=lost) as cloud:
        parts = await boot(exchange, open_store(f"file:{tmp_path}/device.bin"), cloud=at(cloud))
        with pytest.raises(ConnectionLost):
            await parts.access.credential()
        error, following = await parts.refused()
        assert error.code == "100008"
        assert "Reset the device board1 in the console, then call Register" in str(error)
        assert following is Next.STOP
        assert parts.status.license_state is LicenseState.REFUSED
        assert handled(cloud) == [("register", "200"), ("register", "100008")]
        cloud.find(LicenseServer).book.reset("board1")
        parts.access.forgive()
        await parts.access.credential()
        assert stored(open_store(f"file:{tmp_path}/device.bin")).registered


async def test_a_device_that_could_not_talk_is_not_registered() -> None:
    desk, store = LicenseDesk(registration(), token()), MemoryStore()
    ways = [TlsFailed("the certificate is not acceptable"), None]
    tried: list[LicenseCredential] = []

    async def rehearse(credential: Credential) -> None:
        assert isinstance(credential, LicenseCredential)
        tried.append(credential)
        if error := ways.pop(0):
            raise error

    parts = await boot(desk, store, cloud=Cloud(workspace_id="llm-1"), rehearse=rehearse)
    with pytest.raises(TlsFailed):
        await parts.access.credential()
    assert desk.requests == []
    assert store.saved == [], "nor was flash written for it"
    for _ in range(2):
        await parts.access.credential()
    assert desk.kinds == ["register", "token"]
    assert [(each.app_id, each.device_name, each.workspace_id) for each in tried] == [
        (APP_ID, "board1", "llm-1")
    ] * 2, "once for each registration, and never for a token"


async def test_the_pending_registration_is_stored_before_it_is_sent(tmp_path: Path) -> None:
    store = open_store(f"file:{tmp_path}/device.bin")
    seen: list[tuple[ExchangeRequest, DeviceRecord]] = []

    def answer(request: ExchangeRequest) -> ExchangeReply:
        seen.append((request, stored(store)))
        return registration()

    parts = await boot(LicenseDesk(answer, token()), store)
    await parts.access.credential()
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
    await (await boot(desk, store)).access.credential()
    assert seen[0].registered
    assert seen[0].nonce == desk.requests[0].nonce
    assert seen[0].pending is None


@pytest.mark.parametrize("defect", ["broken", "forgetful"])
async def test_nothing_is_asked_when_the_record_cannot_be_kept(defect: str) -> None:
    store, desk = MemoryStore(), LicenseDesk(registration())
    setattr(store, defect, True)
    parts = await boot(desk, store)
    with pytest.raises(StorageFailed):
        await parts.access.credential()
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
        await parts.access.credential()
    assert desk.kinds == ["register"]
    assert not parts.book.record.registered
    assert stored(store).pending is not None


async def test_a_registration_whose_answer_cannot_be_read_is_told_with_the_way_out() -> None:
    store = MemoryStore()
    parts = await boot(LicenseDesk(MalformedMessage("it cannot be opened")), store)
    with pytest.raises(RegistrationUnreadable, match="reset the device in the console"):
        await parts.access.credential()
    assert parts.status.license_state is LicenseState.REFUSED
    assert parts.status.license_error["remedy"] == "fix-codec"
    assert stored(store).pending is not None


async def test_months_without_a_network_write_the_pending_record_once_a_boot() -> None:
    store = MemoryStore()
    parts = await boot(LicenseDesk(ConnectionLost("no network")), store)
    for _ in range(20):
        with pytest.raises(ConnectionLost):
            await parts.access.credential()
    assert len(store.saved) == 1


async def test_a_boot_proves_the_store_anew_before_it_registers() -> None:
    store = MemoryStore(PENDING.encode())
    store.broken = True
    desk = LicenseDesk(registration())
    with pytest.raises(StorageFailed):
        await (await boot(desk, store)).access.credential()
    assert desk.requests == []


async def test_every_request_has_a_nonce_of_its_own() -> None:
    desk = LicenseDesk(ConnectionLost("no network"))
    parts = await boot(desk)
    for _ in range(5):
        with pytest.raises(ConnectionLost):
            await parts.access.credential()
    assert len({request.nonce for request in desk.requests}) == 5


@pytest.mark.parametrize("code", ["100008", "100025"])
async def test_after_a_power_cut_the_lost_answer_is_explained(code: str) -> None:
    desk = LicenseDesk(Refusal(code))
    parts = await boot(desk, MemoryStore(PENDING.encode()))
    error, following = await parts.refused()
    assert "Reset the device board1 in the console" in error.remedy
    assert following is Next.STOP
    assert desk.kinds == ["register"]

"""What a device connects with, by its license mode, its settings and its record."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import NotProvisioned
from mmid.hal_linux.storage import open_store
from mmid.secrets import Secret
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import TaskSignature
from mmid.settings import Cloud, License
from mmid.simcloud.cloud import SimCloud
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import APP_ID, GIVEN, PRODUCT, REGISTERED, at, boot, handled


async def test_a_semi_managed_device_does_not_send_the_api_key(
    cloud_directory: Path, tmp_path: Path
) -> None:
    relay = replace(PRODUCT, fully_managed=False)
    given = replace(GIVEN, mode="semi-managed")
    async with SimCloud(cloud_directory, product=relay) as cloud:
        parts = await boot(exchange, open_store(f"file:{tmp_path}/device.bin"), given, at(cloud))
        await parts.access.credential()
        assert handled(cloud) == [("register", "200"), ("token", "200")]


async def test_pay_as_you_go_asks_nobody_and_uses_the_api_key() -> None:
    given = replace(GIVEN, mode="pay-as-you-go", app_secret=Secret(""), device_name="")
    store, desk = MemoryStore(), LicenseDesk(token())
    parts = await boot(desk, store, given, Cloud(workspace_id="llm-1"))
    credential = await parts.access.credential()
    assert credential.token == PRODUCT.api_key
    assert credential.request_ip == ""
    assert (credential.app_id, credential.workspace_id) == (APP_ID, "llm-1")
    assert desk.requests == []
    assert store.saved == []
    assert parts.status.license_state is LicenseState.AUTHORIZED


@pytest.mark.parametrize(("mode", "sent"), [("fully-managed", True), ("semi-managed", False)])
async def test_the_api_key_goes_to_the_service_when_fully_managed_only(
    mode: Any, sent: bool
) -> None:
    desk = LicenseDesk(registration(), token())
    await (await boot(desk, given=replace(GIVEN, mode=mode))).access.credential()
    keys = {request.api_key for request in desk.requests}
    assert keys == ({PRODUCT.api_key} if sent else {None})


async def test_a_task_is_signed_for_each_connection_if_the_settings_say_so() -> None:
    desk = LicenseDesk(token(), TaskSignature("17", "a", "b"), TaskSignature("18", "c", "d"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()), replace(GIVEN, sign_tasks=True))
    first, second = [await parts.access.credential() for _ in range(2)]
    assert desk.kinds == ["token", "sign", "sign"]
    assert first.signature == {"timestamp": "17", "license_info": "a", "device_info": "b"}
    assert first.task_id == desk.requests[1].task_id
    assert len({first.task_id, second.task_id, ""}) == 3
    assert desk.requests[1].identity.device_secret == REGISTERED.device_secret


async def test_a_task_is_not_signed_by_itself() -> None:
    desk = LicenseDesk(token())
    credential = await (await boot(desk, MemoryStore(REGISTERED.encode()))).access.credential()
    assert (credential.task_id, credential.signature) == ("", {})


async def test_headers_and_certificate_go_to_the_relay() -> None:
    desk = LicenseDesk(registration(), token())
    relay = {"headers": Secret("X-Relay: 7"), "client_cert": "/c.pem", "client_key": "/k.pem"}
    given = replace(GIVEN, mode="semi-managed", **relay)  # type: ignore[arg-type]
    await (await boot(desk, given=given)).access.credential()
    for request in desk.requests:
        endpoint = request.endpoint
        assert (endpoint.headers, endpoint.client_cert, endpoint.client_key) == tuple(
            relay.values()
        )


async def test_the_paths_are_appended_to_the_base_url_unless_overridden() -> None:
    desk = LicenseDesk(registration(), token())
    given = replace(GIVEN, token_url="https://relay.example/my/token")
    await (
        await boot(desk, given=given, cloud=Cloud(license_url="https://a/b/"))
    ).access.credential()
    assert [request.endpoint.url for request in desk.requests] == [
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
        await parts.access.credential()
    assert parts.status.license_state is LicenseState.UNPROVISIONED
    assert desk.requests == []


@pytest.mark.parametrize("changed", [{"device_name": "board2"}, {"app_id": "mm_ff"}])
async def test_settings_that_contradict_a_registered_record_stop(changed: dict[str, str]) -> None:
    desk = LicenseDesk(token())
    given = replace(GIVEN, **changed)  # type: ignore[arg-type]
    parts = await boot(desk, MemoryStore(REGISTERED.encode()), given)
    with pytest.raises(NotProvisioned, match="the device record is registered as") as caught:
        await parts.access.credential()
    assert next(iter(changed.values())) in str(caught.value)
    assert desk.requests == []


async def test_a_registered_record_alone_says_who_the_device_is() -> None:
    desk = LicenseDesk(token())
    record = replace(REGISTERED, app_secret=Secret(""))
    given = License(api_key=PRODUCT.api_key)
    parts = await boot(desk, MemoryStore(record.encode()), given)
    assert parts.status.license_state is LicenseState.REGISTERED
    credential = await parts.access.credential()
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
    assert (await parts.access.credential()).workspace_id == used


async def test_an_api_key_on_a_semi_managed_device_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = LicenseDesk(token())
    store = MemoryStore(REGISTERED.encode())
    await boot(desk, store, replace(GIVEN, mode="semi-managed", api_key=Secret("")))
    assert caplog.records == []
    await boot(desk, store, replace(GIVEN, mode="semi-managed"))
    assert "remove it from this board" in caplog.text

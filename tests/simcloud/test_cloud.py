"""Both services as one cloud: register, fetch a token, connect with it."""

import ssl
import time
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from mmid.errors import SettingsInvalid
from mmid.secrets import Secret
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    Refusal,
    Registration,
    Token,
    make_nonce,
)
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.scenario import Fault, Scenario
from mmid.simcloud.license.server import PATHS


async def ask(cloud: SimCloud, kind: Kind, device_secret: str = "") -> ExchangeReply:
    """Ask the license service as a device does."""
    path = next(path for path, asked in PATHS.items() if asked is kind)
    request = ExchangeRequest(
        kind=kind,
        endpoint=HttpsEndpoint(cloud.line["license_url"] + path, str(cloud.ca_file)),
        identity=Identity(
            cloud.product.app_id, cloud.product.app_secret, "board-1", Secret(device_secret)
        ),
        nonce=make_nonce(),
        request_time_ms=time.time_ns() // 1_000_000,
        api_key=cloud.product.api_key,
    )
    return await exchange(request, timeout_s=20)


async def test_a_registered_device_connects_with_its_token(tmp_path: Path) -> None:
    async with SimCloud(tmp_path, state_file=tmp_path / "devices.json") as cloud:
        registration = await ask(cloud, Kind.REGISTER)
        assert isinstance(registration, Registration)
        assert (await cloud.wait_for("register"))["code"] == "200"
    secret = registration.device_secret.reveal()
    async with SimCloud(tmp_path, state_file=tmp_path / "devices.json") as cloud:
        token = await ask(cloud, Kind.TOKEN, secret)
        assert isinstance(token, Token)
        headers = {"Authorization": f"Bearer {token.token.reveal()}"}
        context = ssl.create_default_context(cafile=cloud.ca_file)
        async with connect(cloud.line["ws_url"], ssl=context, additional_headers=headers):
            entry = await cloud.wait_for("connect")
            assert (entry["credential"], entry["device_name"]) == ("token", "board-1")


async def test_license_faults_of_the_scenario_strike_and_the_scenario_stays(
    tmp_path: Path,
) -> None:
    scenario = Scenario(faults=(Fault("register", "refuse:100007"),))
    for _ in range(2):
        async with SimCloud(tmp_path, scenario=scenario) as cloud:
            refusal = await ask(cloud, Kind.REGISTER)
            assert isinstance(refusal, Refusal)
            assert refusal.code == "100007"
            assert (await cloud.wait_for("register"))["code"] == "100007"


async def test_a_journal_on_disk_holds_no_secret(tmp_path: Path) -> None:
    async with SimCloud(tmp_path / "cloud", record_dir=tmp_path / "records") as cloud:
        registration = await ask(cloud, Kind.REGISTER)
        assert isinstance(registration, Registration)
        token = await ask(cloud, Kind.TOKEN, registration.device_secret.reveal())
        assert isinstance(token, Token)
        await cloud.wait_for("token")
    text = (tmp_path / "records" / "journal.jsonl").read_text()
    secrets = (
        cloud.product.app_secret,
        cloud.product.api_key,
        registration.device_secret,
        token.token,
    )
    assert "board-1" in text
    assert not [secret for secret in secrets if secret.reveal() in text]


def test_a_kept_product_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "product.json").write_text('{"app_id": "mm_00"}')
    with pytest.raises(SettingsInvalid, match=r"product\.json"):
        SimCloud(tmp_path)


def test_a_fault_that_no_cloud_understands_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="when = 'Lunch'; allowed: Upgrade, Start"):
        SimCloud(tmp_path, scenario=Scenario(faults=(Fault("Lunch", "drop"),)))


async def test_the_line_has_all_a_client_needs(tmp_path: Path) -> None:
    async with SimCloud(tmp_path) as cloud:
        description = cloud.line
    assert description["api_key"].startswith("sk-")
    assert description["workspace_id"].startswith("llm-")
    assert len(description["workspace_id"]) == 20
    assert len(description["app_id"]) == 31
    assert Path(description["ca_file"]).is_absolute()

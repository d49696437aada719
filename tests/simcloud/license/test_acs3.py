"""Alibaba's gateway in simcloud: the documented signature, the client's own, and nothing else."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_bailianmodelonchip20240816.client import Client
from alibabacloud_bailianmodelonchip20240816.models import DeviceRegisterRequest
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.policy.retry import RetryOptions
from darabonba.runtime import RuntimeOptions

from mmid.errors import CloudRefused
from mmid.session.license.messages import ExchangeRequest, HttpsEndpoint, Identity, Kind, make_nonce
from mmid.session.license.protocol import request_body
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.https import Call
from mmid.simcloud.core.scenario import Fault, Scenario
from mmid.simcloud.license.acs3 import SignatureCheck, sign
from mmid.simcloud.license.server import LicenseServer

NOW_MS = 1_795_000_000_000
DATE = "2026-11-18T11:06:40Z"
BODY = b"appId=mm_0"
HEADERS = {
    "host": "127.0.0.1:1",
    "x-acs-action": "DeviceRegister",
    "x-acs-content-sha256": hashlib.sha256(BODY).hexdigest(),
    "x-acs-date": DATE,
    "x-acs-signature-nonce": "nonce-1",
    "x-acs-version": "2024-08-16",
}


def signed(
    changes: Mapping[str, str] | None = None,
    later: Mapping[str, str | None] | None = None,
    body: bytes = BODY,
) -> Call:
    """Return a call that is signed with some headers changed, and changed again afterwards."""
    headers = {**HEADERS, **(changes or {})}
    path = "/open/api/device/v1/register"
    signature = sign(path, "", headers, headers["x-acs-content-sha256"], "secret")
    names = ";".join(headers)
    scheme = "ACS3-HMAC-SHA256"
    headers["authorization"] = (
        f"{scheme} Credential=key,SignedHeaders={names},Signature={signature}"
    )
    message = Message()
    for name, value in {**headers, **(later or {})}.items():
        if value is not None:
            message[name] = value
    return Call(path, "", body, "127.0.0.1", message)


def test_the_signature_is_that_of_the_documented_example() -> None:
    nothing = hashlib.sha256(b"").hexdigest()
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": nothing,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    image = "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"
    query = f"ImageId={image}&RegionId=cn-shanghai"
    expected = "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert sign("/", query, headers, nothing, "YourAccessKeySecret") == expected


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (signed(), ""),
        (signed({"x-acs-date": "2026-11-18T10:51:40Z"}), ""),
        (signed({"x-acs-date": "2026-11-18T10:51:39Z"}), "InvalidTimeStamp.Expired"),
        (signed({"x-acs-date": "2026-11-18T11:21:41Z"}), "InvalidTimeStamp.Expired"),
        (signed({"x-acs-date": "Wed, 18 Nov 2026"}), "InvalidTimeStamp.Format"),
        (signed({"x-acs-action": "GetToken"}), "InvalidApi.NotFound"),
        (signed({"x-acs-version": "2014-05-26"}), "InvalidVersion"),
        (signed(later={"x-acs-date": None}), "MissingTimestamp"),
        (signed(later={"x-acs-signature-nonce": None}), "MissingSignatureNonce"),
        (signed(later={"x-acs-content-sha256": None}), "MissingContentSha256"),
        (signed(later={"x-acs-signature-nonce": "another"}), "SignatureDoesNotMatch"),
        (signed(body=b"appId=mm_1"), "SignatureDoesNotMatch"),
        (signed({"x-acs-content-sha256": "\xe9"}), "SignatureDoesNotMatch"),
        (signed(later={"authorization": None}), "IncompleteSignature"),
        (signed(later={"authorization": "Bearer sk-1"}), "IncompleteSignature"),
        # What it does must be signed, and nothing may be added to it.
        (signed(later={"x-acs-security-token": "somebody"}), "IncompleteSignature"),
    ],
)
def test_what_is_not_signed_as_alibaba_wants_it_is_refused(call: Call, code: str) -> None:
    check = SignatureCheck("key", "secret")
    if not code:
        check.check(call, "DeviceRegister", NOW_MS)
        return
    with pytest.raises(CloudRefused) as caught:
        check.check(call, "DeviceRegister", NOW_MS)
    assert caught.value.code == code


def test_a_nonce_is_good_once_and_only_a_signed_call_uses_it_up() -> None:
    check = SignatureCheck("key", "secret")
    with pytest.raises(CloudRefused):
        check.check(signed(body=b"forged"), "DeviceRegister", NOW_MS)
    check.check(signed(), "DeviceRegister", NOW_MS)
    with pytest.raises(CloudRefused) as caught:
        check.check(signed(), "DeviceRegister", NOW_MS)
    assert caught.value.code == "SignatureNonceUsed"


# What a vendor's server is: Alibaba's own client, which does not try again by itself.


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[SimCloud]:
    async with SimCloud(tmp_path, scenario=Scenario(faults=FAULTS)) as made:
        yield made


FAULTS = (
    Fault("register", "gateway:Throttling.User", nth=2),
    Fault("register", "http:503", nth=3),
    Fault("register", "refuse:100007", nth=4),
)


async def register(cloud: SimCloud, secret: str = "") -> Any:
    """Register a device as a vendor's server does."""
    line, product = cloud.line, cloud.product
    client = Client(
        Config(
            access_key_id=line["access_key_id"],
            access_key_secret=secret or line["access_key_secret"],
            endpoint=line["pop_url"].removeprefix("https://"),
            region_id="cn-beijing",
            retry_options=RetryOptions({"retryable": False}),
        )
    )
    device = Identity(product.app_id, product.app_secret, "board1")
    now_ms = cloud.find(LicenseServer).now_ms()
    body = request_body(
        ExchangeRequest(Kind.REGISTER, HttpsEndpoint(""), device, make_nonce(), now_ms)
    )
    request = DeviceRegisterRequest(
        app_id=body["appId"],
        nonce=body["nonce"],
        request_time=body["requestTime"],
        signature=body["signature"],
    )
    runtime = RuntimeOptions(ca=line["ca_file"])
    return (await client.device_register_with_options_async(request, {}, runtime)).body


async def test_alibabas_client_is_let_in_and_hears_of_every_fault(cloud: SimCloud) -> None:
    assert (await register(cloud)).data.device_name == "board1"
    assert cloud.find(LicenseServer).book.registered("board1")
    with pytest.raises(AlibabaCloudException) as caught:
        await register(cloud)
    assert caught.value.code == "Throttling.User"
    with pytest.raises(AlibabaCloudException) as caught:
        await register(cloud)
    assert caught.value.status_code == 503
    refused = await register(cloud)
    assert (refused.code, refused.success, refused.data) == ("100007", False, None)


async def test_the_gateway_tells_the_client_what_is_wrong_with_key_and_clock(
    cloud: SimCloud,
) -> None:
    with pytest.raises(AlibabaCloudException) as caught:
        await register(cloud, secret="of somebody else")
    assert caught.value.code == "SignatureDoesNotMatch"
    cloud.find(LicenseServer).clock_offset_ms = 20 * 60 * 1000
    with pytest.raises(AlibabaCloudException) as caught:
        await register(cloud)
    # The first fault is due at the second request; the gateway refuses before it is looked at.
    assert caught.value.code == "InvalidTimeStamp.Expired"
    assert not cloud.find(LicenseServer).book.registered("board1")
    codes = [entry["code"] for entry in cloud.journal.entries if entry["kind"] == "register"]
    assert codes == ["SignatureDoesNotMatch", "InvalidTimeStamp.Expired"]

"""A refusal of the license service: told with advice, followed by its class, and until when."""

import logging
from dataclasses import replace

import pytest

from mmid.errors import NotProvisioned
from mmid.secrets import Secret
from mmid.session.effects import Next
from mmid.session.license.codes import CODES, CodeClass
from mmid.session.license.messages import Kind, Refusal
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.license.server import LicenseServer
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import GIVEN, PRODUCT, REGISTERED, at, boot, over_https, stored

FOLLOWING = {
    CodeClass.STOP: (Next.STOP, LicenseState.REFUSED),
    CodeClass.LONG: (Next.HOURS, LicenseState.REGISTERED),
    CodeClass.RETRY: (Next.LATER, LicenseState.REGISTERED),
    CodeClass.CLOCK: (Next.RETRY, LicenseState.REGISTERED),
    CodeClass.REREGISTER: (Next.RETRY, LicenseState.REGISTERED),
}

# What a device does next after a code, by its class: whether it asks again by itself.
ASKED_AGAIN = {
    CodeClass.STOP: False,
    CodeClass.LONG: True,
    CodeClass.RETRY: True,
    CodeClass.CLOCK: True,
    CodeClass.REREGISTER: True,
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
    await parts.access.credential()
    assert parts.status.license_error == {}


async def test_a_license_error_tells_when_it_is_tried_again_and_since_when_it_lasts() -> None:
    desk = LicenseDesk(Refusal("200014"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    _, following = await parts.refused()
    assert following is Next.HOURS
    parts.access.waiting(7200.0)
    first = dict(parts.status.license_error)
    assert abs(int(first["next_attempt"]) - parts.clock.now_ms() - 7_200_000) < 10_000
    parts.clock.offset_ms = 7_200_000
    await parts.refused()
    parts.access.waiting(None)
    assert parts.status.license_error == {**first, "next_attempt": 0}


async def test_somebody_who_acts_clears_the_license_error() -> None:
    parts = await boot(LicenseDesk(Refusal("100007")))
    await parts.refused()
    parts.access.forgive()
    assert parts.status.license_error == {}
    assert parts.status.license_state is LicenseState.UNREGISTERED


async def test_a_refusal_is_told_with_the_request_id_that_the_services_support_asks_for() -> None:
    error, _ = await (await boot(LicenseDesk(Refusal("500001", request_id="5f3c")))).refused()
    assert "(500001, request 5f3c)" in str(error)


@pytest.mark.parametrize("kind", ["register", "token"])
@pytest.mark.parametrize("code", CODES)
async def test_a_code_of_the_service_over_https_is_followed_by_its_class(
    cloud: SimCloud, code: str, kind: str
) -> None:
    """simcloud refuses once; whoever is to ask again by itself gets what it wants then."""
    service = cloud.find(LicenseServer)
    service.plan.add(kind, f"refuse:{code}")
    parts = await boot(over_https, cloud=at(cloud))
    error, following = await parts.refused()
    assert error.code == code
    assert (following is not Next.STOP) == ASKED_AGAIN[CODES[code].code_class]
    assert parts.status.license_error["code"] == code
    if following is Next.STOP:
        assert parts.status.license_state is LicenseState.REFUSED
        parts.access.forgive()
    elif code == "100009" and kind == "token":
        service.book.reset("board1")  # so it is with the service, if it says so
    credential = await parts.access.credential()
    assert service.token_valid(credential.token.reveal()) == "board1"
    assert parts.status.license_error == {}
    assert parts.status.license_state is LicenseState.AUTHORIZED


async def test_a_device_that_the_service_forgot_registers_anew_once_a_boot() -> None:
    store = MemoryStore(REGISTERED.encode())
    desk = LicenseDesk(
        Refusal("100009"), registration(), token(), Refusal("100009"), Refusal("100009")
    )
    parts = await boot(desk, store)
    assert (await parts.refused())[1] is Next.RETRY
    await parts.access.credential()
    assert stored(store).nonce == desk.requests[1].nonce
    parts.access.forget()
    assert (await parts.refused())[1] is Next.STOP
    assert parts.status.license_state is LicenseState.REFUSED
    assert desk.kinds == ["token", "register", "token", "token"]


async def test_what_stood_in_the_way_of_a_record_goes_with_it() -> None:
    parts = await boot(LicenseDesk(Refusal("500002")), MemoryStore(REGISTERED.encode()))
    await parts.refused()
    await parts.book.erase()
    parts.access.forget()
    assert parts.status.license_state is LicenseState.UNREGISTERED
    assert (parts.status.license_error, parts.access.describe()) == ({}, "")


async def test_a_device_that_was_activated_before_tries_its_token_before_anybody_is_asked() -> None:
    desk = LicenseDesk(Refusal("100009"), Refusal("100025"), token())
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    assert (await parts.refused())[1] is Next.RETRY
    await parts.access.credential()
    assert desk.kinds == ["token", "register", "token"]
    assert desk.requests[2].identity.device_secret == REGISTERED.device_secret
    assert parts.status.license_state is LicenseState.AUTHORIZED
    assert parts.status.license_error == {}


async def test_a_token_refused_to_a_device_that_was_activated_before_asks_for_the_reset() -> None:
    desk = LicenseDesk(Refusal("100009"), Refusal("100025"), Refusal("100009"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.refused()
    error, following = await parts.refused()
    assert (error.license_code, following) == ("100025", Next.STOP)
    assert "Reset the device" in error.remedy
    assert desk.kinds == ["token", "register", "token"]


async def test_a_device_without_the_product_secret_cannot_register_anew_and_says_so() -> None:
    record = replace(REGISTERED, app_secret=Secret(""))
    desk = LicenseDesk(Refusal("100009"), registration())
    parts = await boot(desk, MemoryStore(record.encode()), replace(GIVEN, app_secret=Secret("")))
    await parts.refused()
    with pytest.raises(NotProvisioned, match=r"license\.app_secret"):
        await parts.access.credential()
    assert Kind.REGISTER not in {request.kind for request in desk.requests}


async def test_no_secret_reaches_the_log_or_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        desk = LicenseDesk(registration(), token("st-secret"), Refusal("500002"))
        parts = await boot(desk)
        await parts.access.credential()
        parts.access.forget()
        error, _ = await parts.refused()
    told = f"{caplog.text} {error!r} {parts.status}"
    for secret in (PRODUCT.app_secret, PRODUCT.api_key, parts.book.record.device_secret):
        assert secret.reveal() not in told
    assert "st-secret" not in told

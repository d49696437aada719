"""Other settings are taken up with the next credential, without a restart."""

import asyncio
from dataclasses import replace

import pytest

from mmid.errors import NotProvisioned
from mmid.secrets import Secret
from mmid.session.license.messages import Refusal
from mmid.settings import Cloud, Settings
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import GIVEN, REGISTERED, boot


async def test_another_api_key_is_used_for_the_next_credential_without_a_restart() -> None:
    desk = LicenseDesk(token("st-first"), token("st-second"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.access.credential()
    given = replace(GIVEN, api_key=Secret("sk-changed-by-a-reload"))
    parts.access.use(Settings(license=given))
    assert (await parts.access.credential()).token.reveal() == "st-second"
    assert desk.requests[-1].api_key == Secret("sk-changed-by-a-reload")


async def test_settings_that_the_license_service_does_not_hear_of_leave_the_token() -> None:
    desk = LicenseDesk(token("st-first"), token("st-second"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.access.credential()
    parts.access.use(Settings(license=GIVEN, cloud=Cloud(model="another")))
    assert (await parts.access.credential()).token.reveal() == "st-first"


async def test_settings_that_were_changed_after_a_refusal_are_tried() -> None:
    desk = LicenseDesk(Refusal("100012"), token())
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.refused()
    states = [parts.status.license_state]
    parts.access.use(Settings(license=replace(GIVEN, api_key=Secret("sk-the-right-one"))))
    states.append(parts.status.license_state)
    await parts.access.credential()
    states.append(parts.status.license_state)
    assert states == [LicenseState.REFUSED, LicenseState.REGISTERED, LicenseState.AUTHORIZED]


async def test_a_registration_by_the_settings_before_is_no_other_device_s() -> None:
    desk = LicenseDesk(registration(), token())
    desk.gate.clear()
    parts = await boot(desk)
    asking = asyncio.create_task(parts.access.credential())
    await desk.asked.wait()
    asking.cancel()
    await asyncio.wait({asking})
    parts.access.use(Settings(license=replace(GIVEN, device_name="board2")))
    again = asyncio.create_task(parts.access.credential())
    await asyncio.sleep(0)
    desk.gate.set()
    with pytest.raises(
        NotProvisioned, match=r"registered as .* board1, the settings say .* board2"
    ):
        await again
    assert desk.kinds == ["register"], "no token for one by the secret of the other"

"""Other settings are taken up with the next credential, without a restart."""

from dataclasses import replace

from mmid.secrets import Secret
from mmid.session.license.messages import Refusal
from mmid.settings import Cloud, Settings
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, token
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

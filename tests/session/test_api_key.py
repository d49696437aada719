"""An API key as a credential: there or not, taken or refused."""

import pytest

from mmid.errors import ConnectionLost, NotProvisioned
from mmid.secrets import Secret
from mmid.session.api_key import ApiKey
from mmid.session.effects import Next
from mmid.session.endpoint import CredentialRefused
from mmid.settings import License, Settings
from mmid.status import LicenseState, Status
from tests.session.doubles import TestClock


def access(key: str) -> tuple[ApiKey, Status]:
    status = Status()
    settings = Settings(license=License(api_key=Secret(key), device_name="kitchen"))
    return ApiKey(settings, clock=TestClock(), status=status), status


async def test_the_key_is_the_credential_and_is_thought_good_when_the_cloud_took_it() -> None:
    key, status = access("sk-1")
    assert (await key.credential()).token.reveal() == "sk-1"
    assert status.license_state.value == LicenseState.REGISTERED.value
    key.accepted()
    assert status.license_state.value == LicenseState.AUTHORIZED.value
    assert (status.license_mode, status.device_name) == ("api-key", "kitchen")
    assert key.describe() == ""


async def test_without_a_key_it_says_which_setting_is_missing() -> None:
    key, status = access("")
    with pytest.raises(NotProvisioned, match=r"license\.api_key"):
        await key.credential()
    assert status.license_state.value == LicenseState.UNPROVISIONED.value
    assert "license.api_key" in key.describe()


def test_a_refused_key_stops_until_another_comes_or_somebody_asks() -> None:
    key, status = access("sk-1")
    assert key.after(ConnectionLost("no")) is None
    assert key.after(CredentialRefused("wss://cloud", 401)) is Next.STOP
    assert status.license_state.value == LicenseState.REFUSED.value
    assert status.license_error["remedy"] == "fix-settings"
    assert "sk-1" not in key.describe()
    key.forgive()
    assert status.license_state.value == LicenseState.REGISTERED.value
    key.after(CredentialRefused("wss://cloud", 403))
    key.use(Settings(license=License(api_key=Secret("sk-2"))))
    assert status.license_state.value == LicenseState.REGISTERED.value
    assert status.license_error == {}

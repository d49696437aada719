"""An API key as a credential: at hand or from a relay, taken or refused."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mmid.errors import ConnectionLost, HttpFailed, MmidError, NotProvisioned
from mmid.secrets import Secret, redact
from mmid.session.api_key import ApiKey
from mmid.session.effects import Next
from mmid.session.endpoint import CredentialRefused
from mmid.session.license.messages import HttpsEndpoint
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import RecordBook
from mmid.session.relay import RelayBusy, RelayRefused
from mmid.settings import Cloud, License, Settings
from mmid.status import LicenseState, Status
from tests.session.doubles import MemoryStore, TestClock

RELAYED = License(
    token_url="https://relay.example/key",
    device_name="kitchen",
    headers=Secret("Authorization: Bearer kitchen.1.0f"),
    client_cert="/etc/board.pem",
)
CLOUD_REFUSED = CredentialRefused("wss://cloud", 401)
RELAY_REFUSED = RelayRefused("no", "403", advice="Do something.")


class Relay:
    """Gives prepared answers to ``ask``, one a question, the last one for ever."""

    def __init__(self, *answers: dict[str, Any] | MmidError) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[HttpsEndpoint, Mapping[str, str | int]]] = []

    async def __call__(
        self, endpoint: HttpsEndpoint, body: Mapping[str, str | int]
    ) -> dict[str, Any]:
        self.asked.append((endpoint, body))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, MmidError):
            raise answer
        return answer


def access(
    given: License, *answers: dict[str, Any] | MmidError, record: DeviceRecord | None = None
) -> tuple[ApiKey, Status, Relay]:
    status, relay, book = Status(), Relay(*answers), RecordBook(MemoryStore())
    book.record = record or book.record
    settings = Settings(license=given, cloud=Cloud(ca_file="/etc/ca.pem"))
    return ApiKey(settings, book=book, clock=TestClock(), status=status, ask=relay), status, relay


def of(key: str) -> License:
    return License(api_key=Secret(key), device_name="kitchen")


def fresh(token: str, expires_at: object = 1_800_000_000) -> dict[str, Any]:
    return {"token": token, "expires_at": expires_at}


async def test_the_key_is_the_credential_and_is_thought_good_when_the_cloud_took_it() -> None:
    key, status, _ = access(of("sk-1"))
    assert (await key.credential()).token.reveal() == "sk-1"
    assert status.license_state.value == LicenseState.REGISTERED.value
    key.accepted()
    assert status.license_state.value == LicenseState.AUTHORIZED.value
    assert (status.license_mode, status.device_name) == ("api-key", "kitchen")
    assert key.describe() == ""


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (License(), r"license\.api_key or license\.token_url"),
        (replace(RELAYED, device_name=""), r"license\.device_name"),
    ],
)
async def test_what_is_missing_is_named_and_nobody_is_asked(given: License, missing: str) -> None:
    key, status, relay = access(given, fresh("st-1"))
    with pytest.raises(NotProvisioned, match=missing) as caught:
        await key.credential()
    assert "license.token_url" in caught.value.remedy
    assert status.license_state.value == LicenseState.UNPROVISIONED.value
    assert missing.replace("\\", "") in key.describe()
    assert relay.asked == []


def test_a_refused_key_stops_until_another_comes_or_somebody_asks() -> None:
    key, status, _ = access(of("sk-1"))
    assert key.after(ConnectionLost("no")) is None
    assert key.after(CLOUD_REFUSED) is Next.STOP
    assert status.license_state.value == LicenseState.REFUSED.value
    assert status.license_error["remedy"] == "fix-settings"
    assert "sk-1" not in key.describe()
    key.forgive()
    assert status.license_state.value == LicenseState.REGISTERED.value
    key.after(CLOUD_REFUSED)
    key.use(Settings(license=of("sk-2")))
    assert status.license_state.value == LicenseState.REGISTERED.value
    assert status.license_error == {}


async def test_each_connection_has_a_key_of_its_own_from_the_relay() -> None:
    key, status, relay = access(RELAYED, fresh("st-first-key"), fresh("st-other-key"))
    key.show()
    assert (status.license_mode, status.license_state.value) == ("temporary-key", "registered")
    tokens = [(await key.credential()).token for _ in range(2)]
    assert [token.reveal() for token in tokens] == ["st-first-key", "st-other-key"]
    assert redact("a st-first-key b") == "a *** b"
    endpoint, body = relay.asked[0]
    assert body == {"deviceName": "kitchen"}
    assert (endpoint.url, endpoint.ca_file, endpoint.client_cert) == (
        "https://relay.example/key",
        "/etc/ca.pem",
        "/etc/board.pem",
    )
    assert endpoint.headers == RELAYED.headers
    key.accepted()
    assert status.license_state.value == LicenseState.AUTHORIZED.value
    assert status.token_expiry == 1_800_000_000_000


async def test_the_relay_hears_the_name_in_the_device_record_if_the_settings_have_none() -> None:
    record = DeviceRecord(device_name="from-the-line")
    key, status, relay = access(replace(RELAYED, device_name=""), fresh("st-1"), record=record)
    await key.credential()
    assert relay.asked[0][1] == {"deviceName": "from-the-line"}
    assert status.device_name == "from-the-line"


@pytest.mark.parametrize(
    ("expires_at", "shown"),
    [
        (1_800_000_000.5, 1_800_000_000_500),
        (1_800_000_000_000, 0),  # milliseconds
        (60, 0),
        (-1, 0),
        (10**400, 0),
        (1e300, 0),
        (float("nan"), 0),
        (True, 0),
        ("soon", 0),
        (None, 0),
    ],
)
async def test_an_expiry_that_is_no_time_of_this_century_is_not_shown(
    expires_at: object, shown: int
) -> None:
    key, status, _ = access(RELAYED, fresh("st-1", expires_at))
    await key.credential()
    assert status.token_expiry == shown


@pytest.mark.parametrize("token", [None, "", 7, "two words", "line\nend", "é", "k" * 1025])
async def test_what_is_no_key_goes_into_no_header(token: object) -> None:
    key, status, _ = access(RELAYED, {"token": token, "expires_at": 1_800_000_000})
    with pytest.raises(HttpFailed, match=r"relay\.example") as caught:
        await key.credential()
    assert key.after(caught.value) is None
    assert (status.license_state.value, status.token_expiry) == ("registered", 0)


async def test_a_fresh_key_that_the_cloud_refuses_is_fetched_anew_once() -> None:
    key, status, _ = access(RELAYED, fresh("st-1"))
    await key.credential()
    assert key.after(CLOUD_REFUSED) is Next.RETRY
    assert (status.license_state.value, status.token_expiry) == ("registered", 0)
    await key.credential()
    assert key.after(CLOUD_REFUSED) is Next.STOP
    assert status.license_state.value == LicenseState.REFUSED.value
    key.forgive()
    assert status.license_state.value == LicenseState.REGISTERED.value
    assert key.after(CLOUD_REFUSED) is Next.RETRY
    key.accepted()
    assert key.after(CLOUD_REFUSED) is Next.RETRY


async def test_a_board_that_the_relay_refuses_waits_until_somebody_acts() -> None:
    key, status, _ = access(RELAYED, RELAY_REFUSED, fresh("st-1"))
    with pytest.raises(RelayRefused) as caught:
        await key.credential()
    assert key.after(caught.value) is Next.STOP
    assert status.license_state.value == LicenseState.REFUSED.value
    assert status.license_error["code"] == "403"
    assert "Do something." in str(status.license_error["message"])
    assert "Do something." in key.describe()


async def test_a_reload_goes_from_the_one_way_to_the_other() -> None:
    key, status, relay = access(License(device_name="kitchen"), fresh("st-1"))
    key.use(Settings(license=RELAYED))
    assert (await key.credential()).token.reveal() == "st-1"
    key.accepted()
    key.use(Settings(license=of("sk-1")))
    assert (status.license_mode, status.license_state.value) == ("api-key", "registered")
    assert status.token_expiry == 0
    assert (await key.credential()).token.reveal() == "sk-1"
    assert len(relay.asked) == 1


async def test_a_relay_that_wants_to_be_asked_later_is_and_nobody_is_refused() -> None:
    busy = RelayBusy("slowly")
    busy.wait_s = 40.0
    key, status, _ = access(RELAYED, busy)
    with pytest.raises(RelayBusy) as caught:
        await key.credential()
    assert key.after(caught.value) is Next.HOURS
    assert 40 <= key.long_wait_s() <= 50
    assert key.long_wait_s() > 3600  # the next time for another reason
    assert (status.license_state.value, status.license_error) == ("registered", {})


@pytest.mark.parametrize(("clock", "remedy"), [(False, "fix-settings"), (True, "fix-clock")])
def test_a_refusal_over_the_clock_is_tried_again_when_that_was_set(
    remedy: str, *, clock: bool
) -> None:
    refused = RelayRefused("no", "401", advice="Do something.")
    refused.clock = clock
    key, status, _ = access(RELAYED)
    assert key.after(refused) is Next.STOP
    assert key.clock_refused is clock
    assert status.license_error["remedy"] == remedy
    key.forgive()
    assert not key.clock_refused

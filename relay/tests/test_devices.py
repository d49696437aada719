"""Who is let in: tokens, certificates, and from whom a certificate's name is believed."""

import hmac
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mmid_relay.devices import Doorkeeper, common_name, device_token
from mmid_relay.problems import Problem
from mmid_relay.revocations import Revocations
from mmid_relay.settings import Devices, Server
from tests.rig import KEY, SECRETS, Board, Vendor, relay_for, settings_for

_KEY = bytes.fromhex(KEY)
_OTHER = "f" * 64


def _doorkeeper(server: Mapping[str, object] | None = None, **devices: object) -> Doorkeeper:
    given_devices = Devices.model_validate({"fleet_keys": {"k1": KEY}, **devices})
    return Doorkeeper(
        Server.model_validate(server or {}), given_devices, Revocations(given_devices)
    )


def _who(doorkeeper: Doorkeeper, client: str = "192.0.2.1", **headers: str) -> str:
    """Return who a request is from, or the name of the problem."""
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    try:
        return doorkeeper.device(lines, client)
    except Problem as problem:
        return problem.kind.slug


def test_a_token_is_the_hmac_of_the_name() -> None:
    digits = hmac.new(_KEY, b"radio-1", "sha256").hexdigest()
    assert device_token("radio-1", "k1", _KEY) == f"radio-1.k1.{digits}"


def test_a_good_token_names_its_device() -> None:
    token = device_token("radio-1", "k1", _KEY)
    assert _who(_doorkeeper(), authorization=f"Bearer {token}") == "radio-1"
    assert _who(_doorkeeper(), authorization=f"bearer  {token}") == "radio-1"


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer radio-1",
        "Bearer radio-1.k1.",
        "Basic cmFkaW8tMTpr",
        f"Bearer radio-1.k1.{'0' * 64}",
        f"Bearer {device_token('radio-1', 'k1', bytes.fromhex(_OTHER))}",
        f"Bearer {device_token('radio-1', 'k2', _KEY)}",
        f"Bearer {device_token('radio-1', 'k1', _KEY).replace('radio-1', 'radio-2')}",
        f"Bearer {device_token('radio-1', 'k1', _KEY)}0",
        f"Bearer {device_token('radio-1', 'k1', _KEY).upper()}",
        # The key of ids that are not ours is all zeros: it must not become a key.
        f"Bearer {device_token('radio-1', 'k9', bytes(32))}",
    ],
)
def test_anything_else_is_nobody(authorization: str) -> None:
    assert _who(_doorkeeper(), authorization=authorization) == "unknown-device"


@given(st.text(max_size=200))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    lines = [(b"authorization", f"Bearer {text}".encode())]
    with pytest.raises(Problem):
        _doorkeeper().device(lines, "192.0.2.1")


def test_a_request_that_names_two_devices_is_nobodys() -> None:
    token = f"Bearer {device_token('radio-1', 'k1', _KEY)}".encode()
    with pytest.raises(Problem):
        _doorkeeper().device([(b"authorization", token)] * 2, "192.0.2.1")


def test_tokens_of_both_keys_are_good_while_keys_rotate() -> None:
    doorkeeper = _doorkeeper(fleet_keys={"k1": KEY, "k2": _OTHER})
    tokens = [device_token("r", "k1", _KEY), device_token("r", "k2", bytes.fromhex(_OTHER))]
    assert [_who(doorkeeper, authorization=f"Bearer {token}") for token in tokens] == ["r", "r"]


def test_the_old_keys_tokens_end_with_it() -> None:
    old = device_token("r", "k1", _KEY)
    removed = _doorkeeper(fleet_keys={"k2": _OTHER})
    revoked = _doorkeeper(fleet_keys={"k1": KEY, "k2": _OTHER}, revoked_keys=["k1"])
    assert _who(removed, authorization=f"Bearer {old}") == "unknown-device"
    assert _who(revoked, authorization=f"Bearer {old}") == "revoked"


def test_a_revoked_name_is_told_so_only_if_it_proves_who_it_is() -> None:
    doorkeeper = _doorkeeper(revoked=["radio-1"])
    token = device_token("radio-1", "k1", _KEY)
    assert _who(doorkeeper, authorization=f"Bearer {token}") == "revoked"
    assert _who(doorkeeper, authorization=f"Bearer {token[:-64]}{'0' * 64}") == "unknown-device"


_SERVER = {"client_dn_header": "X-SSL-Client-S-DN", "trusted_proxies": ["10.0.0.0/8", "::1"]}


def test_a_certificates_name_is_believed_from_the_proxy_only() -> None:
    doorkeeper, subject = _doorkeeper(_SERVER), "CN=radio-1,O=Example"
    seen = {
        client: _who(doorkeeper, client, x_ssl_client_s_dn=subject)
        for client in ("10.1.2.3", "::1", "192.0.2.1", "", "nonsense")
    }
    assert seen == {
        "10.1.2.3": "radio-1",
        "::1": "radio-1",
        "192.0.2.1": "unknown-device",
        "": "unknown-device",
        "nonsense": "unknown-device",
    }


def test_a_certificates_name_is_believed_on_the_unix_socket() -> None:
    doorkeeper = _doorkeeper({"client_dn_header": "X-Dn", "listen": "unix:/run/x/relay.sock"})
    assert _who(doorkeeper, "", x_dn="CN=radio-1") == "radio-1"
    assert _who(doorkeeper, "", x_dn="") == "unknown-device"
    assert _who(doorkeeper, "", x_dn="CN=radio/1") == "unknown-device"


def test_a_revoked_name_is_refused_with_a_certificate_too() -> None:
    doorkeeper = _doorkeeper(_SERVER, revoked=["radio-1"])
    assert _who(doorkeeper, "10.0.0.1", x_ssl_client_s_dn="CN=radio-1") == "revoked"


def test_no_header_is_believed_if_none_is_set() -> None:
    doorkeeper = _doorkeeper({"trusted_proxies": ["10.0.0.0/8"]})
    assert _who(doorkeeper, "10.0.0.1", x_ssl_client_s_dn="CN=radio-1") == "unknown-device"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=radio-1", "radio-1"),
        ("O=Example,CN=radio-1,C=CN", "radio-1"),
        ("cn = radio-1 , O=Example", "radio-1"),
        ("2.5.4.3=radio-1", "radio-1"),
        (r"O=Example\, Inc.,CN=radio-1", "radio-1"),
        (r"O=Example\,CN=evil,CN=radio-1", "radio-1"),
        (r"O=Example\+CN=evil,CN=radio-1", "radio-1"),
        ("serialNumber=7+CN=radio-1,O=Example", "radio-1"),
        ("CN=radio-1,CN=radio-2", ""),
        ("/O=Example/CN=radio-1", ""),
        ("O=Example", ""),
        ("", ""),
        ("CN", ""),
    ],
)
def test_the_common_name_is_read_as_rfc_4514_has_it(subject: str, name: str) -> None:
    assert common_name(subject) == name


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=64))
def test_no_organisation_can_look_like_a_name(organisation: str) -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, "radio-1"),
        ]
    )
    assert common_name(subject.rfc4514_string()) == "radio-1"


async def test_a_forged_header_from_a_stranger_is_nobody(vendor: Vendor, ca_file: Path) -> None:
    settings = settings_for(vendor, ca_file, server=_SERVER)
    async with relay_for(settings, client="192.0.2.1") as board:
        answer = await board.post(
            "/v1/qwen/token",
            {"deviceName": "radio-1"},
            authorization="",
            x_ssl_client_s_dn="CN=radio-1",
        )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    async with relay_for(settings, client="10.0.0.1") as board:
        answer = await board.post(
            "/v1/qwen/token",
            {"deviceName": "radio-1"},
            authorization="",
            x_ssl_client_s_dn="CN=radio-1",
        )
    assert answer.status_code == 200


async def test_the_audit_line_has_the_name_that_was_claimed(board: Board) -> None:
    board.token = f"radio-7.k1.{'0' * 64}"
    await board.get_token()
    assert board.lines[-1]["device"] == ""
    assert board.lines[-1]["claimed"] == "radio-7"


async def test_a_key_in_the_place_of_a_token_is_not_in_the_audit_line(board: Board) -> None:
    board.token = SECRETS["api_key"]
    assert (await board.get_token()).status_code == 401
    assert "claimed" not in board.lines[-1]

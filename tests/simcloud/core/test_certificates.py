"""simcloud's certificates satisfy the strictest client, and only for their hosts and time."""

import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography import x509

from mmid.simcloud.core.certificates import Certificates, make_certificates


def handshake(certificates: Certificates, host: str) -> str | None:
    """Do a TLS handshake in memory, as strict as Python 3.13; return the agreed version."""
    client = ssl.create_default_context(cafile=certificates.ca_file)
    client.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        certificates.server_context().wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(3):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].version()


def contents(certificates: Certificates) -> list[bytes]:
    return [certificates.ca_file.read_bytes(), certificates.certificate_file.read_bytes()]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_strict_client_trusts_the_server_under_each_of_its_names(
    tmp_path: Path, host: str
) -> None:
    assert handshake(make_certificates(tmp_path / "new" / "directory"), host) == "TLSv1.3"


@pytest.mark.parametrize(
    ("hosts", "expired", "words"),
    [
        (("cloud.example",), False, "Hostname mismatch"),
        (("localhost",), True, "expired"),
    ],
)
def test_a_client_refuses_another_host_and_an_ended_certificate(
    tmp_path: Path, hosts: Sequence[str], expired: bool, words: str
) -> None:
    certificates = make_certificates(tmp_path, hosts, expired=expired)
    with pytest.raises(ssl.SSLCertVerificationError, match=words):
        handshake(certificates, "localhost")


def test_the_key_is_its_owner_s_alone(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    assert certificates.key_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "ca.pem",
        "server.key",
        "server.pem",
    ]


def test_a_valid_set_is_used_again(tmp_path: Path) -> None:
    first = contents(make_certificates(tmp_path))
    assert contents(make_certificates(tmp_path)) == first


def test_a_set_for_other_hosts_is_made_anew(tmp_path: Path) -> None:
    first = contents(make_certificates(tmp_path))
    second = make_certificates(tmp_path, ("127.0.0.1", "cloud.example"))
    assert contents(second) != first
    certificate = x509.load_pem_x509_certificate(second.certificate_file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["cloud.example"]


@pytest.mark.parametrize("name", ["ca.pem", "server.pem", "server.key"])
@pytest.mark.parametrize("damage", ["missing", "garbage", "other"])
def test_a_damaged_set_is_made_anew(tmp_path: Path, name: str, damage: str) -> None:
    make_certificates(tmp_path / "other")
    make_certificates(tmp_path)
    damaged = tmp_path / name
    if damage == "missing":
        damaged.unlink()
    elif damage == "garbage":
        damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    else:
        damaged.write_bytes((tmp_path / "other" / name).read_bytes())
    assert handshake(make_certificates(tmp_path), "localhost") == "TLSv1.3"


def test_a_key_that_others_may_read_is_made_anew(tmp_path: Path) -> None:
    first = make_certificates(tmp_path)
    old = first.key_file.read_bytes()
    first.key_file.chmod(0o644)
    assert make_certificates(tmp_path).key_file.read_bytes() != old


def test_an_expired_set_is_replaced(tmp_path: Path) -> None:
    make_certificates(tmp_path, expired=True)
    assert handshake(make_certificates(tmp_path), "localhost") == "TLSv1.3"

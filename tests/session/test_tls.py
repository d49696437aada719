"""The second connection: resumed, and no less safe than the first."""

import asyncio
import os
import shutil
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from mmid.errors import ConnectionLost, SettingsInvalid, TlsFailed
from mmid.session.endpoint import Endpoint
from mmid.session.link import Link, open_link
from mmid.session.tls import Tls, lacking
from mmid.simcloud.core.certificates import Certificates, make_certificates
from tests.session.test_link import next_message, server

AMPLE_S = 10.0


async def echo(connection: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        async for frame in connection:
            await connection.send(frame)


@dataclass
class Dialler:
    """Connects to one server again and again, as the daemon does."""

    port: int
    tls: Tls
    host: str = "localhost"

    @asynccontextmanager
    async def linked(self) -> AsyncIterator[Link]:
        url = f"wss://{self.host}:{self.port}/"
        link = await open_link(Endpoint(url, url, {}), self.tls, AMPLE_S)
        try:
            link.send("hello")
            assert await next_message(link) == "hello"
            yield link
        finally:
            await link.close()

    async def reused(self) -> bool:
        """Connect, and tell whether the session was resumed."""
        async with self.linked() as link:
            return bool(ssl_object(link).session_reused)


def ssl_object(link: Link) -> ssl.SSLObject:
    found: ssl.SSLObject = link._connection.transport.get_extra_info("ssl_object")
    return found


@asynccontextmanager
async def dialler(
    certificates: Certificates, context: ssl.SSLContext | None = None, ca_file: Path | None = None
) -> AsyncIterator[Dialler]:
    async with server(certificates, echo, context=context) as port:
        yield Dialler(port, Tls(str(ca_file or certificates.ca_file)))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_reconnect_resumes_the_session(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    context = certificates.server_context()
    context.maximum_version = version
    async with dialler(certificates, context) as board:
        assert [await board.reused() for _ in range(3)] == [False, True, True]


async def test_one_session_serves_as_long_as_it_is_resumed(certificates: Certificates) -> None:
    """To ask for another one costs memory that never comes back."""
    async with dialler(certificates) as board:
        assert not await board.reused()
        kept = board.tls.context().kept
        assert await board.reused()
        assert board.tls.context().kept is kept


async def test_a_connection_that_broke_is_resumed_too(certificates: Certificates) -> None:
    async with dialler(certificates) as board:
        async with board.linked() as link:
            link._connection.transport.abort()
        assert await board.reused()


async def test_a_server_that_forgot_the_session_gets_a_whole_handshake(
    certificates: Certificates,
) -> None:
    async with dialler(certificates) as board:
        assert not await board.reused()
        async with server(certificates, echo) as elsewhere:
            board.port = elsewhere
            assert not await board.reused()
            assert await board.reused()


async def test_an_attempt_that_failed_is_followed_by_a_whole_handshake(
    certificates: Certificates,
) -> None:
    async with dialler(certificates) as board:
        assert not await board.reused()
        port, board.port = board.port, 1
        with pytest.raises(ConnectionLost):
            await board.reused()
        board.port = port
        assert not await board.reused()


async def test_a_session_is_offered_to_the_name_that_it_was_made_with_and_no_other(
    certificates: Certificates,
) -> None:
    async with dialler(certificates) as board:
        assert not await board.reused()
        board.host = "127.0.0.1"
        assert not await board.reused()
        board.host = "localhost"
        assert not await board.reused()
        assert await board.reused()


async def test_another_ca_file_begins_anew_and_counts_at_once(
    certificates: Certificates, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.pem"
    shutil.copy(certificates.ca_file, ca_file)
    async with dialler(certificates, ca_file=ca_file) as board:
        assert not await board.reused()
        other = make_certificates(tmp_path / "other")
        other.ca_file.replace(ca_file)
        with pytest.raises(TlsFailed, match="not acceptable"):
            await board.reused()
        shutil.copy(certificates.ca_file, ca_file)
        assert not await board.reused()


def test_the_authorities_are_read_once(certificates: Certificates) -> None:
    tls = Tls(str(certificates.ca_file))
    assert tls.context() is tls.context()


def test_a_pipe_for_authorities_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "ca.pem")
    with pytest.raises(
        SettingsInvalid, match=rf"cloud\.ca_file {pipe} cannot be used: it is a pipe"
    ):
        Tls(str(pipe)).context()


@pytest.mark.parametrize("name", ["nowhere.pem", f"{'x' * 300}.pem"])
def test_authorities_that_cannot_be_looked_at_are_a_fault_of_the_settings(
    tmp_path: Path, name: str
) -> None:
    # As for a directory that the daemon's user may not enter; a test may run as root.
    with pytest.raises(SettingsInvalid, match=r"cloud\.ca_file .* (does not exist|too long)"):
        Tls(str(tmp_path / name)).context()


async def test_a_server_of_another_name_is_refused_even_with_a_session(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with dialler(certificates) as board:
        assert not await board.reused()
        context = board.tls.context()
        assert context.check_hostname
        assert context.verify_mode is ssl.CERT_REQUIRED
        elsewhere = make_certificates(tmp_path, ["elsewhere.example"])
        async with server(elsewhere, echo) as port:
            board.port = port
            with pytest.raises(TlsFailed):
                await board.reused()


async def test_no_variable_makes_it_write_its_keys(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    async with dialler(certificates) as board:
        await board.reused()
    assert not await asyncio.to_thread((tmp_path / "keys").exists)


# --- authorities that are made by hand -----------------------------------------------------


def handmade(folder: Path, *extensions: x509.ExtensionType) -> Certificates:
    """A certificate and its authority, which has these extensions and no other."""
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by hand")])
    now = datetime.now(UTC)

    def sign(subject: x509.Name, holds: Sequence[x509.ExtensionType]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )
        for one in holds:
            builder = builder.add_extension(one, critical=isinstance(one, x509.BasicConstraints))
        return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    made.ca_file.write_bytes(sign(name, extensions))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made.certificate_file.write_bytes(sign(x509.Name([]), [names]))
    private, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    made.key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, private, plain))
    return made


async def test_an_authority_as_the_tutorials_make_it_is_trusted_and_what_it_lacks_is_told(
    certificates: Certificates, tmp_path: Path
) -> None:
    made = handmade(tmp_path, x509.BasicConstraints(ca=True, path_length=None))
    async with server(made, echo) as port:
        assert not await Dialler(port, Tls(str(made.ca_file))).reused()
    assert lacking(str(made.ca_file)) == "keyUsage, subjectKeyIdentifier"
    assert not lacking(str(certificates.ca_file))


async def test_what_is_no_authority_is_none_however_lenient_the_check(tmp_path: Path) -> None:
    made = handmade(tmp_path, x509.BasicConstraints(ca=False, path_length=None))
    async with server(made, echo) as port:
        with pytest.raises(TlsFailed, match="not acceptable"):
            await Dialler(port, Tls(str(made.ca_file))).reused()


# --- the system's authorities ---------------------------------------------------------------


@pytest.fixture
def system_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that OpenSSL and Python take for the system's, with an authority nobody needs."""
    file = tmp_path / "all.pem"
    file.write_bytes(make_certificates(tmp_path / "idle").ca_file.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    return file


def add(file: Path, certificates: Certificates) -> None:
    with file.open("ab") as bundle:
        bundle.write(certificates.ca_file.read_bytes())


async def test_without_a_ca_file_the_systems_authorities_count(
    certificates: Certificates, system_file: Path
) -> None:
    add(system_file, certificates)
    async with server(certificates, echo) as port:
        board = Dialler(port, Tls(""))
        assert not await board.reused()
        assert await board.reused()


@pytest.mark.usefixtures("system_file")
async def test_an_authority_that_the_system_has_not_is_refused_and_nothing_is_read_again(
    certificates: Certificates,
) -> None:
    contexts = []
    async with server(certificates, echo) as port:
        board = Dialler(port, Tls(""))
        for _ in range(2):
            with pytest.raises(TlsFailed, match="not acceptable"):
                await board.reused()
            contexts.append(board.tls.context())
    assert contexts[0] is contexts[1]


async def test_an_authority_that_the_system_gets_later_counts_at_once(
    certificates: Certificates, system_file: Path
) -> None:
    async with server(certificates, echo) as port:
        board = Dialler(port, Tls(""))
        with pytest.raises(TlsFailed):
            await board.reused()
        add(system_file, certificates)
        assert not await board.reused()

"""The second connection: resumed, and no less safe than the first."""

import asyncio
import hashlib
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from mmid.errors import ConnectionLost, TlsFailed
from mmid.session.endpoint import Endpoint
from mmid.session.link import Link, open_link
from mmid.session.tls import Tls
from mmid.simcloud.core.certificates import Certificates, make_certificates
from tests.session.test_link import server

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

    @asynccontextmanager
    async def linked(self) -> AsyncIterator[Link]:
        url = f"wss://localhost:{self.port}/"
        link = await open_link(Endpoint(url, url, {}), self.tls, AMPLE_S)
        try:
            await link.send("hello")
            assert await link.receive() == "hello"
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


async def test_the_authorities_are_read_once(certificates: Certificates) -> None:
    tls = Tls(str(certificates.ca_file))
    assert await tls.context() is await tls.context()


async def test_a_server_of_another_name_is_refused_even_with_a_session(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with dialler(certificates) as board:
        assert not await board.reused()
        context = await board.tls.context()
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


# --- the system's authorities ---------------------------------------------------------------


def hashed_name(ca_file: Path) -> str:
    """Return what openssl-rehash(1ssl) calls it: X509_NAME_hash(3), of a name that is one CN."""
    (name,) = x509.load_pem_x509_certificate(ca_file.read_bytes()).subject
    text = str(name.value).lower().encode()
    value = b"\x06\x03\x55\x04\x03" + bytes([0x0C, len(text)]) + text
    sequence = bytes([0x30, len(value)]) + value
    digest = hashlib.sha1(bytes([0x31, len(sequence)]) + sequence).digest()  # noqa: S324
    return f"{int.from_bytes(digest[:4], 'little'):08x}.0"


@dataclass
class System:
    """A system with its authorities in a file and in a directory."""

    file: Path
    directory: Path

    def has(self, ca_file: Path, *, in_directory: bool) -> None:
        """Add one."""
        with self.file.open("ab") as file:
            file.write(ca_file.read_bytes())
        if in_directory:
            shutil.copy(ca_file, self.directory / hashed_name(ca_file))


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """Make it the one that OpenSSL and Python ask, with an authority that nobody needs."""
    made = System(tmp_path / "all.pem", tmp_path / "certs")
    made.directory.mkdir()
    made.has(make_certificates(tmp_path / "idle").ca_file, in_directory=False)
    (made.directory / "0123abcd.0").symlink_to(made.file)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    monkeypatch.setenv("SSL_CERT_DIR", str(made.directory))
    found = ssl.get_default_verify_paths()._replace(openssl_cafile=str(made.file))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: found)
    return made


async def known_after_connecting(certificates: Certificates) -> int:
    """Connect as to the real cloud; return how many authorities are in memory then."""
    async with server(certificates, echo) as port:
        board = Dialler(port, Tls(""))
        assert not await board.reused()
        assert await board.reused()
        return len((await board.tls.context()).get_ca_certs())


async def test_of_the_system_s_authorities_only_the_one_that_is_needed_is_read(
    certificates: Certificates, system: System
) -> None:
    system.has(certificates.ca_file, in_directory=True)
    assert await known_after_connecting(certificates) == 1


async def test_an_authority_that_only_the_file_has_is_found_there(
    certificates: Certificates, system: System
) -> None:
    system.has(certificates.ca_file, in_directory=False)
    assert await known_after_connecting(certificates) == 2


async def test_a_file_that_the_operator_names_is_read(
    certificates: Certificates, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system.has(certificates.ca_file, in_directory=True)
    paths = ssl.get_default_verify_paths()._replace(openssl_cafile="/elsewhere")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert await known_after_connecting(certificates) == 2


@pytest.mark.usefixtures("system")
async def test_an_authority_that_neither_has_is_refused_and_not_looked_for_again(
    certificates: Certificates,
) -> None:
    contexts = []
    async with server(certificates, echo) as port:
        board = Dialler(port, Tls(""))
        for _ in range(2):
            with pytest.raises(TlsFailed, match="not acceptable"):
                await board.reused()
            contexts.append(await board.tls.context())
    assert contexts[0] is contexts[1]


async def test_an_authority_that_the_system_gets_later_counts_at_once(
    certificates: Certificates, system: System
) -> None:
    async with server(certificates, echo) as port:
        board = Dialler(port, Tls(""))
        with pytest.raises(TlsFailed):
            await board.reused()
        system.has(certificates.ca_file, in_directory=True)
        assert not await board.reused()
        assert len((await board.tls.context()).get_ca_certs()) == 1

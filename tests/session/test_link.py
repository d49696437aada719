"""One WebSocket connection, to simcloud's certificate and to every odd server."""

import asyncio
import logging
import socket
import ssl
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from mmid.errors import ConnectionLost, MalformedMessage, MmidError, SettingsInvalid, TlsFailed
from mmid.secrets import Secret
from mmid.session.endpoint import CredentialRefused, Endpoint
from mmid.session.link import Link, open_link
from mmid.session.tls import Tls
from mmid.simcloud.core.certificates import Certificates, make_certificates
from tests.session.doubles import dead_first_address, peer

TOKEN = Secret("st-0123456789abcdef0123456789abcdef")
# Far more than a connection needs here; a test that reaches it failed.
AMPLE_S = 10.0
MEBIBYTE = 1 << 20

Handler = Callable[[ServerConnection], Awaitable[None]]


async def stay(connection: ServerConnection) -> None:
    await connection.wait_closed()


@asynccontextmanager
async def server(
    certificates: Certificates,
    handler: Handler = stay,
    answer: Callable[[ServerConnection, Request], Response | None] | None = None,
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A WebSocket server; yields its port."""
    context = context or certificates.server_context()
    async with serve(
        handler, "127.0.0.1", 0, ssl=context, process_request=answer, max_size=None, close_timeout=1
    ) as running:
        yield next(iter(running.sockets)).getsockname()[1]


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


Given = tuple[Endpoint, Tls, float]


def endpoint(url: str) -> Endpoint:
    return Endpoint(url, url, {"Authorization": f"Bearer {TOKEN.reveal()}"})


def options(port: int, ca_file: Path | str, *, host: str = "localhost") -> Given:
    return endpoint(f"wss://{host}:{port}/dialog"), Tls(str(ca_file)), AMPLE_S


@asynccontextmanager
async def linked(certificates: Certificates, handler: Handler) -> AsyncIterator[Link]:
    async with server(certificates, handler) as port:
        link = await open_link(*options(port, certificates.ca_file))
        try:
            yield link
        finally:
            await link.close()


async def fails(kind: type[MmidError], words: str, given: Given) -> MmidError:
    """Check that no connection is made, and that the text says to what and why, but no secret."""
    with pytest.raises(kind, match=words) as caught:
        await open_link(*given)
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN.reveal() not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    return caught.value


async def next_message(link: Link) -> str | bytes:
    taken: list[str | bytes] = []

    def take(message: str | bytes) -> bool:
        taken.append(message)
        return False

    await link.receive(take)
    (message,) = taken
    return message


async def ends(link: Link) -> MmidError:
    """Read the link to its end, and return how it ended."""
    async with asyncio.timeout(AMPLE_S):
        try:
            while True:
                await next_message(link)
        except MmidError as error:
            return error


# --- TLS --------------------------------------------------------------------------------------


async def test_frames_go_both_ways_in_order(certificates: Certificates) -> None:
    async def echo(connection: ServerConnection) -> None:
        async for frame in connection:
            await connection.send(frame)

    async with linked(certificates, echo) as link:
        for frame in ("text", b"audio", "ümläut"):
            link.send(frame)
        assert [await next_message(link) for _ in range(3)] == ["text", b"audio", "ümläut"]


async def test_another_authority_is_refused(certificates: Certificates, tmp_path: Path) -> None:
    other = make_certificates(tmp_path)
    async with server(certificates) as port:
        given = options(port, other.ca_file)
        await fails(TlsFailed, f"certificate of {given[0].url} is not acceptable: .+", given)


async def test_an_address_that_nobody_answers_at_costs_a_moment(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with server(certificates) as port:
        with dead_first_address(port, monkeypatch):
            given, tls, _ = options(port, certificates.ca_file)
            await (await open_link(given, tls, 2.0)).close()


async def test_without_a_ca_file_the_systems_authorities_count(certificates: Certificates) -> None:
    async with server(certificates) as port:
        await fails(TlsFailed, "is not acceptable", options(port, ""))


async def test_a_certificate_of_another_host_is_refused(tmp_path: Path) -> None:
    elsewhere = make_certificates(tmp_path, ["elsewhere.example"])
    async with server(elsewhere) as port:
        given = options(port, elsewhere.ca_file)
        told = await fails(TlsFailed, "localhost:.* not acceptable: Hostname mismatch", given)
        assert told.remedy.startswith("Correct the host in the URL")


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    expired = make_certificates(tmp_path, expired=True)
    async with server(expired) as port:
        await fails(TlsFailed, "certificate has expired", options(port, expired.ca_file))


async def test_tls_older_than_1_2_is_refused(certificates: Certificates) -> None:
    context = certificates.server_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # Not asyncio's own server: that one hangs up without the alert that real ones send.
        old = asyncio.create_task(asyncio.to_thread(_shake_hands, listener, context))
        given = options(listener.getsockname()[1], certificates.ca_file)
        await fails(TlsFailed, f"TLS with {given[0].url} failed: .*VERSION", given)
        assert "UNSUPPORTED_PROTOCOL" in await old


def _shake_hands(listener: socket.socket, context: ssl.SSLContext) -> str:
    """Serve one handshake; return why it failed."""
    listener.settimeout(AMPLE_S)
    connection, _ = listener.accept()
    with connection:
        try:
            context.wrap_socket(connection, server_side=True).close()
        except ssl.SSLError as error:
            return str(error.reason)
    return "it was accepted"


async def test_tls_1_2_is_accepted(certificates: Certificates) -> None:
    context = certificates.server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with server(certificates, context=context) as port:
        await (await open_link(*options(port, certificates.ca_file))).close()


async def test_the_host_name_is_sent_for_servers_with_many(certificates: Certificates) -> None:
    names: list[str | None] = []
    context = certificates.server_context()
    context.sni_callback = lambda _, name, __: names.append(name)
    async with server(certificates, context=context) as port:
        await (await open_link(*options(port, certificates.ca_file))).close()
    assert names == ["localhost"]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "does not exist"), ("", "cannot be used"), ("no certificate\n", "cannot be used")],
)
async def test_a_ca_file_that_cannot_be_used_is_named(
    tmp_path: Path, content: str | None, words: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    await fails(SettingsInvalid, rf"cloud\.ca_file {path} {words}", options(1, path))


async def test_an_address_that_is_none_is_told_without_its_query() -> None:
    given = Endpoint(f"wss://h/?key={TOKEN.reveal()}#part", "wss://h/", {})
    with pytest.raises(MmidError, match=r"no connection to wss://h/: .*fragment") as caught:
        await open_link(given, Tls(""), AMPLE_S)
    assert TOKEN.reveal() not in str(caught.value)


# --- the way to it ----------------------------------------------------------------------------


async def test_a_peer_that_says_nothing_is_given_up(certificates: Certificates) -> None:
    async with peer(say_nothing) as port:
        given = endpoint(f"wss://localhost:{port}/"), Tls(str(certificates.ca_file)), 0.2
        await fails(ConnectionLost, rf"no connection to wss://localhost:{port}/ in 0\.2 s", given)


async def test_a_server_that_says_nothing_after_tls_is_given_up(certificates: Certificates) -> None:
    async with peer(say_nothing, certificates.server_context()) as port:
        given = endpoint(f"wss://localhost:{port}/"), Tls(str(certificates.ca_file)), 0.5
        await fails(ConnectionLost, r"in 0\.5 s", given)


async def test_a_server_that_hangs_up_during_the_upgrade_is_a_lost_connection(
    certificates: Certificates,
) -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with peer(hang_up, certificates.server_context()) as port:
        given = options(port, certificates.ca_file)
        await fails(ConnectionLost, f"no connection to {given[0].url}: ", given)


async def test_a_server_that_is_none_is_a_lost_connection(certificates: Certificates) -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    async with peer(chatter, certificates.server_context()) as port:
        given = options(port, certificates.ca_file)
        await fails(ConnectionLost, f"no connection to {given[0].url}: ", given)


async def test_a_server_without_tls_is_a_tls_failure(certificates: Certificates) -> None:
    async def chatter(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with peer(chatter) as port:
        given = options(port, certificates.ca_file)
        await fails(TlsFailed, f"TLS with {given[0].url} failed: ", given)


async def test_a_port_where_nobody_listens_is_a_lost_connection(certificates: Certificates) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        given = options(unused.getsockname()[1], certificates.ca_file, host="127.0.0.1")
        await fails(ConnectionLost, f"no connection to {given[0].url}: .*Refused", given)


async def test_a_name_that_is_unknown_is_a_lost_connection(certificates: Certificates) -> None:
    given = endpoint("wss://nowhere.invalid/"), Tls(str(certificates.ca_file)), AMPLE_S
    await fails(ConnectionLost, "no connection to wss://nowhere.invalid/: ", given)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, CredentialRefused, r"refused the credential \(HTTP 401\)"),
        (403, CredentialRefused, r"refused the credential \(HTTP 403\)"),
        (404, ConnectionLost, "answered the upgrade with HTTP 404"),
        (500, ConnectionLost, "answered the upgrade with HTTP 500"),
        (200, ConnectionLost, "answered the upgrade with HTTP 200"),
    ],
)
async def test_an_upgrade_that_is_refused_names_url_and_status(
    certificates: Certificates, status: int, kind: type[MmidError], words: str
) -> None:
    def refuse(connection: ServerConnection, _: Request) -> Response:
        return connection.respond(status, "no\n")

    async with server(certificates, answer=refuse) as port:
        given = options(port, certificates.ca_file)
        error = await fails(kind, f"{given[0].url} {words}", given)
        if kind is CredentialRefused:
            assert error.code == str(status)
        proof = "license.api_key) if it has one, else what a relay"  # not every cloud takes a key
        assert (proof if kind is CredentialRefused else "cloud.ws_url") in error.remedy


async def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(
    certificates: Certificates,
) -> None:
    visited: list[str | None] = []

    def note(_: ServerConnection, request: Request) -> None:
        visited.append(request.headers.get("Authorization"))

    async with server(certificates, answer=note) as other:

        def redirect(connection: ServerConnection, _: Request) -> Response:
            response = connection.respond(302, "")
            response.headers["Location"] = f"wss://127.0.0.1:{other}/"
            return response

        async with server(certificates, answer=redirect) as port:
            given = options(port, certificates.ca_file)
            await fails(ConnectionLost, f"{given[0].url} answered the upgrade with HTTP 302", given)
    assert visited == []


async def test_an_attempt_that_is_cancelled_leaves_nothing(certificates: Certificates) -> None:
    connected, gone = asyncio.Event(), asyncio.Event()

    async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(1)
        connected.set()
        await reader.read()
        gone.set()

    async with peer(watch) as port:
        opening = asyncio.create_task(open_link(*options(port, certificates.ca_file)))
        await connected.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        async with asyncio.timeout(AMPLE_S):
            await gone.wait()


# --- through a proxy --------------------------------------------------------------------------


class ConnectProxy:
    """An HTTP proxy that does CONNECT, or answers with another status."""

    def __init__(self, status: str = "200 OK") -> None:
        self._status = status
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request)
        writer.write(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
        if not self._status.startswith("200"):
            return
        host, _, port = request.split()[1].rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def test_the_proxy_of_the_environment_is_used_and_sees_no_token(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = ConnectProxy()
    async with server(certificates) as port, peer(proxy.serve) as proxy_port:
        monkeypatch.setenv("https_proxy", f"http://user:pass@127.0.0.1:{proxy_port}")
        await (await open_link(*options(port, certificates.ca_file))).close()
    assert [request.split()[:2] for request in proxy.asked] == [["CONNECT", f"localhost:{port}"]]
    assert TOKEN.reveal() not in proxy.asked[0]


async def test_a_host_of_no_proxy_is_connected_to_directly(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "localhost")
    async with server(certificates) as port:
        await (await open_link(*options(port, certificates.ca_file))).close()


async def test_a_proxy_does_not_weaken_the_check_of_the_certificate(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_certificates(tmp_path)
    async with server(certificates) as port, peer(ConnectProxy().serve) as proxy_port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy_port}")
        await fails(TlsFailed, "is not acceptable", options(port, other.ca_file))


async def test_a_proxy_that_refuses_is_a_lost_connection_that_says_so(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with peer(ConnectProxy("407 Proxy Authentication Required").serve) as proxy_port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy_port}")
        given = options(9, certificates.ca_file)
        await fails(ConnectionLost, "proxy rejected connection: HTTP 407", given)


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        ("ftp://u:hunter2@h", "it must begin with one of http, "),
        ("http://u:hunter2@h/path", "a proxy has no path"),
        ("http://u:hunter2@h:port", "it is no URL"),
        ("socks5://u:hunter2@h", "a SOCKS proxy, which needs .* python-socks"),
    ],
)
async def test_a_proxy_that_cannot_be_used_is_named_without_its_password(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, proxy: str, words: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    error = await fails(SettingsInvalid, words, options(9, certificates.ca_file))
    assert error.__cause__ is None
    assert "hunter2" not in str(error)


# --- what we send -----------------------------------------------------------------------------


async def test_the_upgrade_carries_the_token_and_nothing_that_is_not_needed(
    certificates: Certificates,
) -> None:
    headers: dict[str, str] = {}

    def note(_: ServerConnection, request: Request) -> None:
        headers.update(request.headers.raw_items())

    async with server(certificates, answer=note) as port:
        await (await open_link(*options(port, certificates.ca_file))).close()
    assert headers.pop("Authorization") == f"Bearer {TOKEN.reveal()}"
    assert headers.keys() == {
        "Host",
        "Upgrade",
        "Connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
    }


async def test_the_token_is_not_logged_at_any_level(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with linked(certificates, stay) as link:
            link.send("what people say")
    ours = [record for record in caplog.records if record.name.startswith("mmid")]
    assert [record.getMessage() for record in ours] == []
    assert not [name for name in ("websockets.client", "asyncio") if name in _loggers(caplog)]


def _loggers(caplog: pytest.LogCaptureFixture) -> set[str]:
    return {record.name for record in caplog.records if TOKEN.reveal() in record.getMessage()}


async def test_the_kernel_holds_little_speech_and_gives_up_a_dead_peer(
    certificates: Certificates,
) -> None:
    async with linked(certificates, stay) as link:
        sock = link._connection.transport.get_extra_info("socket")
        level = socket.IPPROTO_TCP
        assert sock.getsockopt(level, socket.TCP_NODELAY)
        assert 0 < sock.getsockopt(level, socket.TCP_NOTSENT_LOWAT) <= 32_768
        assert 5_000 <= sock.getsockopt(level, socket.TCP_USER_TIMEOUT) <= 30_000


# --- how it ends ------------------------------------------------------------------------------


async def test_a_message_of_a_mebibyte_is_read_and_one_byte_more_is_not(
    certificates: Certificates,
) -> None:
    async def send(connection: ServerConnection) -> None:
        await connection.send("x" * MEBIBYTE)
        await connection.send("x" * (MEBIBYTE + 1))
        await connection.wait_closed()

    async with linked(certificates, send) as link:
        assert len(await next_message(link)) == MEBIBYTE
        error = await ends(link)
    assert isinstance(error, MalformedMessage)
    assert "the cloud sent a message larger than 1 MiB (1009" in str(error)


async def test_text_that_is_not_utf_8_is_malformed(certificates: Certificates) -> None:
    async def send(connection: ServerConnection) -> None:
        await connection.send(b'{"header":"\xff\xfe"}', text=True)
        await connection.wait_closed()

    async with linked(certificates, send) as link:
        error = await ends(link)
    assert isinstance(error, MalformedMessage)
    assert "the cloud sent a message that is not allowed (1007" in str(error)


async def test_a_frame_that_breaks_the_protocol_is_malformed(certificates: Certificates) -> None:
    async def send(connection: ServerConnection) -> None:
        connection.transport.write(b"\xf1\x00")  # reserved bits are set
        await connection.wait_closed()

    async with linked(certificates, send) as link:
        error = await ends(link)
    assert isinstance(error, MalformedMessage)
    assert "(1002" in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [
        (1000, "", "with 1000"),
        (1001, "maintenance", "with 1001: maintenance"),
        (1002, "you broke the protocol", "with 1002: you broke the protocol"),
        (1011, "", "with 1011"),
        (4000, "ws", "with 4000: ws"),
    ],
)
async def test_a_close_is_told_with_its_code_and_reason(
    certificates: Certificates, code: int, reason: str, said: str
) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, reason)

    async with linked(certificates, close) as link:
        error = await ends(link)
        link.send("too late")  # goes nowhere
        assert str(await ends(link)) == str(error)
    assert isinstance(error, ConnectionLost)
    assert str(error) == f"the cloud closed the connection {said}"


async def test_a_close_with_an_overlong_reason_is_an_ordinary_end(
    certificates: Certificates,
) -> None:
    async def close(connection: ServerConnection) -> None:
        body = struct.pack(">H", 1011) + b"r" * 200
        connection.transport.write(b"\x88\x7e" + struct.pack(">H", len(body)) + body)
        await connection.wait_closed()

    async with linked(certificates, close) as link:
        assert isinstance(await ends(link), ConnectionLost)


async def test_a_reset_is_a_lost_connection(certificates: Certificates) -> None:
    async def reset(connection: ServerConnection) -> None:
        sock = connection.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.transport.abort()

    async with linked(certificates, reset) as link:
        error = await ends(link)
    assert isinstance(error, ConnectionLost)
    assert "broke" in str(error)


async def test_close_ends_in_bounded_time_when_the_peer_reads_nothing(
    certificates: Certificates,
) -> None:
    go = asyncio.Event()

    async def read_nothing(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await go.wait()

    async with server(certificates, read_nothing) as port:
        link = await open_link(*options(port, certificates.ca_file))
        try:
            await _fill(link)
            async with asyncio.timeout(AMPLE_S):  # without a bound it would wait for ever
                await link.close()
            assert isinstance(await ends(link), ConnectionLost)
            async with asyncio.timeout(AMPLE_S):
                await link.drain()
        finally:
            go.set()


async def _fill(link: Link) -> None:
    """Send until nothing leaves any more, not even after a while."""
    async with asyncio.timeout(AMPLE_S):
        for pause_s in (0.1, 0.0):
            while link.writable:
                link.send(bytes(8000))
                await asyncio.sleep(0)
            await asyncio.sleep(pause_s)


async def test_whoever_could_not_send_is_told_when_the_network_takes_more(
    certificates: Certificates,
) -> None:
    go, told = asyncio.Event(), asyncio.Event()

    async def read_late(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await go.wait()
        connection.transport.resume_reading()
        async for _ in connection:
            pass

    async with linked(certificates, read_late) as link:
        await _fill(link)
        link.on_writable(told.set)
        go.set()
        async with asyncio.timeout(AMPLE_S):
            await told.wait()
        assert link.writable


# --- back-pressure ----------------------------------------------------------------------------


async def test_a_flood_waits_at_the_server_while_nobody_reads_and_nothing_of_it_is_lost(
    certificates: Certificates,
) -> None:
    frame_bytes, frames = 64 * 1024, 800
    stalled = asyncio.Event()

    async def flood(connection: ServerConnection) -> None:
        for number in range(frames):
            sending = asyncio.create_task(connection.send(number.to_bytes(4) * (frame_bytes // 4)))
            done, _ = await asyncio.wait({sending}, timeout=0.3)
            if not done:
                stalled.set()
            await sending
        await connection.wait_closed()

    tracemalloc.start()
    try:
        async with linked(certificates, flood) as link:
            async with asyncio.timeout(AMPLE_S):
                await stalled.wait()
            assert tracemalloc.get_traced_memory()[1] < 8 * MEBIBYTE
            for number in range(frames):
                frame = await next_message(link)
                assert isinstance(frame, bytes)
                assert (len(frame), frame[:4]) == (frame_bytes, number.to_bytes(4))
            assert tracemalloc.get_traced_memory()[1] < 8 * MEBIBYTE
    finally:
        tracemalloc.stop()

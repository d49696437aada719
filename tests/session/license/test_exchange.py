"""One request by a real child process, over real TLS, to simcloud and to worse servers."""

import asyncio
import re
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import (
    CloudError,
    ConnectionLost,
    HttpFailed,
    MalformedMessage,
    MmidError,
    SettingsInvalid,
    TlsFailed,
    certificate_advice,
)
from mmid.secrets import Secret
from mmid.session.license import exchange as exchange_module
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    Refusal,
    Registration,
    Token,
    make_nonce,
)
from mmid.simcloud.core.certificates import Certificates, make_certificates
from mmid.simcloud.core.product import Product
from mmid.simcloud.license.server import PATHS
from tests.rig.client_certificate import ClientCertificate, make_client_certificate
from tests.rig.script import run_script
from tests.simcloud.license.serving import ServedLicense, serving

APP_SECRET = Secret("00112233445566778899aabbccddeeff")
API_KEY = Secret("sk-0123456789abcdef0123456789abcdef")
APP_ID = "mm_0123456789abcdef0123456789ab"
DEVICE = Identity(APP_ID, APP_SECRET, "board1")
PRODUCT = Product(APP_ID, APP_SECRET, API_KEY, "llm-0123456789abcdef")
PATH_OF = {kind: path for path, kind in PATHS.items()}
# Far more than a child needs; a test that reaches it failed.
AMPLE_S = 30.0


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def service(certificates: Certificates) -> Iterator[ServedLicense]:
    with serving(PRODUCT, certificates) as service:
        yield service


def request(
    url: str, ca_file: Path | str, kind: Kind = Kind.REGISTER, device: Identity = DEVICE
) -> ExchangeRequest:
    return ExchangeRequest(
        kind,
        HttpsEndpoint(url + PATH_OF[kind], str(ca_file)),
        device,
        make_nonce(),
        time.time_ns() // 1_000_000,
        API_KEY,
    )


async def ask(
    service: ServedLicense,
    certificates: Certificates,
    kind: Kind = Kind.REGISTER,
    device: Identity = DEVICE,
) -> ExchangeReply:
    asked = request(service.url, certificates.ca_file, kind, device)
    return await exchange(asked, timeout_s=AMPLE_S)


async def fails(
    kind: type[MmidError], words: str, asked: ExchangeRequest, timeout_s: float = AMPLE_S
) -> str:
    """Check that a request ends with this error, without a secret in it or a process behind it.

    Returns:
        What to do about it.
    """
    with pytest.raises(kind, match=words) as caught:
        await exchange(asked, timeout_s=timeout_s)
    for secret in (APP_SECRET, API_KEY):
        assert secret.reveal() not in repr(caught.value)
    assert children() == set()
    return caught.value.remedy


# What tests of other modules keep running for each other, such as a bus.
others: set[int] = set()


@pytest.fixture(autouse=True)
def notice_others() -> None:
    others.clear()
    others.update(children())


def children() -> set[int]:
    """Return the processes that this one started in this test and has not reaped."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found - others


def what_everybody_sees_of(process: int) -> bytes:
    return b"".join(Path(f"/proc/{process}/{name}").read_bytes() for name in ("cmdline", "environ"))


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(
    talk: Talk, certificates: Certificates | None = None, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Run a server that does anything but its job; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    tls = certificates.server_context() if certificates else tls
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def says(answer: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        # Closing on unread bytes would break the connection before the answer is through.
        length = re.search(rb"Content-Length: ([0-9]+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(answer)
        await writer.drain()

    return talk


async def test_a_device_registers_and_then_gets_a_token_that_the_service_knows(
    service: ServedLicense, certificates: Certificates
) -> None:
    registration = await ask(service, certificates)
    assert isinstance(registration, Registration)
    device = replace(DEVICE, device_secret=registration.device_secret)

    token = await ask(service, certificates, Kind.TOKEN, device)

    assert isinstance(token, Token)
    assert service.token_valid(token.token.reveal()) == "board1"
    assert token.workspace_id == "llm-0123456789abcdef"
    assert token.expires_ms == token.response_time_ms + 60_000
    assert [(entry["kind"], entry["code"]) for entry in service.asked] == [
        ("register", "200"),
        ("token", "200"),
    ]
    assert children() == set()


async def test_a_refusal_is_an_answer_with_code_words_and_request_id(
    service: ServedLicense, certificates: Certificates
) -> None:
    service.plan.add("register", "refuse:100007")
    refusal = await ask(service, certificates)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "100007"
    assert refusal.message == "the scenario wants it"
    assert len(refusal.request_id) == 24


async def test_a_refusal_counts_whatever_the_http_status_is(
    service: ServedLicense, certificates: Certificates
) -> None:
    service.plan.add("register", "refuse:100023", "http:403")
    refusal = await ask(service, certificates)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "100023"


@pytest.mark.parametrize("ahead_s", [-600, 600])
async def test_a_refused_time_comes_with_how_wrong_our_clock_is(
    service: ServedLicense, certificates: Certificates, ahead_s: int
) -> None:
    service.clock_offset_ms = ahead_s * 1000
    refusal = await ask(service, certificates)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "100010"
    assert refusal.clock_skew_ms == pytest.approx(ahead_s * 1000, abs=30_000)


async def test_the_date_header_alone_tells_the_skew(certificates: Certificates) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 33\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n\r\n"
    body = b'{"code":100008, "success": false}'
    async with server(says(head + body), certificates) as address:
        asked = request(f"https://{address}", certificates.ca_file)
        refusal = await exchange(asked, timeout_s=AMPLE_S)
    assert isinstance(refusal, Refusal)
    assert refusal.clock_skew_ms is not None
    assert refusal.clock_skew_ms < -20 * 365 * 86_400_000


async def test_an_authority_that_did_not_sign_is_not_trusted(
    service: ServedLicense, tmp_path: Path
) -> None:
    other = make_certificates(tmp_path)
    told = await fails(TlsFailed, "trusted: .*issuer", request(service.url, other.ca_file))
    assert told == certificate_advice(20)
    await fails(TlsFailed, "cannot be trusted", request(service.url, ""))
    assert service.asked == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hosts": ("cloud.example",)}, "127.0.0.1"),
        ({"expired": True}, "expired"),
    ],
)
async def test_a_certificate_for_another_host_or_another_time_is_not_trusted(
    options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    certificates = make_certificates(tmp_path, **options)
    with serving(PRODUCT, certificates) as service:
        await fails(TlsFailed, words, request(service.url, certificates.ca_file))


async def test_a_ca_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "no.pem"
    words = f"cloud.ca_file {missing} does not exist"
    await fails(SettingsInvalid, words, request("https://127.0.0.1", missing))


async def test_a_ca_file_is_found_from_the_daemon_s_directory(
    service: ServedLicense, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(certificates.ca_file.parent)
    asked = request(service.url, certificates.ca_file.name)
    assert isinstance(await exchange(asked, timeout_s=AMPLE_S), Registration)


async def test_a_server_without_tls_is_a_tls_failure() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with server(talk) as address:
        await fails(TlsFailed, "cannot be trusted", request(f"https://{address}", ""))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "file:///etc/passwd", "https://[::1"])
async def test_only_a_proper_https_address_is_asked(url: str) -> None:
    await fails(HttpFailed, "https", request(url, ""))


async def test_the_query_of_an_address_is_not_shown(certificates: Certificates) -> None:
    asked = replace(
        request("", ""), endpoint=HttpsEndpoint("https://u:pass@127.0.0.1:9/x?key=hidden")
    )
    with pytest.raises(ConnectionLost) as caught:
        await exchange(asked, timeout_s=AMPLE_S)
    assert "https://***@127.0.0.1:9/x?*** " in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        (["http:302"], "HTTP 302"),
        (["http:307", "body"], "HTTP 307"),
        (["http:500", "body:down"], "HTTP 500 .*not JSON"),
        (["http:503", 'body:{"code":503,"success":false}'], "HTTP 503"),
        (["body:<html>welcome to the hotel</html>"], "not JSON"),
        (["body:" + "[" * 60_000], "not JSON"),
        (["body:[]"], "not a JSON object"),
        (["body:{}"], "neither data nor a refusal"),
        (["body:" + "x" * 65_537], "more than 65536 bytes"),
    ],
    ids=["302", "307", "500", "503", "html", "nested", "list", "empty", "huge"],
)
async def test_an_answer_outside_the_protocol_says_what_it_was(
    service: ServedLicense,
    certificates: Certificates,
    faults: list[str],
    words: str,
) -> None:
    service.plan.add("register", *faults)
    await fails(HttpFailed, words, request(service.url, certificates.ca_file))
    assert len(service.asked) == 1, "it asked once, and nowhere else"


async def test_an_answer_for_another_device_is_malformed(
    service: ServedLicense, certificates: Certificates
) -> None:
    data = '{"nonce":"%s","responseTime":"1795132800000","signature":"AAAAAAAA"}' % ("0" * 26)
    service.plan.add("register", f"body:{data}")
    asked = request(service.url, certificates.ca_file)
    await fails(MalformedMessage, "does not open with our AppSecret", asked)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (b"", ConnectionLost, "closed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", ConnectionLost, "closed early"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{", ConnectionLost, "early"),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 99\r\n\r\n{", ConnectionLost, "closed early"),
        (b"SSH-2.0-dropbear\r\n", HttpFailed, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, HttpFailed, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff", HttpFailed, "not JSON"),
    ],
    ids=["nothing", "cut", "cut chunk", "cut failure", "ssh", "endless header", "not UTF-8"],
)
async def test_a_server_that_breaks_off_or_babbles_is_told_apart(
    certificates: Certificates, answer: bytes, kind: type[CloudError], words: str
) -> None:
    async with server(says(answer), certificates) as address:
        await fails(kind, words, request(f"https://{address}", certificates.ca_file))


async def test_nobody_listening_is_a_lost_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        await fails(ConnectionLost, "refused", request(f"https://127.0.0.1:{port}", ""))


async def test_a_lost_answer_is_a_lost_connection_though_the_device_is_registered(
    service: ServedLicense, certificates: Certificates
) -> None:
    service.plan.add("register", "lose")
    await fails(ConnectionLost, "closed", request(service.url, certificates.ca_file))
    assert service.book.registered("board1")

    refusal = await ask(service, certificates)

    assert isinstance(refusal, Refusal)
    assert refusal.code == "100008"


async def test_a_server_that_says_nothing_ends_with_the_time_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(silent) as address:
        asked = request(f"https://{address}", "")
        await fails(ConnectionLost, r"timed out|within 1\.5 s", asked, timeout_s=1.5)


async def test_an_answer_counts_though_the_server_never_ends_it(certificates: Certificates) -> None:
    """A registration is answered once: it must not go down with a connection left open."""

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await says(b'HTTP/1.1 200 OK\r\n\r\n{"success":false,"code":"100007"}')(reader, writer)
        await reader.read()

    async with server(endless, certificates) as address:
        asked = request(f"https://{address}", certificates.ca_file)
        refusal = await exchange(asked, timeout_s=3)
    assert isinstance(refusal, Refusal)
    assert refusal.code == "100007"


async def test_a_cancelled_request_leaves_no_process_and_none_showed_a_secret() -> None:
    reached = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        await reader.read()

    async with server(silent) as address:
        asked = request(f"https://{address}", "")
        task = asyncio.create_task(exchange(asked, timeout_s=AMPLE_S))
        async with asyncio.timeout(AMPLE_S):
            await reached.wait()
        (child,) = children()
        shown = what_everybody_sees_of(child)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert children() == set()
    assert b"exchange_child" in shown
    for secret in (APP_SECRET, API_KEY):
        assert secret.reveal().encode() not in shown


async def test_a_child_that_cannot_run_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "_CHILD", "mmid.session.license.missing")
    await fails(HttpFailed, "status 1: .*No module named", request("https://127.0.0.1", ""))


async def test_a_child_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/missing/python3")
    await fails(HttpFailed, "could not be made: .*No such file", request("https://127.0.0.1", ""))


async def test_the_environment_s_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for = asyncio.get_running_loop().create_future()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked_for.set_result(head.split(b"\r\n")[0])
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with server(proxy) as address:
        monkeypatch.setenv("https_proxy", f"http://{address}")
        await fails(ConnectionLost, "403", request("https://cloud.example", ""))
    assert (await asked_for).startswith(b"CONNECT cloud.example:443")


async def test_no_proxy_goes_around_the_proxy(
    service: ServedLicense, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert isinstance(await ask(service, certificates), Registration)


# --- a relay that wants to know who asks -------------------------------------------------------

REPLY = b'{"code":100008,"success":false}'
HEAD = f"HTTP/1.1 200 OK\r\nContent-Length: {len(REPLY)}\r\n\r\n".encode()


async def test_further_headers_are_sent_and_shown_nowhere(certificates: Certificates) -> None:
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(HEAD + REPLY)
        await writer.drain()
        await reader.read()

    headers = Secret("X-Relay-Key: swordfish-0815\nX-Group:kitchen\n")
    async with server(talk, certificates) as address:
        asked = request(f"https://{address}", certificates.ca_file)
        asked = replace(asked, endpoint=replace(asked.endpoint, headers=headers))
        assert isinstance(await exchange(asked, timeout_s=AMPLE_S), Refusal)
    assert b"\r\nX-Relay-Key: swordfish-0815\r\n" in heads[0]
    assert b"\r\nX-Group: kitchen\r\n" in heads[0]
    assert "swordfish" not in repr(asked)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> ClientCertificate:
    return make_client_certificate(tmp_path_factory.mktemp("device"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> ClientCertificate:
    return make_client_certificate(tmp_path_factory.mktemp("stranger"))


async def ask_the_relay(
    certificates: Certificates, device: ClientCertificate, cert: object = "", key: object = ""
) -> ExchangeReply:
    """Show a certificate to a server that lets in this device only."""
    tls = certificates.server_context()
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(device.certificate_file)
    async with server(says(HEAD + REPLY), tls=tls) as address:
        asked = request(f"https://{address}", certificates.ca_file)
        endpoint = replace(asked.endpoint, client_cert=str(cert), client_key=str(key))
        return await exchange(replace(asked, endpoint=endpoint), timeout_s=AMPLE_S)


async def test_a_client_certificate_is_shown_to_a_relay_that_asks_for_it(
    certificates: Certificates, device: ClientCertificate
) -> None:
    for files in ((device.certificate_file, device.key_file), (device.both_file,)):
        assert isinstance(await ask_the_relay(certificates, device, *files), Refusal)


async def test_without_the_right_client_certificate_the_relay_lets_nobody_in(
    certificates: Certificates, device: ClientCertificate, stranger: ClientCertificate
) -> None:
    for files in ((), (stranger.both_file,)):
        with pytest.raises((TlsFailed, ConnectionLost)):
            await ask_the_relay(certificates, device, *files)


async def test_a_client_certificate_that_cannot_be_used_is_named(
    certificates: Certificates, device: ClientCertificate, stranger: ClientCertificate
) -> None:
    cert, key = device.certificate_file, stranger.key_file
    with pytest.raises(SettingsInvalid, match=r"/no/cert\.pem cannot be used: No such file"):
        await ask_the_relay(certificates, device, "/no/cert.pem")
    with pytest.raises(SettingsInvalid, match=r"/dev/null cannot be used: it is a pipe, a device"):
        await ask_the_relay(certificates, device, "/dev/null")
    with pytest.raises(SettingsInvalid, match=f"{cert} with {key} cannot be used: .*MISMATCH"):
        await ask_the_relay(certificates, device, cert, key)


def test_the_parent_s_side_loads_nothing_heavy() -> None:
    program = (
        "import sys, mmid.session.license.exchange, mmid.session.license.codes;"
        "print(*(sys.modules.keys() & {'cryptography', 'http.client', 'urllib.request'}))"
    )
    assert run_script(program).stdout.strip() == ""

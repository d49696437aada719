"""What can become of a request to a vendor: slow, away, not trusted, and what is nonsense."""

import asyncio
import itertools
import ssl
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from mmid_relay.problems import Problem
from mmid_relay.vendors import upstream
from mmid_relay.vendors.circuit import Circuit
from mmid_relay.vendors.upstream import Connections, Upstream
from tests.certificates import make_authority
from tests.rig import SECRETS, Board, Vendor, relay_for, serving, settings_for

_NO_WAIT = {"vendor_timeout_s": 0.2}


def _says_nothing_of_ours(text: str, vendor: Vendor, ca_file: Path) -> None:
    for secret in (
        *SECRETS.values(),
        str(vendor.port),
        "localhost",
        str(ca_file),
        "aiohttp",
        ".py",
    ):
        assert secret not in text


async def test_a_slow_vendor_is_504_and_asked_once(vendor: Vendor, ca_file: Path) -> None:
    never = asyncio.Event()
    vendor.before = never.wait
    async with relay_for(settings_for(vendor, ca_file, limits=_NO_WAIT)) as board:
        answer = await board.get_token()
    never.set()
    assert answer.status_code == 504
    assert answer.json()["title"] == "vendor slow"
    assert int(answer.headers["retry-after"]) > 0
    assert len(vendor.calls) == 1
    _says_nothing_of_ours(answer.text, vendor, ca_file)


async def test_a_vendor_that_is_away_is_502(ca_file: Path) -> None:
    nobody = Vendor(port=1)
    async with relay_for(settings_for(nobody, ca_file)) as board:
        answer = await board.get_token()
    assert answer.status_code == 502
    assert answer.json()["detail"] == "alibaba cannot be reached; nothing was sent."
    assert int(answer.headers["retry-after"]) > 0


async def test_no_connection_is_lost_to_a_slow_vendor(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "_AT_ONCE", 4)
    monkeypatch.setattr(Circuit, "admits", lambda _: True)
    waits_s = itertools.cycle([0.0, 0.05, 0.1, 0.15, 0.2, 0.25])

    async def wait() -> None:
        await asyncio.sleep(next(waits_s))

    vendor.before = wait
    async with relay_for(settings_for(vendor, ca_file, limits=_NO_WAIT)) as board:
        for _ in range(8):
            await asyncio.gather(*(board.get_token() for _ in range(6)))
        vendor.before = None
        statuses = [(await board.get_token()).status_code for _ in range(4)]
    assert statuses == [200] * 4


async def test_an_answer_that_trickles_has_a_deadline(
    authority: tuple[Path, Path], ca_file: Path
) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")  # each of them well within any time-out of its own
            await asyncio.sleep(0.02)

    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(authority[1])
    connections = Connections(str(ca_file))
    slow = Upstream("alibaba", connections, 0.2)
    async with await asyncio.start_server(trickle, "localhost", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Problem, match="gave no answer in time"):
            await slow.post(f"https://localhost:{port}/", headers={}, content=b"")
        await connections.aclose()


class _Proxy:
    """Connects, or refuses to."""

    def __init__(self, answer: bytes) -> None:
        self.asked: list[bytes] = []
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).partition(b"\r")[0])
        writer.write(self._answer)
        if b" 200 " in self._answer:
            host, port = self.asked[-1].split()[1].decode().rsplit(":", 1)
            back, forth = await asyncio.open_connection(host, int(port))
            await asyncio.gather(self._pass_on(reader, forth), self._pass_on(back, writer))
        writer.close()

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(4096):
            sink.write(data)
        sink.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [(b"HTTP/1.1 200 Connected\r\n\r\n", 200), (b"HTTP/1.1 403 No\r\n\r\n", 502)],
)
async def test_the_proxy_of_the_environment_is_the_way_to_a_vendor(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes, status: int
) -> None:
    proxy = _Proxy(answer)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        async with relay_for(settings_for(vendor, ca_file)) as board:
            got = await board.get_token()
    assert got.status_code == status
    assert proxy.asked == [f"CONNECT localhost:{vendor.port} HTTP/1.1".encode()]
    if status == 502:
        assert got.json()["detail"] == "alibaba cannot be reached; nothing was sent."


def test_a_proxy_without_a_scheme_is_one_of_http(
    ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "proxy.example:3128")
    assert Connections(str(ca_file)).proxy("vendor.example") == "http://proxy.example:3128"


async def test_a_vendor_that_no_proxy_names_is_asked_without_one(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "localhost")
    async with relay_for(settings_for(vendor, ca_file)) as board:
        assert (await board.get_token()).status_code == 200


@pytest.mark.parametrize("host", ["localhost", "example.com"])
async def test_a_certificate_that_is_not_the_vendors_is_502_and_nothing_is_sent(
    host: str, tmp_path: Path, ca_file: Path
) -> None:
    vendor, (other_ca, cert) = Vendor(), make_authority(tmp_path, host)
    trusted = ca_file if host == "localhost" else other_ca
    async with AsyncExitStack() as stack:
        vendor.port = await stack.enter_async_context(serving(vendor, cert))
        board = await stack.enter_async_context(relay_for(settings_for(vendor, trusted)))
        answer = await board.get_token()
    assert answer.status_code == 502
    assert answer.json()["title"] == "vendor not trusted"
    assert int(answer.headers["retry-after"]) > 0
    assert not vendor.calls
    _says_nothing_of_ours(answer.text, vendor, trusted)


async def test_a_connection_that_breaks_is_502(vendor: Vendor, board: Board) -> None:
    async def breaks() -> None:
        raise ConnectionError("on purpose")

    vendor.before = breaks
    vendor.headers = {}
    answer = await board.register()
    assert answer.status_code == 502


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(board: Board, vendor: Vendor, status: int) -> None:
    vendor.status, vendor.headers = status, {"location": f"https://localhost:{vendor.port}/other"}
    answer = await board.get_token()
    assert answer.status_code == 502
    assert answer.json()["detail"] == "alibaba answered with a redirect, which is not followed."
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("status", "body", "title"),
    [
        (200, b"<html>", "vendor nonsense"),
        (200, b"", "vendor nonsense"),
        (200, b"[1]", "vendor nonsense"),
        (200, b"[" * 50_000, "vendor nonsense"),
        (200, b'{"success":true,"code":"200"}', "vendor nonsense"),
        (200, b'{"success":true,"code":"200","data":[1]}', "vendor nonsense"),
        (200, b'{"success":true,"code":"200","data":{"x":NaN}}', "vendor nonsense"),
        (200, b'{"success":true,"code":"200","data":{"x":"\\ud800"}}', "vendor nonsense"),
        (400, b'{"success":false,"code":"100007","message":"\\udfff"}', "vendor nonsense"),
        (200, b"{}", "vendor nonsense"),
        (200, b'"' + b"a" * 70_000 + b'"', "vendor nonsense"),
        (400, b"<html>", "vendor nonsense"),
        (500, b"<html>", "vendor away"),
        (502, b'{"code":"x"}', "vendor away"),
        (503, b"busy", "vendor away"),
    ],
)
async def test_what_is_no_answer_is_502(
    board: Board, vendor: Vendor, status: int, body: bytes, title: str
) -> None:
    vendor.status, vendor.body = status, body
    for answer in (await board.get_token(), await board.register()):
        assert answer.status_code == 502
        assert answer.json()["title"] == title
        assert int(answer.headers["retry-after"]) > 0


# Python read the deeper one, in the task of a registration, and could not write it again.
@pytest.mark.parametrize(("depth", "status"), [(10, 200), (920, 502)])
async def test_an_answer_that_nests_deep_passes_or_is_502(
    board: Board, vendor: Vendor, depth: int, status: int
) -> None:
    nest = b"[" * depth + b"]" * depth
    vendor.body = b'{"success":true,"code":"200","data":{"x":' + nest + b"}}"
    for answer in (await board.get_token(), await board.register()):
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/qwen/token", {"deviceName": "radio-1"}),
        ("/v1/baidu/instance", {"deviceName": "radio-1", "codec": "raw", "mode": "duplex"}),
    ],
)
@pytest.mark.parametrize("said", [b"{}", b'{"token":"","expires_at":1}', b'{"token":"a"}', b"1"])
async def test_an_answer_without_what_was_asked_for_is_502(
    board: Board, vendor: Vendor, path: str, body: dict[str, str], said: bytes
) -> None:
    vendor.body = said
    answer = await board.post(path, body)
    assert answer.json()["title"] == "vendor nonsense"


async def test_the_circuit_opens_and_closes_by_itself(vendor: Vendor, ca_file: Path) -> None:
    moment = 0.0
    connections = Connections(str(ca_file))
    asked = Upstream("alibaba", connections, 2.0, lambda: moment)
    url = f"https://localhost:{vendor.port}/"
    settings = settings_for(vendor, ca_file)
    async with relay_for(settings) as board:
        # The relay's own, with a clock that we turn.
        app = board.http._transport.app  # type: ignore[attr-defined]
        app.state.relay.licenses.upstream.circuit = asked.circuit
        vendor.status, vendor.body = 503, b"away"
        assert {(await board.get_token()).status_code for _ in range(5)} == {502}
        ready = await board.http.get("/readyz")
        assert ready.json()["vendors"] == {"alibaba": "away", "dashscope": "ok", "baidu": "ok"}
        vendor.status, vendor.body = 200, None
        answer = await board.get_token()
        assert (answer.status_code, answer.headers["retry-after"]) == (502, "5")
        assert len(vendor.calls) == 5
        moment = 5.0
        assert (await board.get_token()).status_code == 200
        assert (await board.get_token()).status_code == 200
        assert (await board.http.get("/readyz")).json()["vendors"]["alibaba"] == "ok"
    assert (await asked.post(url, headers={}, content=b"")).status == 200
    await connections.aclose()

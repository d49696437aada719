"""The whole command in a process of its own: hang-ups, a stop, sockets, and its own TLS."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mmid_relay.serve import _warn_of_plain_text
from mmid_relay.settings import Server
from tests.rig import KEY, SECRETS, Board, Vendor, register_body, trusting

Config = Callable[..., Path]


@pytest.fixture
def config(tmp_path: Path, vendor: Vendor, ca_file: Path) -> Config:
    def write(listen: str, more: str = "") -> Path:
        file = tmp_path / "relay.toml"
        file.write_text(
            f"""
            [server]
            listen = "{listen}"
            ca_file = "{ca_file}"
            {more}
            [devices]
            fleet_keys = {{ k1 = "{KEY}" }}
            [alibaba]
            endpoint = "localhost:{vendor.port}"
            access_key_id = "LTAI"
            access_key_secret = "{SECRETS["access_key_secret"]}"
            token_key = "{SECRETS["token_key"]}"
            """
        )
        return file

    return write


@asynccontextmanager
async def _running(file: Path, stop_s: int = 20) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the command until it listens; ``stop_s`` in place of the time that a stop may take."""
    program = "import sys, mmid_relay.serve as serve; from mmid_relay.__main__ import main; "
    program += f"serve._STOP_S = {stop_s}; sys.exit(main(sys.argv[1:]))"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", program, "serve", "--config", str(file)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stderr
    while b"Uvicorn running" not in (line := await process.stderr.readline()):
        assert line, "it ended"
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _stopped(process: asyncio.subprocess.Process) -> tuple[int | None, list[Any], str]:
    """Stop it; return its status, its audit log and its other words."""
    process.send_signal(signal.SIGTERM)
    out, err = await process.communicate()
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


async def _takes_no_more(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()
        await writer.wait_closed()


def _board(port: int) -> Board:
    return Board(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"), [])


async def test_a_board_that_hangs_up_gets_its_answer_when_it_asks_again(
    config: Config, vendor: Vendor, unused_tcp_port: int
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await go.wait()

    vendor.before = hold
    async with _running(config(f"127.0.0.1:{unused_tcp_port}")) as process:
        board = _board(unused_tcp_port)
        first = asyncio.create_task(board.register())
        await asked.wait()
        first.cancel()
        await board.http.aclose()
        go.set()
        board = _board(unused_tcp_port)
        answer = await board.register()
        await board.http.aclose()
        _, lines, _ = await _stopped(process)
    assert answer.json()["data"]["deviceName"] == "radio-1"
    assert len(vendor.calls) == 1
    assert [line["result"] for line in lines] == ["ok", "ok"]


async def test_a_stop_finishes_what_is_under_way(
    config: Config, vendor: Vendor, unused_tcp_port: int
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await go.wait()

    vendor.before = hold
    async with _running(config(f"127.0.0.1:{unused_tcp_port}")) as process:
        board = _board(unused_tcp_port)
        under_way = asyncio.create_task(board.register())
        await asked.wait()
        process.send_signal(signal.SIGTERM)
        await _takes_no_more(unused_tcp_port)
        go.set()
        answer = await under_way
        await board.http.aclose()
        status, lines, words = await _stopped(process)
    assert answer.status_code == 200
    assert status == 0
    assert [line["path"] for line in lines] == ["/v1/register"]
    assert "Traceback" not in words


async def test_what_comes_during_a_stop_is_not_sent_and_the_board_hears_so(
    config: Config, vendor: Vendor, unused_tcp_port: int
) -> None:
    body = json.dumps(register_body()).encode()
    head = (
        "POST /v1/register HTTP/1.1\r\nhost: relay\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {_board(unused_tcp_port).own_token}\r\n"
        f"content-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
    )
    async with _running(config(f"127.0.0.1:{unused_tcp_port}")) as process:
        reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
        writer.write(head.encode())
        assert b" 100 " in await reader.readline()
        process.send_signal(signal.SIGTERM)
        await _takes_no_more(unused_tcp_port)
        writer.write(body)
        answer = await reader.read()
        writer.close()
        status, lines, _ = await _stopped(process)
    assert b" 503 " in answer
    assert b"nothing was sent" in answer
    assert not vendor.calls
    assert (status, [line["result"] for line in lines]) == (0, ["busy"])


async def test_a_board_that_hung_up_is_waited_for_at_a_stop_too(
    config: Config, vendor: Vendor, unused_tcp_port: int
) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await go.wait()

    vendor.before = hold
    async with _running(config(f"127.0.0.1:{unused_tcp_port}")) as process:
        board = _board(unused_tcp_port)
        under_way = asyncio.create_task(board.register())
        await asked.wait()
        under_way.cancel()
        await board.http.aclose()
        stopping = asyncio.create_task(_stopped(process))
        asyncio.get_running_loop().call_later(0.3, go.set)
        status, lines, words = await stopping
    assert status == 0
    assert [line["result"] for line in lines] == ["ok"]
    assert "Traceback" not in words


async def test_a_stop_cuts_off_what_a_vendor_never_answers(
    config: Config, vendor: Vendor, unused_tcp_port: int
) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        asked.set()
        await never.wait()

    vendor.before = hold
    async with _running(config(f"127.0.0.1:{unused_tcp_port}"), stop_s=1) as process:
        board = _board(unused_tcp_port)
        under_way = asyncio.create_task(board.get_token())
        await asked.wait()
        _, lines, words = await _stopped(process)
        answer = await under_way
        await board.http.aclose()
    never.set()
    assert answer.status_code == 500
    assert [(line["path"], line["result"]) for line in lines] == [("/v1/token", "cut-off")]
    assert "timeout graceful shutdown exceeded" in words


async def test_it_listens_on_a_unix_socket_and_believes_the_proxy_there(
    config: Config, tmp_path: Path, vendor: Vendor
) -> None:
    path = tmp_path / "s"
    file = config(f"unix:{path}", 'client_dn_header = "X-SSL-Client-S-DN"')
    async with _running(file) as process:
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://relay") as http:
            answer = await http.post(
                "/v1/register",
                json=register_body(),
                headers={"x-ssl-client-s-dn": "CN=radio-1,O=Example"},
            )
        status, lines, _ = await _stopped(process)
    assert (answer.status_code, status) == (200, 0)
    assert lines[0]["device"] == "radio-1"


def test_plain_text_on_a_network_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for listen in ("127.0.0.1:1", "[::1]:1", "unix:/x"):
        _warn_of_plain_text(Server(listen=listen))
    assert not caplog.records
    _warn_of_plain_text(Server(listen="0.0.0.0:8443"))
    assert "plain text" in caplog.text


async def test_it_does_tls_itself_and_tells_nothing_of_itself(
    config: Config, authority: tuple[Path, Path], unused_tcp_port: int
) -> None:
    ca_file, cert = authority
    file = config(f"127.0.0.1:{unused_tcp_port}", f'tls_cert = "{cert}"')
    async with _running(file):
        url = f"https://localhost:{unused_tcp_port}"
        async with httpx.AsyncClient(verify=trusting(ca_file), base_url=url) as http:
            answer = await http.get("/healthz", headers={"x-forwarded-for": "10.0.0.1"})
    assert answer.json() == {"status": "ok"}
    assert "server" not in answer.headers

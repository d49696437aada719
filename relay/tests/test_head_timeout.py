"""A connection that brings no request is closed; one that does, or rests between two, is not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mmid_relay import head_timeout
from mmid_relay.app import make_app
from tests.rig import Vendor, serving, settings_for

_REQUEST = b"GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n"

pytestmark = pytest.mark.timeout(10)


@pytest.fixture
async def port(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[int]:
    monkeypatch.setattr(head_timeout, "_HEAD_S", 0.2)
    app = make_app(settings_for(vendor, ca_file), audit=lambda _: None)
    async with serving(app, http=head_timeout.HeadTimeout) as port:
        yield port


async def _sent_until_closed(port: int, piece: bytes, every_s: float = 0.05) -> bytes:
    """Send a piece again and again until the relay closes; return what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def drip() -> None:
        while True:
            writer.write(piece)
            await asyncio.sleep(every_s)

    dripping = asyncio.create_task(drip())
    try:
        said = bytearray()
        try:
            while heard := await reader.read(4096):
                said += heard
        except ConnectionResetError:
            pass
        return bytes(said)
    finally:
        dripping.cancel()
        writer.close()


async def test_one_that_says_nothing_is_closed(port: int) -> None:
    assert await _sent_until_closed(port, b"") == b""


async def test_one_that_never_ends_its_head_is_closed(port: int) -> None:
    assert await _sent_until_closed(port, b"G") == b""


async def test_one_that_goes_on_with_a_body_after_its_refusal_is_closed(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /v1/token HTTP/1.1\r\nhost: relay\r\ncontent-length: 9000\r\n\r\n")
    assert b"401" in await reader.readline()
    try:
        while not reader.at_eof():
            writer.write(b"x")
            await asyncio.wait_for(reader.read(4096), 5)
    except ConnectionResetError:
        pass
    writer.close()


async def test_one_that_rests_between_requests_is_kept(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(_REQUEST)
        assert b"200" in await reader.readline()
        await reader.readuntil(b'{"status":"ok"}')
        await asyncio.sleep(0.4)
    assert not reader.at_eof()
    writer.close()

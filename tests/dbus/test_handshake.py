import asyncio
from pathlib import Path

import pytest

from mmid.dbus import bus as bus_module
from mmid.dbus import wire
from mmid.dbus.bus import Bus
from mmid.dbus.handshake import socket_names
from mmid.dbus.wire import HEAD_BYTES, Message
from mmid.errors import BusFailed
from tests.dbus.private_bus import WAIT_S

CLOSES = b""
REFUSES = b"REJECTED EXTERNAL\r\n"
BABBLES = b"x" * 200_000
ACCEPTS = b"OK 0123456789abcdef\r\nERROR\r\n"


async def connect_to(directory: Path, answer: bytes, *, refuse_hello: bool = False) -> None:
    """Connect to something that is not quite a bus."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        writer.write(answer)
        if refuse_hello:
            await reader.readuntil(b"BEGIN\r\n")
            head = await reader.readexactly(HEAD_BYTES)
            hello = wire.read_header(head + await reader.readexactly(wire.header_bytes(head)))
            hello.sender = ":1.1"
            error = "org.freedesktop.DBus.Error.LimitsExceeded"
            writer.write(wire.encode(Message.new_error(hello, error, "too many"), 1))
        writer.close()

    path = directory / "almost"
    async with await asyncio.start_unix_server(serve, path):
        async with asyncio.timeout(WAIT_S):
            await Bus.connect(f"unix:path={path}")


async def test_no_bus_at_all_is_named_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(BusFailed, match=r"no message bus answers at .*nothing"):
        await Bus.connect(f"unix:path={tmp_path}/nothing")


@pytest.mark.parametrize("answer", [CLOSES, BABBLES])
async def test_a_bus_that_ends_or_floods_the_handshake_is_an_error_and_no_hang(
    tmp_path: Path, answer: bytes
) -> None:
    with pytest.raises(BusFailed, match="ended the handshake"):
        await connect_to(tmp_path, answer)


async def test_a_bus_that_does_not_know_our_user_says_so(tmp_path: Path) -> None:
    with pytest.raises(BusFailed, match="refused user"):
        await connect_to(tmp_path, REFUSES)


async def test_a_bus_that_closes_after_the_handshake_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BusFailed, match="lost"):
        await connect_to(tmp_path, ACCEPTS)


async def test_a_refused_hello_is_an_error_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(BusFailed, match="does not let us in: too many"):
        await connect_to(tmp_path, ACCEPTS, refuse_hello=True)


async def test_a_bus_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "_CONNECT_TIMEOUT_S", 0.1)
    silent = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    async with await asyncio.start_unix_server(serve, tmp_path / "silent"):
        with pytest.raises(BusFailed, match="did not answer within"):
            await Bus.connect(f"unix:path={tmp_path}/silent")
        silent.set()


def test_a_path_is_taken_from_an_address_with_other_options() -> None:
    assert socket_names("unix:path=/run/a%20b,guid=12") == ["/run/a b"]


def test_an_abstract_socket_has_a_name_after_a_nul() -> None:
    assert socket_names("unix:abstract=/tmp/x") == ["\0/tmp/x"]


def test_several_addresses_are_tried_in_order() -> None:
    assert socket_names("unix:path=/a;unix:path=/b") == ["/a", "/b"]


def test_the_system_bus_is_where_the_specification_says_unless_the_environment_knows_better() -> (
    None
):
    assert socket_names("system", {}) == ["/run/dbus/system_bus_socket"]
    assert socket_names("system", {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/x"}) == ["/x"]


def test_the_session_bus_is_found_by_its_address_or_beside_the_run_time_files() -> None:
    assert socket_names("session", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/s"}) == ["/s"]
    assert socket_names("session", {"XDG_RUNTIME_DIR": "/run/user/7"}) == ["/run/user/7/bus"]


def test_a_session_bus_that_is_nowhere_is_said_to_be_so() -> None:
    with pytest.raises(BusFailed, match="no session bus"):
        socket_names("session", {})


@pytest.mark.parametrize("address", ["tcp:host=example.org,port=1", "unix:tmpdir=/tmp", "nonsense"])
def test_an_address_of_another_kind_is_refused_by_name(address: str) -> None:
    with pytest.raises(BusFailed, match=r"tcp|tmpdir|nonsense"):
        socket_names(address, {})


@pytest.mark.parametrize("address", ["", ";"])
def test_an_address_that_is_empty_is_refused_by_name(address: str) -> None:
    with pytest.raises(BusFailed, match=f"bus address '{address}' is not one that mmid can use"):
        socket_names(address, {})

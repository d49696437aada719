"""From a credential to a conversation: what the cloud is told about us."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from websockets import ConnectionClosed
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from mmid.errors import ConnectionLost, MmidError, SettingsInvalid, TlsFailed
from mmid.secrets import Secret
from mmid.session.clouds import CLOUDS, with_own_rates
from mmid.session.dialer import Dialer
from mmid.session.license.access import LicenseCredential
from mmid.settings import Cloud, License, Settings, WorkMode
from mmid.simcloud.core.certificates import Certificates
from tests.rig.dialog_settings import dialog_settings
from tests.session.doubles import Host, peer

CREDENTIAL = LicenseCredential(Secret("st-0123456789"), "mm_01", "board1", "llm-1")


class Listener:
    """A cloud that keeps the first frame of each connection and the credential it came with.

    Attributes:
        settings: what points a dialer here.
        left: set once a connection is closed that said nothing.
        asked_at: when the last connection asked to be a WebSocket, by the loop's clock.
    """

    def __init__(self, url: str, ca_file: str) -> None:
        cloud = Cloud(ws_url=url, ca_file=ca_file, connect_timeout_s=7.0)
        self.settings = with_own_rates(Settings(cloud=cloud))
        self._starts: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.left = asyncio.Event()
        self.asked_at = 0.0

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        bearer = connection.request.headers["Authorization"]
        try:
            first = await connection.recv()
        except ConnectionClosed:
            self.left.set()
            raise
        self._starts.put_nowait((bearer, json.loads(first)))
        await connection.wait_closed()

    async def start_of(
        self,
        settings: Settings,
        credential: LicenseCredential = CREDENTIAL,
        dialog_id: str = "",
        work_mode: WorkMode = "push2talk",
    ) -> tuple[str, dict[str, Any]]:
        """Dial, and return the credential and the Start that arrived."""
        conversation = await Dialer(settings).dial(
            credential, lambda: (work_mode, dialog_id), Host()
        )
        running = asyncio.create_task(conversation.run())
        try:
            async with asyncio.timeout(10):
                return await self._starts.get()
        finally:
            running.cancel()
            await asyncio.wait({running})


@asynccontextmanager
async def listener(certificates: Certificates) -> AsyncIterator[Listener]:
    made: list[Listener] = []

    async def handle(connection: ServerConnection) -> None:
        await made[0].serve(connection)

    async def note(_connection: ServerConnection, _request: Request) -> None:
        made[0].asked_at = asyncio.get_running_loop().time()

    async with serve(
        handle,
        "127.0.0.1",
        0,
        ssl=certificates.server_context(),
        process_request=note,
        close_timeout=0.1,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        made.append(Listener(f"wss://localhost:{port}/", str(certificates.ca_file)))
        yield made[0]


async def test_start_says_who_we_are(certificates: Certificates) -> None:
    async with listener(certificates) as cloud:
        settings = replace(cloud.settings, cloud=replace(cloud.settings.cloud, model="another"))
        bearer, start = await cloud.start_of(settings)
    assert bearer == "Bearer st-0123456789"
    payload = start["payload"]
    assert payload["model"] == "another"
    assert payload["input"] == {"directive": "Start", "app_id": "mm_01", "workspace_id": "llm-1"}
    client = {"user_id": "board1", "device": {"uuid": "board1"}}
    assert payload["parameters"]["client_info"] == client


async def test_start_names_the_address_that_the_license_service_saw(
    certificates: Certificates,
) -> None:
    async with listener(certificates) as cloud:
        seen = replace(CREDENTIAL, request_ip="203.0.113.7")
        _, start = await cloud.start_of(cloud.settings, seen)
    assert start["payload"]["parameters"]["client_info"]["network"] == {"ip": "203.0.113.7"}


@pytest.mark.parametrize(
    ("user_id", "device_name", "user", "uuid"),
    [
        ("alice", "board1", "alice", "board1"),
        ("", "board1", "board1", "board1"),
        ("alice", "", "alice", "alice"),
        ("", "", "mm_01", "mm_01"),
        ("u" * 50, "d" * 50, "u" * 36, "d" * 40),
    ],
)
async def test_the_user_is_the_configured_one_else_the_device(
    certificates: Certificates, user_id: str, device_name: str, user: str, uuid: str
) -> None:
    async with listener(certificates) as cloud:
        settings = replace(cloud.settings, license=License(user_id=user_id))
        credential = replace(CREDENTIAL, device_name=device_name)
        _, start = await cloud.start_of(settings, credential)
    client = start["payload"]["parameters"]["client_info"]
    assert client == {"user_id": user, "device": {"uuid": uuid}}


async def test_a_signed_task_is_the_connections_task(certificates: Certificates) -> None:
    signature = {"timestamp": "17", "license_info": "a", "device_info": "b"}
    credential = replace(CREDENTIAL, task_id="5a" * 16, signature=signature)
    async with listener(certificates) as cloud:
        _, start = await cloud.start_of(cloud.settings, credential)
    assert start["header"]["task_id"] == "5a" * 16
    assert start["payload"]["parameters"]["client_info"]["signature"] == signature


async def test_a_workspace_that_is_not_known_is_left_out(certificates: Certificates) -> None:
    async with listener(certificates) as cloud:
        _, start = await cloud.start_of(cloud.settings, replace(CREDENTIAL, workspace_id=""))
    assert "workspace_id" not in start["payload"]["input"]


@pytest.mark.parametrize("mode", ["push2talk", "tap2talk", "duplex"])
async def test_the_work_mode_is_the_one_of_now(certificates: Certificates, mode: WorkMode) -> None:
    async with listener(certificates) as cloud:
        _, start = await cloud.start_of(cloud.settings, work_mode=mode)
    assert start["payload"]["parameters"]["upstream"]["mode"] == mode


async def test_a_dialog_is_gone_on_with_under_a_new_task(certificates: Certificates) -> None:
    async with listener(certificates) as cloud:
        starts = [(await cloud.start_of(cloud.settings, dialog_id="dialog-1"))[1] for _ in range(2)]
    assert {start["payload"]["input"]["dialog_id"] for start in starts} == {"dialog-1"}
    tasks = {start["header"]["task_id"] for start in starts}
    assert len(tasks) == 2
    assert {len(task) for task in tasks} == {32}


async def test_the_time_of_the_connection_counts_towards_the_first_listening(
    certificates: Certificates,
) -> None:
    async with listener(certificates) as cloud:
        dialer = Dialer(cloud.settings)
        await dialer.load()
        began = asyncio.get_running_loop().time()
        conversation = await dialer.dial(CREDENTIAL, lambda: ("push2talk", ""), Host())
        running = asyncio.create_task(conversation.run())
        await asyncio.sleep(0)
        assert began + 7.0 <= conversation.dialect.deadline <= cloud.asked_at + 7.0
        running.cancel()
        await asyncio.wait({running})


def test_a_cloud_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(SettingsInvalid, match='"moon-radio": must be one of "multimodal-dialog"'):
        Dialer(Settings(cloud=Cloud(protocol="moon-radio")))


async def test_start_carries_the_files_that_the_settings_name(
    certificates: Certificates, tmp_path: Path
) -> None:
    biz_params = tmp_path / "biz.json"
    biz_params.write_text('{"user_prompt_params":{"room":"kitchen"}}')
    async with listener(certificates) as cloud:
        settings = replace(cloud.settings, dialog=dialog_settings(biz_params_file=str(biz_params)))
        _, start = await cloud.start_of(settings)
    assert start["payload"]["parameters"]["biz_params"] == {
        "user_prompt_params": {"room": "kitchen"}
    }


async def test_a_file_that_is_gone_by_now_ends_the_attempt_and_its_connection(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with listener(certificates) as cloud:
        settings = replace(
            cloud.settings, dialog=dialog_settings(biz_params_file=str(tmp_path / "gone"))
        )
        with pytest.raises(SettingsInvalid, match="gone: cannot be read"):
            await cloud.start_of(settings)
        async with asyncio.timeout(10):
            await cloud.left.wait()


# --- rehearsed --------------------------------------------------------------------------------


async def test_a_rehearsal_shakes_hands_and_asks_nothing(certificates: Certificates) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        said = b""
        with suppress(ConnectionError):  # there is no goodbye either
            said = await reader.read(1)
        heard.put_nowait(said)

    async with peer(hear, certificates.server_context()) as port:
        url = f"wss://localhost:{port}/"
        cloud = Cloud(ws_url=url, ca_file=str(certificates.ca_file))
        await Dialer(Settings(cloud=cloud)).rehearse(CREDENTIAL)
        async with asyncio.timeout(10):
            assert await heard.get() == b""


@pytest.mark.parametrize(
    ("error", "proxy", "token"),
    [
        (TlsFailed("certificate of wss://localhost:.* is not acceptable"), "", "st-0123456789"),
        (SettingsInvalid("https_proxy of the environment"), "gopher://proxy", "st-0123456789"),
        (ConnectionLost("no connection to .* through http://127.0.0.1:1: "), "127.0.0.1:1", "st-1"),
        (SettingsInvalid("the header Authorization"), "", "two\nlines"),
    ],
)
async def test_a_rehearsal_fails_as_the_dialog_would(
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
    error: MmidError,
    proxy: str,
    token: str,
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    async with listener(certificates) as cloud:
        untrusted = replace(cloud.settings, cloud=replace(cloud.settings.cloud, ca_file=""))
        with pytest.raises(type(error), match=str(error)):
            await Dialer(untrusted).rehearse(replace(CREDENTIAL, token=Secret(token)))


_IN_A_SMALL_THREAD = """
import asyncio, socket, sys, threading
from mmid.session.dialer import Dialer
from mmid.session.tls import Tls
from mmid.settings import Cloud, Settings

threading.stack_size(128 << 10)

async def dial():
    for protocol in sys.argv[1:]:
        await Dialer(Settings(cloud=Cloud(protocol=protocol))).load()
    await asyncio.to_thread(Tls("").context)
    await asyncio.get_running_loop().getaddrinfo("localhost", 443)

asyncio.run(dial())
"""


def test_what_threads_do_for_a_connection_fits_the_stack_that_musl_gives_them() -> None:
    """128 KiB, where glibc gives 8 MiB: beyond it the daemon would end by SIGSEGV."""
    command = [sys.executable, "-c", _IN_A_SMALL_THREAD, *CLOUDS]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0

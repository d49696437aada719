"""The proxies of the examples, started: who has a certificate is known by it alone."""

import asyncio
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from mmid_relay.app import make_app
from mmid_relay.devices import device_token
from tests.certificates import make_authority
from tests.rig import KEY, Vendor, serving, settings_for

HERE = Path(__file__).parents[1]
PROXIES = HERE / "proxies"
HEADER = "X-SSL-Client-S-DN"
START_S = 20


def program(name: str, unpacked: str) -> str | None:
    """Return where a program is: installed, or as the bootstrap has unpacked it."""
    own = HERE / ".venv" / unpacked
    return shutil.which(name) or (str(own) if own.exists() else None)


FOUND = {
    "nginx": program("nginx", "nginx/usr/sbin/nginx"),
    "caddy": program("caddy", "caddy/usr/bin/caddy"),
}


@dataclass(frozen=True)
class Front:
    """A proxy in front of a relay, and how a device comes there.

    Attributes:
        url: of the proxy.
        ca_file: whom devices trust.
        certificate: of the device ``radio-1``, with its key.
        stranger: a certificate of the same name that another authority signed.
    """

    url: str
    ca_file: Path
    certificate: Path
    stranger: Path

    async def post(
        self, body: str, *, certificate: Path | None = None, **headers: str
    ) -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        if certificate:
            context.load_cert_chain(certificate)
        told = {"content-type": "application/json"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(verify=context, base_url=self.url) as http:
            return await http.post("/v1/qwen/token", content=body, headers=told)


@pytest.fixture(params=list(FOUND))
async def front(
    request: pytest.FixtureRequest, vendor: Vendor, authority: tuple[Path, Path], tmp_path: Path
) -> AsyncIterator[Front]:
    name: str = request.param
    if not (binary := FOUND[name]):
        pytest.skip(f"there is no {name} on this machine")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    folders = [tmp_path / one for one in ("devices", "strangers")]
    for folder in folders:
        folder.mkdir()
    (device_ca, certificate), (_, stranger) = (make_authority(one, "radio-1") for one in folders)
    path = tmp_path / "relay.sock"
    server = {"listen": f"unix:{path}", "client_dn_header": HEADER}
    app = make_app(settings_for(vendor, authority[0], server=server))
    files = {
        "/run/mmid-relay/relay.sock": path,
        "/etc/mmid-relay/device-ca.pem": device_ca,
        "/etc/letsencrypt/live/relay.example.com/fullchain.pem": authority[1],
        "/etc/letsencrypt/live/relay.example.com/privkey.pem": authority[1],
    }
    configure = {"nginx": nginx, "caddy": caddy}[name]
    async with (
        app.router.lifespan_context(app),
        serving(app, uds=path),
        started([binary, *configure(files, port, tmp_path)], port, tmp_path),
    ):
        yield Front(f"https://localhost:{port}", authority[0], certificate, stranger)


def example(name: str, files: dict[str, Path], changes: dict[str, str]) -> str:
    """Return an example with the files of this test in it."""
    text = (PROXIES / name).read_text()
    for old, new in {**{old: str(new) for old, new in files.items()}, **changes}.items():
        assert old in text, f"{name} says no more {old}"
        text = text.replace(old, new)
    return text


def nginx(files: dict[str, Path], port: int, folder: Path) -> list[str]:
    changes = {
        "listen 443": f"listen 127.0.0.1:{port}",
        "    listen [::]:443 ssl;\n": "",
        "relay.example.com;": "localhost;",
    }
    site = example("nginx.conf", files, changes)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    # Its workers would change to a user who does not get at the test's files.
    user = "user root;\n" if os.geteuid() == 0 else ""
    config = folder / "nginx.conf"
    config.write_text(
        f"{user}daemon off;\nworker_processes 1;\npid {folder}/pid;\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{temporary}{site}}}\n"
    )
    return ["-p", str(folder), "-e", "stderr", "-c", str(config)]


def caddy(files: dict[str, Path], port: int, folder: Path) -> list[str]:
    changes = {"relay.example.com {": f"https://localhost:{port} {{"}
    site = example("Caddyfile", files, changes)
    config = folder / "Caddyfile"
    options = f"{{\nadmin off\nauto_https disable_redirects\nstorage file_system {folder}/caddy\n}}"
    config.write_text(f"{options}\n{site}")
    return ["run", "--config", str(config), "--adapter", "caddyfile"]


@asynccontextmanager
async def started(command: list[str], port: int, folder: Path) -> AsyncIterator[None]:
    """Run a proxy, and wait until it listens."""
    log = folder / "proxy.log"
    environment = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
    try:
        async with asyncio.timeout(START_S):
            while True:
                assert running.returncode is None, log.read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)  # a port tells nobody when it opens
                else:
                    writer.close()
                    break
        yield
    finally:
        running.terminate()
        await running.wait()


OWN, OTHERS = '{"deviceName":"radio-1"}', '{"deviceName":"radio-2"}'


async def test_a_device_is_known_by_its_certificate(front: Front, vendor: Vendor) -> None:
    answer = await front.post(OWN, certificate=front.certificate)
    assert (answer.status_code, answer.json()["token"]) == (200, "st-0123456789")
    forged = await front.post(OTHERS, certificate=front.certificate, X_SSL_Client_S_DN="CN=radio-2")
    assert forged.status_code == 403
    assert len(vendor.calls) == 1


async def test_nobody_is_known_by_a_header_of_his_own(front: Front, vendor: Vendor) -> None:
    assert (await front.post(OWN)).status_code == 401
    assert (await front.post(OWN, X_SSL_Client_S_DN="CN=radio-1")).status_code == 401
    try:
        refused = await front.post(OWN, certificate=front.stranger)
    except (httpx.TransportError, ssl.SSLError):
        pass  # Caddy ends the handshake, nginx says it in HTTP
    else:
        assert refused.status_code == 400
    assert not vendor.calls


async def test_a_token_is_as_good_and_metrics_are_not_for_everybody(front: Front) -> None:
    token = device_token("radio-1", "k1", bytes.fromhex(KEY))
    answer = await front.post(OWN, Authorization=f"Bearer {token}")
    assert answer.status_code == 200
    async with httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=str(front.ca_file)), base_url=front.url
    ) as http:
        assert (await http.get("/healthz")).status_code == 200
        for path in ("/metrics", "/readyz", "/openapi.json", "/"):
            assert (await http.get(path)).status_code == 404


def test_the_examples_name_the_header_that_the_settings_name() -> None:
    for example_file in ("nginx.conf", "Caddyfile"):
        text = (PROXIES / example_file).read_text()
        assert re.search(rf'client_dn_header = "{HEADER}"', text)
        assert text.count(HEADER) == 2

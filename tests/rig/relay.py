"""A board whose cloud is asked through its vendor's server: the real mmid-relay.

The relay is a process of its own venv (``tools/bootstrap relay`` makes it) with TLS, and its
vendors are the server side of simcloud. The board proves itself by the token that the
factory line would give it, and holds none of the relay's keys.
"""

import asyncio
import secrets
import socket
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mmid.simcloud.core.certificates import make_certificates
from tests.rig.board import Board, Tables, cloud_tables, to_toml
from tests.rig.processes import REPOSITORY, START_S, Process

PROGRAM = REPOSITORY / "relay" / ".venv" / "bin" / "mmid-relay"

_FLEET_KEY_ID = "2026"

# What simcloud's line has and no board may have.
SERVER_SECRETS = ("api_key", "access_key_secret", "baidu_secret_key")


class RelayBoard(Board):
    """A board behind a relay; ``protocol`` says which of the relay's services it uses.

    Attributes:
        relay_url: where the relay listens.
        token: the device's.
    """

    relay_url = ""
    token = ""

    async def start_cloud(self) -> None:
        """Start simcloud, and the relay in front of its server APIs."""
        await super().start_cloud()
        await self.start_relay()

    async def start_relay(self) -> None:
        """Start the relay, and wait until it answers."""
        port = free_port()
        certificates = make_certificates(self.directory / "cloud")
        tables = relay_tables(self.cloud)
        tables["server"] = {
            "listen": f"127.0.0.1:{port}",
            "tls_cert": str(certificates.certificate_file),
            "tls_key": str(certificates.key_file),
            "ca_file": self.cloud["ca_file"],
        }
        config = self._write("relay.toml", to_toml(tables).encode())
        self.relay_url = f"https://127.0.0.1:{port}"
        self.token = device_token(config, "board-0001")
        # Its audit lines go to a file: nobody reads a pipe here, and a full one would stop it.
        command = ["sh", "-c", 'exec "$@" >"$0"', str(self.audit_file), str(PROGRAM)]
        relay = self._process("relay", [*command, "serve", "--config", str(config)])
        await relay.start()
        await answering(relay, port, self.cloud["ca_file"])

    @property
    def audit_file(self) -> Path:
        """Where the relay's audit lines are."""
        return self.directory / "audit.jsonl"

    def _cloud_tables(self) -> Tables:
        tables = cloud_tables(self.protocol, self.cloud)
        given = tables["license"]
        given.pop("api_key", None)
        given["headers"] = f"Authorization: Bearer {self.token}"
        if self.protocol == "baidu-rtc":
            tables["baidu"]["instance_url"] = f"{self.relay_url}/v1/baidu/instance"
        elif self.protocol == "qwen-realtime":
            given["token_url"] = f"{self.relay_url}/v1/qwen/token"
        else:
            del tables["cloud"]["license_url"]
            given["mode"] = "semi-managed"
            given["register_url"] = f"{self.relay_url}/v1/register"
            given["token_url"] = f"{self.relay_url}/v1/token"
        return tables


def relay_tables(line: Mapping[str, str]) -> Tables:
    """Return the relay's settings for the vendors that simcloud plays, with a new fleet key."""
    return {
        # Dotted, because this is a table in a table.
        "devices": {
            f"fleet_keys.{_FLEET_KEY_ID}": secrets.token_hex(32),
            "signing_key": _FLEET_KEY_ID,
        },
        "alibaba": {
            "endpoint": line["pop_url"].removeprefix("https://"),
            "access_key_id": line["access_key_id"],
            "access_key_secret": line["access_key_secret"],
            "token_key": line["api_key"],
        },
        "dashscope": {"url": line["dashscope_url"], "api_key": line["api_key"]},
        "baidu": {
            "url": line["baidu_api_url"],
            "access_key": line["baidu_access_key"],
            "secret_key": line["baidu_secret_key"],
            "app_id": line["baidu_app_id"],
        },
    }


def device_token(config: Path, name: str) -> str:
    """Return what ``mmid-relay device-token`` prints for a device."""
    command = [str(PROGRAM), "device-token", name, "--config", str(config)]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=START_S
    ).stdout.strip()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def answering(relay: Process, port: int, ca_file: str) -> None:
    """Wait until the relay takes connections; say why if it has ended instead."""
    tls = ssl.create_default_context(cafile=ca_file)
    async with asyncio.timeout(START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
            except ConnectionRefusedError:
                if relay.ended:
                    raise AssertionError(f"mmid-relay ended: {relay.log_text()}") from None
                await asyncio.sleep(0.05)  # a port tells nobody when it opens
            else:
                writer.close()
                await writer.wait_closed()
                return

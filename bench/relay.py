"""What the relay costs: a thousand devices at once, memory over many requests, CPU a request.

The vendor is a stand-in that answers after 50 ms. CPU is of the relay's process, a token
request of a device on an open connection; its floor is the bare proxy of ``bare_relay``:
Starlette, httpx and uvicorn with TLS on both sides, that passes on what comes. The relay also
proves who asks, counts it, checks and signs what it sends, and writes a line of it. It asks by
aiohttp, which is much quicker; so what all that adds is told beside a proxy that has it too. Of the
thousand devices, each with a TLS handshake of its own, the baseline is what the stand-in
itself took while they asked; what is lost or sent twice fails the benchmark. The baseline of
the memory is what the relay had after as many requests before.
"""

import asyncio
import json
import secrets
import ssl
import statistics
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

from bench.figure import Effort, Figure
from bench.fleet import KEY_ID, Order, Told
from bench.process import cpu_s, memory
from mmid.simcloud.core.certificates import Certificates, make_certificates
from tests.rig.board import to_toml
from tests.rig.processes import REPOSITORY, Process, python
from tests.rig.relay import PROGRAM, answering, free_port

Running = tuple[Process, int]  # and the port where it listens

_AT_ONCE = 1000
_WORKERS = 2
_MANY = 20_000
_BUSY_CONNECTIONS = 20


def measure(effort: Effort) -> Iterator[Figure]:
    """Measure all three."""
    if not PROGRAM.exists():
        raise SystemExit("bench: mmid-relay is not installed: tools/bootstrap relay")
    yield from asyncio.run(_measure(effort))


async def _measure(effort: Effort) -> list[Figure]:
    async with _Parts.made() as parts:
        figures = [await _at_once(parts, effort)]
        async with parts.relay() as relay:
            figures += await _cpu(parts, relay, effort)
            figures.append(await _memory(parts, relay, effort))
        return figures


async def _at_once(parts: "_Parts", effort: Effort) -> Figure:
    """Let all devices of a fleet register at one moment."""
    ours, stand_in = [], []
    devices = effort.times(_AT_ONCE, least=10)
    for _ in range(effort.runs):
        async with AsyncExitStack() as stack:
            workers = [await stack.enter_async_context(parts.relay()) for _ in range(_WORKERS)]
            ports = [port for _, port in workers]
            await parts.counts()
            told = await parts.ask(ports, "/v1/register", devices, devices)
            counts = await parts.counts()
        if told.statuses != {"200": devices}:
            raise SystemExit(f"bench: of {devices} devices {told.statuses} were answered")
        if (counts["requests"], counts["different"]) != (devices, devices):
            raise SystemExit(f"bench: the vendor was asked {counts['requests']} times")
        ours.append(_percentile(told.took_ms, 99))
        stand_in.append(_percentile(counts["took_ms"], 99))
    name = f"relay, {devices} devices register at once, p99"
    return Figure(name, "ms", ours, "the stand-in of the vendor, p99", stand_in)


async def _cpu(parts: "_Parts", relay: Running, effort: Effort) -> list[Figure]:
    """Compare with the bare proxies, in turns."""
    requests = effort.times(2000, least=40)
    async with parts.bare_relay("httpx") as httpx, parts.bare_relay("aiohttp") as aiohttp:
        taken: dict[Running, list[float]] = {relay: [], httpx: [], aiohttp: []}
        for _ in range(effort.runs + 1):
            for (process, port), figures in taken.items():
                before = cpu_s(process.pid)
                await parts.ask([port], "/v1/token", requests, _BUSY_CONNECTIONS)
                figures.append((cpu_s(process.pid) - before) * 1000 / requests)
    # The first of each warms up: connections, caches.
    ours, *floors = (figures[1:] for figures in taken.values())
    name, others = "relay, CPU a request", "Starlette and {}, passing on"
    return [
        Figure(name, "ms", ours, others.format("httpx"), floors[0], 1.5),
        Figure(name, "ms", ours, others.format("aiohttp"), floors[1]),
    ]


async def _memory(parts: "_Parts", relay: Running, effort: Effort) -> Figure:
    """Ask for so many tokens that what grows is seen, after as many that fill what is kept."""
    many, (process, port) = effort.times(_MANY, least=100), relay
    await parts.ask([port], "/v1/token", many, _BUSY_CONNECTIONS)
    before = memory(process.pid).rss
    await parts.ask([port], "/v1/token", many, _BUSY_CONNECTIONS)
    after = memory(process.pid).rss
    name = f"relay, memory after {many} requests more"
    return Figure(name, "MiB", [after], "what it had before them", [before], 1.05)


class _Parts:
    """The stand-in, and what is put before it.

    Args:
        directory: where their files are.
        certificates: whose TLS all of them have.
        vendor_port: where the stand-in listens.
    """

    def __init__(self, directory: Path, certificates: Certificates, vendor_port: int) -> None:
        self._directory = directory
        self._certificates = certificates
        self._vendor_port = vendor_port
        self._fleet_key = secrets.token_hex(32)

    @classmethod
    @asynccontextmanager
    async def made(cls) -> AsyncIterator["_Parts"]:
        """Start the stand-in."""
        with tempfile.TemporaryDirectory(prefix="mmid-bench-") as name:
            directory = Path(name)
            certificates = make_certificates(directory)
            pair = certificates.certificate_file, certificates.key_file
            command = python("bench.vendor_stand_in", *pair)
            vendor = Process(command, directory / "vendor.log")
            await vendor.start()
            try:
                yield cls(directory, certificates, int(await vendor.first_line()))
            finally:
                await vendor.stop()

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[Running]:
        """Start a relay; yield it and its port."""
        port = free_port()
        config = self._directory / f"relay-{port}.toml"
        config.write_text(to_toml(self._settings(port)))
        command = [str(PROGRAM), "serve", "--config", str(config)]
        async with self._started(_quiet(command), port) as process:
            yield process, port

    @asynccontextmanager
    async def bare_relay(self, library: str) -> AsyncIterator[Running]:
        """Start the bare proxy that asks by this library; yield it and its port."""
        port, made = free_port(), self._certificates
        files = (made.ca_file, made.certificate_file, made.key_file)
        interpreter = PROGRAM.with_name("python")
        script = REPOSITORY / "bench" / "bare_relay.py"
        vendor = f"https://127.0.0.1:{self._vendor_port}"
        command = [str(part) for part in (interpreter, script, library, vendor, port, *files)]
        async with self._started(_quiet(command), port) as process:
            yield process, port

    async def ask(self, ports: list[int], path: str, requests: int, connections: int) -> Told:
        """Let devices ask, in a process of their own."""
        ca_file = str(self._certificates.ca_file)
        order = Order(ports, path, requests, connections, ca_file, self._fleet_key)
        fleet = Process(python("bench.fleet"), self._directory / "fleet.log")
        told = await fleet.communicate(json.dumps(asdict(order)).encode())
        if not told:
            raise SystemExit(f"bench: the fleet failed: {fleet.log_text()[-2000:]}")
        return Told(**json.loads(told))

    async def counts(self) -> dict[str, Any]:
        """Ask the stand-in what came."""

        def get() -> dict[str, Any]:
            context = ssl.create_default_context(cafile=self._certificates.ca_file)
            connection = HTTPSConnection("127.0.0.1", self._vendor_port, context=context)
            connection.request("GET", "/counts")
            counts: dict[str, Any] = json.load(connection.getresponse())
            connection.close()
            return counts

        return await asyncio.to_thread(get)

    def _settings(self, port: int) -> dict[str, dict[str, Any]]:
        made = self._certificates
        return {
            "server": {
                "listen": f"127.0.0.1:{port}",
                "tls_cert": str(made.certificate_file),
                "tls_key": str(made.key_file),
                "ca_file": str(made.ca_file),
            },
            "devices": {f"fleet_keys.{KEY_ID}": self._fleet_key},
            "limits": {"total_per_minute": 10_000_000},
            "alibaba": {
                "endpoint": f"127.0.0.1:{self._vendor_port}",
                "access_key_id": "bench",
                "access_key_secret": "bench",
                "token_key": "sk-bench",
            },
        }

    @asynccontextmanager
    async def _started(self, command: list[str], port: int) -> AsyncIterator[Process]:
        process = Process(command, self._directory / f"{port}.log")
        await process.start()
        try:
            await answering(process, port, str(self._certificates.ca_file))
            yield process
        finally:
            await process.stop()


def _quiet(command: list[str]) -> list[str]:
    """Return a command whose standard output, here audit lines, goes to a file as a server's."""
    return ["sh", "-c", 'exec "$@" >>"$0"', "/dev/null", *command]


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]

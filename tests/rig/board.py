"""A whole board on this machine: real ALSA, a real bus, the real daemon, a simulated cloud.

Nothing inside mmid is replaced. The sound card is alsa-lib's own ``file``
plug-in over ``null``: what it captures is a file, what it plays is a file,
both bit-exact. The bus is a private dbus-daemon. The cloud is simcloud with
TLS and a CA of its own.
"""

import asyncio
import json
import signal
import sys
import wave
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.rig.listener import WAIT_S, EarlyClient, Listener
from tests.rig.processes import EMULATED_START_S, Process, python

Tables = dict[str, dict[str, Any]]

_RATE_HZ = 16000

_ASOUND = """\
pcm.microphone {{
  type file  slave.pcm {{ type null }}
  file /dev/null  infile "{microphone}"  format raw
}}
pcm.loudspeaker {{
  type file  slave.pcm {{ type null }}
  file "{loudspeaker}"  format wav
}}
"""

_BUS = """\
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
  </policy>
</busconfig>
"""


def silence(seconds: float) -> bytes:
    """Return 16-bit silence at the microphone's rate."""
    return bytes(2 * int(seconds * _RATE_HZ))


class Board:
    """The parts of one board, started one by one or all together.

    Args:
        directory: where everything of this board is kept; one that was used
            before is the same board after a power cycle.
        microphone: 16 kHz samples that the sound card captures. alsa-lib's
            file plug-in repeats stale data after the end: make it long enough.
        scenario: simcloud's script, TOML.
        settings: tables to add to, or replace in, the settings.
        asound: alsa-lib's configuration, in place of the two files.
        protocol: which cloud it talks with, as ``cloud.protocol`` names it.

    Attributes:
        interpreter: the Python that runs mmid; the one that runs this, if no other is set.
    """

    def __init__(
        self,
        directory: Path,
        *,
        microphone: bytes,
        scenario: str = "",
        settings: Tables | None = None,
        asound: str = _ASOUND,
        protocol: str = "multimodal-dialog",
    ) -> None:
        self.directory = directory
        self.asound = asound
        self.interpreter = sys.executable
        self.protocol = protocol
        self.cloud: dict[str, str] = {}
        self.scenario = scenario
        self.settings = settings or {}
        self.environment: dict[str, str] = {}  # of the daemon, besides what it needs
        self._stack = AsyncExitStack()
        self._processes: dict[str, Process] = {}
        directory.mkdir(parents=True, exist_ok=True)
        self._write("microphone.pcm", microphone)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> Listener:
        """Start everything; return a client that listens since before mmid was there."""
        await self.start_cloud()
        await self.start_bus()
        listener = await self.listener()
        mmid = await self.start_mmid()
        await self._ready(listener, mmid)
        return listener

    async def start_cloud(self) -> None:
        """Start simcloud."""
        (self.directory / "scenario.toml").write_text(self.scenario)
        cloud = self._process(
            "simcloud",
            python(
                "mmid.simcloud.main",
                *("--cert-dir", self.directory / "cloud"),
                *("--record-dir", self.directory / "heard"),
                *("--scenario", self.directory / "scenario.toml"),
            ),
        )
        await cloud.start()
        self.cloud = json.loads(await cloud.first_line())

    async def start_bus(self) -> None:
        """Start a private message bus."""
        config = self._write("bus.conf", _BUS.format(socket=self._socket).encode())
        command = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address"]
        bus = self._process("bus", command)
        await bus.start()
        await bus.first_line()

    async def start_mmid(self) -> Process:
        """Start the daemon; it may not be ready yet."""
        self._write("mmid.toml", to_toml(self._tables()).encode())
        asound = self.asound.format(
            microphone=self.directory / "microphone.pcm", loudspeaker=self.loudspeaker
        )
        runtime = self.directory / "run"
        runtime.mkdir(exist_ok=True)
        environment = {
            "ALSA_CONFIG_PATH": str(self._write("asound.conf", asound.encode())),
            "RUNTIME_DIRECTORY": str(runtime),
            **self.environment,
        }
        arguments = ("run", "--config", self.directory / "mmid.toml")
        command = python("mmid.cli.mmid", *arguments, interpreter=self.interpreter)
        mmid = self._process("mmid", command, environment)
        await mmid.start()
        return mmid

    async def stop(self, part: str, signum: signal.Signals = signal.SIGTERM) -> int:
        """Stop one part (``mmid``, ``simcloud`` or ``bus``); return its exit status."""
        return await self._processes.pop(part).stop(signum)

    async def close(self) -> None:
        """Stop what runs, the daemon first; one that does not end leaves no other behind."""
        async with AsyncExitStack() as stack:
            for part in self._processes:
                stack.push_async_callback(self.stop, part)
            await self._stack.aclose()

    async def listener(self) -> Listener:
        """Connect one more client to the bus; it hears all signals from now on."""
        client = await EarlyClient.connect(self.bus)
        self._stack.push_async_callback(client.close)
        listener = Listener(client)
        await listener.start()
        self._stack.push_async_callback(listener.stop)
        return listener

    @property
    def bus(self) -> str:
        """The address of the private bus."""
        return f"unix:path={self._socket}"

    @property
    def loudspeaker(self) -> Path:
        """The WAV file that the loudspeaker is."""
        return self.directory / "loudspeaker.wav"

    def played(self) -> bytes:
        """Return the samples that were played last; the device must be closed."""
        with wave.open(str(self.loudspeaker), "rb") as reader:
            return reader.readframes(reader.getnframes())

    def journal(self, kind: str = "") -> list[dict[str, Any]]:
        """Return what simcloud noted, all of it or of one kind."""
        path = self.directory / "heard" / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        entries = [json.loads(line) for line in lines]
        return [entry for entry in entries if not kind or entry["kind"] == kind]

    def activations(self) -> list[dict[str, Any]]:
        """Return what simcloud's licence of ``baidu-rtc`` has been charged with, ever."""
        path = self.directory / "cloud" / "baidu-activations.json"
        told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return list(told.get("activations", []))

    def log(self, part: str = "mmid") -> str:
        """Return what a part wrote to its log."""
        path = self.directory / f"{part}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def until_logged(self, text: str, part: str = "mmid") -> None:
        """Wait until a part has written something to its log."""
        try:
            async with asyncio.timeout(WAIT_S):
                while text not in self.log(part):  # noqa: ASYNC110 - a file tells nobody
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"waited in vain for {text!r} in {self.log(part)}") from None

    def process(self, part: str) -> Process:
        """Return a running part."""
        return self._processes[part]

    async def _ready(self, listener: Listener, mmid: Process) -> None:
        """Wait until the daemon is on the bus; say why if it ended instead."""
        ended = asyncio.create_task(mmid.wait())
        ready = asyncio.create_task(listener.wait_for(".State", timeout_s=EMULATED_START_S))
        await asyncio.wait({ended, ready}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not ready.done():
                raise AssertionError(f"mmid ended with {ended.result()}: {self.log()}")
            await ready
        finally:
            ended.cancel()
            ready.cancel()
            await asyncio.gather(ended, ready, return_exceptions=True)

    @property
    def _socket(self) -> Path:
        return self.directory / "bus.socket"

    def _tables(self) -> Tables:
        tables: Tables = {
            **self._cloud_tables(),
            "storage": {"target": f"file:{self.directory / 'device.bin'}"},
            "clock": {"require_sync": False},
            "audio": {"capture_device": "microphone", "playback_device": "loudspeaker"},
            "dbus": {"bus": self.bus},
        }
        for name, table in self.settings.items():
            tables[name] = {**tables.get(name, {}), **table}
        return tables

    def _cloud_tables(self) -> Tables:
        return cloud_tables(self.protocol, self.cloud)

    def _process(
        self, part: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> Process:
        process = Process(command, self.directory / f"{part}.log", environment)
        self._processes[part] = process
        return process

    def _write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path


def _multimodal_dialog(line: Mapping[str, str]) -> Tables:
    return {
        "cloud": {name: line[name] for name in ("ws_url", "license_url", "ca_file")},
        "license": {
            **{name: line[name] for name in ("app_id", "app_secret", "api_key")},
            "device_name": "board-0001",
        },
    }


def _qwen_realtime(line: Mapping[str, str]) -> Tables:
    return {
        "cloud": {
            "protocol": "qwen-realtime",
            "ws_url": line["qwen_ws_url"],
            "ca_file": line["ca_file"],
        },
        "license": {"api_key": line["api_key"], "device_name": "board-0001"},
    }


def _baidu_rtc(line: Mapping[str, str]) -> Tables:
    return {
        "cloud": {
            "protocol": "baidu-rtc",
            "ws_url": line["baidu_ws_url"],
            "ca_file": line["ca_file"],
        },
        "license": {"device_name": "board-0001"},
        "baidu": {
            "instance_url": line["baidu_instance_url"],
            "app_id": line["baidu_app_id"],
            "license_key": line["baidu_license_key"],
        },
    }


# Protocol -> the settings that a board needs for it, from what simcloud printed.
_CLOUDS = {
    "multimodal-dialog": _multimodal_dialog,
    "qwen-realtime": _qwen_realtime,
    "baidu-rtc": _baidu_rtc,
}
PROTOCOLS = tuple(_CLOUDS)

# Protocol -> the rate of its replies, if no setting says another one.
REPLY_HZ = {"multimodal-dialog": 24_000, "qwen-realtime": 24_000, "baidu-rtc": 16_000}


def cloud_tables(protocol: str, line: Mapping[str, str]) -> Tables:
    """Return the settings that a board needs for a cloud, from what simcloud printed."""
    return _CLOUDS[protocol](line)


def to_toml(tables: Tables) -> str:
    """Write tables of texts, numbers and truths: JSON's forms of them are TOML's too."""
    lines = []
    for name, table in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"

"""A board on a desk: what a page tells to do to one is done here, without one.

The sound card is ``room_pcm.c``, the bus a private one, the cloud simcloud; tools
and daemon are the real ones, with the page's own settings. ``systemctl start mmid``
and ``stop`` are done by hand, for there is no systemd.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.dbus.private_bus import PrivateBus
from tests.rig.alsa_plugin import compile_plugin
from tests.rig.listener import EarlyClient, Listener
from tests.rig.processes import REPOSITORY, Process, python

APP_ID = "mm_0123456789abcdef"
APP_SECRET = "0123456789abcdef" * 2

_COMMAND_S = 50.0

# A card of the name "board": what it plays it hears.
_ASOUND = """\
pcm_type.room {{ lib "{plugin}" }}
pcm.plughw {{
  @args [ CARD ]
  @args.CARD {{ type string }}
  type room  delay_ms 20  gain 50  noise 20
}}
"""

_SCENARIO = """\
thinking_ms = 1
pace = 0
[[turn]]
reply = "It is noon."
reply_s = 0.2
"""

# These read the settings; the other commands of mmictl only know the bus.
_WITH_CONFIG = 'case $1 in doctor | support-bundle) set -- "$@" --config {config} ;; esac'


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command."""

    command: str
    status: int
    output: str
    complaint: str


class Desk:
    """A directory in which commands are run as on a board.

    Args:
        directory: an empty one.
        settings: what the page has as the product's settings.
    """

    def __init__(self, directory: Path, settings: str) -> None:
        self.directory = directory
        self._processes: dict[str, Process] = {}
        self._make_programs()
        self._write("board.toml", settings)
        self._write("app_secret", APP_SECRET)
        plugin = compile_plugin("room_pcm.c", self.directory)
        self._write("asound.conf", _ASOUND.format(plugin=plugin))

    async def __aenter__(self) -> Self:
        self._bus = PrivateBus(self.directory)
        self._environment = {
            "PATH": f"{self.directory}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "ALSA_CONFIG_PATH": str(self.directory / "asound.conf"),
            "DBUS_SYSTEM_BUS_ADDRESS": self._bus.address,
            "MMID_DBUS__BUS": self._bus.address,
            "RUNTIME_DIRECTORY": str(self.directory),
            # What the page's settings name and no desk has.
            "MMID_STORAGE__TARGET": f"file:{self.directory}/device.bin",
            "MMID_AUDIO__MIXER_CONTROL": "",
            "MMID_CLOCK__REQUIRE_SYNC": "false",
        }
        try:
            self._environment |= await self._start_cloud()
        except BaseException:
            await self._switch_off()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._switch_off()

    async def _switch_off(self) -> None:
        for process in reversed(self._processes.values()):
            await process.stop()
        self._bus.stop()

    async def _start_cloud(self) -> dict[str, str]:
        """Start the cloud of the product; return what a board has to know of it."""
        product = {
            "app_id": APP_ID,
            "app_secret": APP_SECRET,
            "api_key": "sk-desk",
            "workspace_id": "llm-desk",
        }
        self._write("cloud/product.json", json.dumps(product))
        scenario = self._write("scenario.toml", _SCENARIO)
        options = ("--cert-dir", self.directory / "cloud", "--scenario", scenario)
        cloud = self._process("cloud", python("mmid.simcloud.main", *options))
        await cloud.start()
        told = json.loads(await cloud.first_line())
        return {
            "MMID_CLOUD__WS_URL": told["ws_url"],
            "MMID_CLOUD__LICENSE_URL": told["license_url"],
            "MMID_CLOUD__CA_FILE": told["ca_file"],
            "MMID_LICENSE__API_KEY": told["api_key"],
        }

    async def run(self, command: str) -> Done:
        """Run a command of a shell to its end."""
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **self._environment},
            cwd=self.directory,
        )
        async with asyncio.timeout(_COMMAND_S):
            output, complaint = await process.communicate()
        assert process.returncode is not None
        return Done(command, process.returncode, output.decode(), complaint.decode())

    async def start_mmid(self) -> None:
        """Do what ``systemctl start mmid`` does, and wait until one can talk."""
        async with await EarlyClient.connect(self._bus.address) as client:
            listener = Listener(client)
            await listener.start()
            config = self.directory / "board.toml"
            mmid = self._process("mmid", python("mmid.cli.mmid", "run", "--config", config))
            await mmid.start()
            await listener.wait_for("SpeechReady")
            await listener.stop()

    async def stop_mmid(self) -> None:
        """Do what ``systemctl stop mmid`` does."""
        if mmid := self._processes.pop("mmid", None):
            assert await mmid.stop() == 0

    def _process(self, name: str, command: list[str]) -> Process:
        self._processes[name] = Process(command, self.directory / f"{name}.log", self._environment)
        return self._processes[name]

    def _make_programs(self) -> None:
        """Put mmid and mmictl into the path, with the page's settings as theirs."""
        config = self.directory / "board.toml"
        given = {
            "mmid": f'set -- "$@" --config {config}',
            "mmictl": _WITH_CONFIG.format(config=config),
        }
        for name, arguments in given.items():
            script = f'#!/bin/sh\n{arguments}\nexec {sys.executable} -m mmid.cli.{name} "$@"\n'
            self._write(f"bin/{name}", script).chmod(0o755)

    def _write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

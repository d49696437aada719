"""ALSA without a sound card: the real alsa-lib, with PCMs of our own definition."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmid.hal_linux.storage.system_calls import SystemCalls
from tests.rig import alsa_plugin
from tests.rig.virtual_time import VirtualTime

Define = Callable[[str], None]
Compile = Callable[[str], Path]


@pytest.fixture(scope="session")
def compile_plugin(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a plug-in for alsa-lib that lies here in C, once, and return its path."""
    folder = tmp_path_factory.mktemp("alsa")
    return cache(lambda source: alsa_plugin.compile_plugin(source, folder))


@pytest.fixture
def define(compile_plugin: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Define:
    """Make the PCMs of an alsa-lib configuration the only ones of this test.

    ``null`` and the type ``paced`` are always there.
    """
    configuration = tmp_path / "asound.conf"
    paced = compile_plugin("paced_pcm.c")
    base = f'pcm.null {{ type null }}\npcm_type.paced {{ lib "{paced}" }}\n'

    def write(text: str) -> None:
        # Another file: by a second of its time alsa-lib would not see that it was written again.
        fresh = configuration.with_suffix(".new")
        fresh.write_text(base + text)
        fresh.replace(configuration)

    write("")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(configuration))
    return write


@pytest.fixture
async def virtual_time(compile_plugin: Compile, monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    """Let waiting take no time, for the test and for its cards."""
    cards = map(compile_plugin, ("paced_pcm.c", "room_pcm.c"))
    clock = VirtualTime(cards, monkeypatch)
    clock.govern(asyncio.get_running_loop())
    return clock


@pytest.fixture
def block_device(tmp_path: Path) -> Iterator[tuple[str, SystemCalls]]:
    """A block device of 256 KiB and the calls to use it with: a loop device, or a file.

    Where the machine lets nobody make loop devices, a file stands in, and only
    the questions that a file cannot answer are answered for it.
    """
    image = tmp_path / "device.img"
    image.write_bytes(bytes(256 * 1024))
    losetup = shutil.which("losetup", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "false"
    made = subprocess.run(
        [losetup, "--find", "--show", image], capture_output=True, text=True, check=False
    )
    if made.returncode:
        yield str(image), FileAsDevice()
        return
    device = made.stdout.strip()
    yield device, SystemCalls()
    subprocess.run([losetup, "--detach", device], check=True)


class FileAsDevice(SystemCalls):
    """The kernel, for which files are block devices with sectors of 512 bytes."""

    def fstat(self, descriptor: int) -> Any:  # noqa: ARG002
        return SimpleNamespace(st_mode=stat.S_IFBLK | 0o600, st_rdev=0)

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> tuple[int, bytes]:  # noqa: ARG002
        return 0, (512).to_bytes(4, sys.byteorder)

import asyncio
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from mmid.cli.doctor.machine import Installation
from mmid.cli.doctor.support_bundle import write_bundle
from mmid.dbus.front import Front
from mmid.errors import InvalidArgument
from mmid.hal_linux.storage import open_store
from mmid.secrets import Secret
from mmid.session.license.record import DeviceRecord
from mmid.status import Status
from tests.dbus.private_bus import NotingApplication, PrivateBus
from tests.rig.script import run_script

SECRETS = {
    "app_secret": "a0b1c2d3e4f5a6b7c8d9e0f1a2b3c4d5",
    "api_key": "key-of-this-board-4711",
    "device_secret": "5d4c3b2a1f0e9d8c7b6a5f4e3d2c1b0a",
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings and record of a board, full of secrets."""
    target = f"file:{tmp_path}/device.bin"
    record = DeviceRecord(
        app_id="mm_0123456789abcdef",
        app_secret=Secret(SECRETS["app_secret"]),
        device_name="lamp-1",
        nonce="0123456789abcdef0123456789",
        device_secret=Secret(SECRETS["device_secret"]),
    )
    open_store(target).save(record.encode())
    path = tmp_path / "mmid.toml"
    path.write_text(
        f'[storage]\ntarget = "{target}"\n'
        f'[license]\napp_secret = "{SECRETS["app_secret"]}"\napi_key = "{SECRETS["api_key"]}"\n'
        '[cloud]\nws_url = "wss://nowhere.invalid/ws"\nlicense_url = "https://nowhere.invalid"\n'
        '[audio]\ncapture_device = "null"\nplayback_device = "null"\n'
    )
    return path


# As mmictl, some of which was changed; it forks, which a process with threads had better not.
BUNDLE = """
import sys
from mmid.cli.doctor import support_bundle
from mmid.cli.mmictl.__main__ import main
{changed}
sys.exit(main({arguments!r}))
"""


def bundle(
    tmp_path: Path, config: Path, bus: str = "unix:path=/none", changed: str = ""
) -> dict[str, str]:
    path = tmp_path / "support.tar.gz"
    arguments = ["--bus", bus, "--json", "support-bundle", "--config", str(config), str(path)]
    script = BUNDLE.format(changed=changed, arguments=arguments)
    names = json.loads(run_script(script).stdout)["contents"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with tarfile.open(path) as archive:
        texts = {
            member.name.removeprefix("mmid-support/"): read(archive, member)
            for member in archive.getmembers()
        }
    assert list(texts) == names
    return texts


def read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    assert file is not None
    return file.read().decode()


def test_it_holds_what_a_helper_needs(tmp_path: Path, config: Path) -> None:
    texts = bundle(tmp_path, config)
    findings = [json.loads(line) for line in texts["doctor.jsonl"].splitlines()]
    assert findings[0]["check"] == "settings"
    assert json.loads(texts["settings.json"])["license"]["app_secret"] is True
    assert json.loads(texts["storage.json"])[0]["state"] == "valid"
    assert "problem" in json.loads(texts["status.json"])  # the bus is not there
    assert "journal.txt" in texts
    assert "MemTotal" in texts["system/meminfo"]


def test_the_settings_file_may_have_a_name_that_is_no_text(tmp_path: Path, config: Path) -> None:
    config = config.rename(tmp_path / os.fsdecode(b"caf\xe9.toml"))
    finding = json.loads(bundle(tmp_path, config)["doctor.jsonl"].splitlines()[0])
    assert finding["text"] == f"{config} is valid"


def test_no_secret_is_in_it_whatever_printed_it(
    tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the journal's own text has one: an elder version may have let it slip."""
    careless = tmp_path / "bin" / "journalctl"
    careless.parent.mkdir()
    careless.write_text(f"#!/bin/sh\necho said in error: {' '.join(SECRETS.values())}\n")
    careless.chmod(0o755)
    monkeypatch.setenv("PATH", f"{careless.parent}:{os.environ['PATH']}")
    texts = bundle(tmp_path, config)
    assert "said in error: *** *** ***" in texts["journal.txt"]
    for name, text in texts.items():
        for secret in SECRETS.values():
            assert secret not in text, name


def test_a_text_that_is_cut_does_not_begin_with_the_rest_of_a_secret(
    tmp_path: Path, config: Path
) -> None:
    commands = {"one.txt": f"echo {SECRETS['api_key']}"}
    changed = f"support_bundle._COMMANDS, support_bundle._LONGEST_TEXT = {commands}, 8"
    assert bundle(tmp_path, config, changed=changed)["one.txt"] == "***\n"


def test_no_secret_is_in_it_that_somebody_wrote_into_the_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody should, and then nobody who reads the settings knows it."""
    careless = tmp_path / "bin" / "systemctl"
    careless.parent.mkdir()
    unit = (
        f"Environment=MMID_LICENSE__APP_SECRET={SECRETS['app_secret']}\n"
        f"SetCredential=api_key:{SECRETS['api_key']}\n"
        "Environment=https_proxy=http://lamp:swordfish@proxy.example:3128\n"
        'Environment="MMID_CLOUD__WS_URL=wss://h/p?licKey=swordfish"\n'
    )
    careless.write_text(f"#!/bin/sh\ncat << EOF\n{unit}EOF\n")
    careless.chmod(0o755)
    monkeypatch.setenv("PATH", f"{careless.parent}:{os.environ['PATH']}")
    texts = bundle(tmp_path, tmp_path / "no.toml")
    masked = (
        "Environment=MMID_LICENSE__APP_SECRET=***\nSetCredential=api_key:***\n"
        "Environment=https_proxy=http://***@proxy.example:3128\n"
        'Environment="MMID_CLOUD__WS_URL=wss://h/p?***"\n'
    )
    assert texts["unit.txt"] == texts["unit-state.txt"] == masked


def test_a_bundle_that_was_given_up_leaves_no_file(tmp_path: Path, config: Path) -> None:
    changed = """
def give_up(_):
    raise KeyboardInterrupt
support_bundle._daemon_says = give_up
"""
    with pytest.raises(subprocess.CalledProcessError) as given_up:
        bundle(tmp_path, config, changed=changed)
    assert given_up.value.returncode == 130
    assert not (tmp_path / "support.tar.gz").exists()


def test_what_the_kernel_ends_for_want_of_memory_leaves_a_whole_bundle_that_says_so(
    tmp_path: Path, config: Path
) -> None:
    changed = """
import os, signal
from mmid.cli.doctor import daemon, network
from mmid.settings import proven
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
network.check_trust = daemon.whole_story = proven.main = die
"""
    texts = bundle(tmp_path, config, changed=changed)
    for name in ("settings.json", "status.json"):
        assert "no memory left" in json.loads(texts[name])["problem"]
    assert "no memory left" in texts["doctor.jsonl"]
    assert "MemTotal" in texts["system/meminfo"]


def test_settings_that_cannot_be_read_are_part_of_the_story(tmp_path: Path) -> None:
    texts = bundle(tmp_path, tmp_path / "no.toml")
    assert "no.toml" in json.loads(texts["settings.json"])["problem"]


async def test_what_the_daemon_knows_is_in_it(tmp_path: Path, config: Path) -> None:
    bus = PrivateBus(tmp_path)
    status = Status(device_name="lamp-1")
    front = await Front.open(bus.address, status, NotingApplication(status))
    try:
        texts = await asyncio.to_thread(bundle, tmp_path, config, bus.address)
    finally:
        await front.close()
        bus.stop()
    told = json.loads(texts["status.json"])
    assert told["org.mmid1.Device"]["DeviceName"] == "lamp-1"
    assert told["org.mmid1.Tools"] == {"Names": []}
    assert json.loads(texts["timeline.json"])[0][0]["heard"] == 1250.5
    assert isinstance(json.loads(texts["history.json"])[0], list)


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path, config: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("mine")
    with pytest.raises(InvalidArgument, match=r"mine\.txt cannot be made: File exists"):
        write_bundle(path, config, "system", Installation(tmp_path))
    assert path.read_text() == "mine"

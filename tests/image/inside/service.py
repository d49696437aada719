"""mmid on the board: its settings, its record, its signals, and other ways to run it."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from mmid.dbus.client import Client
from tests.image.inside.shell import run
from tests.image.inside.unit import UNIT
from tests.rig.listener import Listener

DEVICE_NAME = "image-0001"

_SITE = Path("/etc/mmid/mmid.toml.d/site.toml")
_CREDENTIALS = Path("/etc/credstore")
# Not on the disk: that may be full.
_DROP_IN = Path("/run/systemd/system/mmid.service.d/image-test.conf")

_SETTINGS = """\
[cloud]
ws_url = "{ws_url}"
license_url = "{license_url}"
ca_file = "{ca_file}"

[license]
app_id = "{app_id}"
device_name = "{device_name}"

[audio]
capture_device = "hw:Loopback,1,0"
playback_device = "hw:Loopback,0,1"
"""


_QWEN_REALTIME = """\
[cloud]
protocol = "qwen-realtime"
ws_url = "{qwen_ws_url}"
ca_file = "{ca_file}"

[license]
device_name = "{device_name}"

[audio]
capture_device = "hw:Loopback,1,0"
playback_device = "hw:Loopback,0,1"
"""


_BAIDU_RTC = """\
[cloud]
protocol = "baidu-rtc"
ws_url = "{baidu_ws_url}"
ca_file = "{ca_file}"

[license]
device_name = "{device_name}"

[baidu]
instance_url = "{baidu_instance_url}"
app_id = "{baidu_app_id}"

[audio]
capture_device = "hw:Loopback,1,0"
playback_device = "hw:Loopback,0,1"
"""


def configure(cloud: dict[str, str], device_name: str = DEVICE_NAME) -> None:
    """Tell mmid about the cloud as README.md says: settings, and secrets as credentials."""
    _SITE.write_text(_SETTINGS.format(device_name=device_name, **cloud))
    run("chown", "root:mmid", str(_SITE))
    _SITE.chmod(0o640)
    _CREDENTIALS.mkdir(mode=0o700, exist_ok=True)
    for name in ("app_secret", "api_key"):
        _give(name, cloud[name])


@contextmanager
def with_qwen_realtime(cloud: dict[str, str]) -> Iterator[None]:
    """Talk with the second cloud, which wants the API key and no other secret; then as before."""
    _SITE.write_text(_QWEN_REALTIME.format(device_name=DEVICE_NAME, **cloud))
    (_CREDENTIALS / "mmid.app_secret").unlink()
    try:
        run("systemctl", "restart", UNIT)
        yield
    finally:
        configure(cloud)
        run("systemctl", "restart", UNIT)


@contextmanager
def with_baidu_rtc(cloud: dict[str, str]) -> Iterator[None]:
    """Talk with the third cloud, whose licence is its own; then as before."""
    _SITE.write_text(_BAIDU_RTC.format(device_name=DEVICE_NAME, **cloud))
    for name in ("app_secret", "api_key"):
        (_CREDENTIALS / f"mmid.{name}").unlink()
    key = _give("baidu_license_key", cloud["baidu_license_key"])
    try:
        run("systemctl", "restart", UNIT)
        yield
    finally:
        key.unlink()
        configure(cloud)
        run("systemctl", "restart", UNIT)


def _give(name: str, secret: str) -> Path:
    """Give the service a credential; return its file."""
    path = _CREDENTIALS / f"mmid.{name}"
    path.write_text(secret)
    path.chmod(0o600)
    return path


def record(target: str = "") -> dict[str, Any]:
    """Return what ``mmid storage show`` says of the device record."""
    more = {"MMID_STORAGE__TARGET": target} if target else {}
    told: dict[str, Any] = json.loads(run("mmid", "storage", "show", "--json", more=more))
    return told


@contextmanager
def drop_in(text: str) -> Iterator[None]:
    """Change the unit, and start it anew; in the end it is as it was, and stopped."""
    _DROP_IN.parent.mkdir(parents=True, exist_ok=True)
    _DROP_IN.write_text(text)
    try:
        run("systemctl", "daemon-reload")
        run("systemctl", "restart", UNIT)
        yield
    finally:
        _DROP_IN.unlink()
        _DROP_IN.parent.rmdir()
        run("systemctl", "stop", UNIT)
        run("systemctl", "daemon-reload")


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    """Hear mmid's signals on the system bus, from its present start on; start it if need be."""
    run("systemctl", "start", UNIT)
    async with await Client.connect("system") as client:
        listener = Listener(client)
        await listener.start()
        try:
            yield listener
        finally:
            await listener.stop()

"""The other end of the wire: the package mmid-simcloud, as a service of the board."""

import json
from pathlib import Path
from typing import Any

from demo.speech import write_wav
from tests.image.inside.shell import run, until
from tests.vm.inside.loopback import LOUDSPEAKER_HZ, noise

CLOUD = "simcloud.service"

_UNIT = Path("/etc/systemd/system") / CLOUD
_SCRIPT = Path("/etc/simcloud")
_LINE = Path("/run/simcloud.json")
# In memory: a full disk is mmid's trouble here, not the cloud's.
_HEARD = Path("/run/simcloud/heard")

# Its ports are the same after each start, so what the board was told stays true.
_SERVICE = f"""\
[Unit]
Description=Simulated cloud

[Service]
Type=exec
User=simcloud
StateDirectory=simcloud
StateDirectoryMode=0755
RuntimeDirectory=simcloud
ExecStart=/usr/bin/mmid-simcloud --port 8443 --license-port 8444 \\
    --cert-dir /var/lib/simcloud --record-dir {_HEARD} --scenario {_SCRIPT}/script.toml
StandardOutput=truncate:{_LINE}
StandardError=journal

[Install]
WantedBy=multi-user.target
"""

_SCENARIO = """\
[[turn]]
transcript = "noise"
reply = "noise"
reply_wav = "reply.wav"
"""


def add_cloud() -> dict[str, str]:
    """Make the service, start it now and at each start of the board; return its facts."""
    run("useradd", "--system", "simcloud")
    _SCRIPT.mkdir()
    (_SCRIPT / "script.toml").write_text(_SCENARIO)
    write_reply(LOUDSPEAKER_HZ)
    _UNIT.write_text(_SERVICE)
    run("systemctl", "enable", "--now", CLOUD)
    until("simcloud listens", lambda: _LINE.exists() and _LINE.read_text().endswith("\n"))
    return facts()


def write_reply(rate_hz: int) -> None:
    """Let the cloud answer with a second and a half of noise at a rate, from now on."""
    write_wav(_SCRIPT / "reply.wav", noise(rate_hz * 3 // 2), rate_hz)


def facts() -> dict[str, str]:
    """Return what it prints for devices."""
    told: dict[str, str] = json.loads(_LINE.read_text())
    return told


def journal(kind: str) -> list[dict[str, Any]]:
    """Return what it noted of a kind since it was started last."""
    path = _HEARD / "journal.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def recording(stem: str) -> bytes:
    """Return the newest ``speech`` or ``reply``, as it crossed the wire."""
    return max(_HEARD.glob(f"{stem}-*.pcm")).read_bytes()

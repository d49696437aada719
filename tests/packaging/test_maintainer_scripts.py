"""What the package's own scripts do, without installing it; tests/image does install it."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# A source package has debian/ at its top.
DEBIAN = ROOT / "debian" if (ROOT / "debian").exists() else ROOT / "packaging" / "debian"


@pytest.mark.parametrize("registered", [False, True])
def test_a_purge_leaves_the_device_record_and_nothing_else(
    tmp_path: Path, registered: bool
) -> None:
    """Also what a full file system, or a power cut, kept from being finished goes."""
    records = tmp_path / "records"
    records.mkdir()
    left = ["device.bin", "device.bin.copy"] if registered else []
    for name in ("device.bin.lock", "settings.proven", "settings.proven.new", *left):
        (records / name).touch()
    script = (DEBIAN / "mmid.postrm").read_text().replace("/var/lib/mmid", str(records))
    script = script.replace("/run/mmid", str(tmp_path / "run"))
    done = subprocess.run(
        ["/bin/sh", "-c", script, "postrm", "purge"],
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert records.exists() == registered
    assert ("it holds the registration" in done.stdout) == registered
    assert not registered or sorted(path.name for path in records.iterdir()) == left

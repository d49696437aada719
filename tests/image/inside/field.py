"""The tools of the factory line, and of who helps from afar."""

import json
import tarfile
from pathlib import Path

from tests.image.inside.cloud import facts
from tests.image.inside.service import listening
from tests.image.inside.shell import run
from tests.image.inside.unit import UNIT

_IN_BUNDLE = {"about.json", "doctor.jsonl", "journal.txt", "settings.json", "status.json"}


async def hal_test_passes(place: Path) -> str:
    """The vendor's acceptance test, and recorder, player and codecs; as the daemon's user."""
    run("systemctl", "stop", UNIT)
    told = json.loads(run("mmid", "hal-test", "--audio", "--json", user="mmid"))
    assert told["passed"], told
    by_root = json.loads(run("mmid", "hal-test", "--audio", "--json"))
    assert by_root["passed"], by_root
    log = run("mmid", "hal-test", user="mmid").splitlines()
    assert "Hal Test End" in log[-1], log
    run("systemctl", "start", UNIT)
    async with listening() as listener:
        await listener.wait_for(".State", "listening")
    return ", ".join(check["check"] for check in told["checks"])


async def the_doctor_finds_nothing(place: Path) -> str:
    """``mmictl doctor``: every line is ok; there is no mixer to look at."""
    findings = [json.loads(line) for line in run("mmictl", "--json", "doctor").splitlines()]
    verdicts = {one["check"]: one["verdict"] for one in findings}
    assert verdicts.pop("mixer") == "skipped"
    assert set(verdicts.values()) == {"ok"}, findings
    return f"{len(verdicts)} checks are ok"


async def a_setting_that_names_a_command_does_not_run_it_as_root(place: Path) -> str:
    """ALSA's ``tee:`` is a shell; the doctor opens it with the daemon's rights, and its groups."""
    told = Path("/tmp/image-test-who")  # where both may write
    device = {"MMID_AUDIO__PLAYBACK_DEVICE": f"tee:null,'|id -nG >{told}; cat >/dev/null',raw"}
    run("mmictl", "--json", "doctor", more=device)
    groups = set(told.read_text().split())
    assert groups == {"mmid", "audio"}, groups
    assert told.owner() == "mmid", told.owner()
    told.unlink()
    return "it ran as mmid, of the group audio"


async def the_support_bundle_has_no_secrets(place: Path) -> str:
    """``mmictl support-bundle``: all is there, only root can read it, and secrets are masked."""
    bundle = place / "bundle.tar.gz"
    run("mmictl", "support-bundle", str(bundle))
    assert bundle.stat().st_mode & 0o777 == 0o600
    with tarfile.open(bundle) as archive:
        files = {one: archive.extractfile(one) for one in archive.getmembers()}
        texts = {Path(one.name).name: file.read().decode() for one, file in files.items() if file}
    assert set(texts) >= _IN_BUNDLE, sorted(texts)
    secrets = [facts()[name] for name in ("app_secret", "api_key")]
    leaks = [name for name, text in texts.items() if any(secret in text for secret in secrets)]
    assert not leaks, leaks
    journal = run("journalctl", "--boot", "--no-pager")
    assert not any(secret in journal for secret in secrets), "a secret is in the journal"
    return f"{len(texts)} files, {bundle.stat().st_size} bytes"

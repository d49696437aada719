from pathlib import Path

import pytest

from mmid.cli.doctor import examination
from mmid.cli.doctor.examination import examine
from mmid.cli.doctor.finding import Finding, Verdict
from mmid.cli.doctor.machine import Installation
from mmid.settings import Settings

IN_ORDER = [
    *(
        "settings",
        "files",
        "record",
        "clock",
        "trust",
        "names",
        "tls",
        "capture",
        "playback",
        "codecs",
    ),
    *("mixer", "access", "unit", "daemon", "license", "dialog", "workspace"),
]


async def findings(tmp_path: Path, settings: str) -> dict[str, Finding]:
    config = tmp_path / "mmid.toml"
    config.write_text(settings)
    bus = f"unix:path={tmp_path}/no-bus"
    return {one.check: one async for one in examine(config, bus, Installation(tmp_path))}


async def test_settings_that_cannot_be_read_spare_what_stands_on_them(tmp_path: Path) -> None:
    found = await findings(tmp_path, "[audio]\nperiod_ms = 9\n")
    assert list(found) == IN_ORDER
    assert found["settings"].verdict is Verdict.FAILURE
    assert "audio.period_ms = 9" in found["settings"].text
    assert {found[check].verdict for check in IN_ORDER[1:11]} == {Verdict.SKIPPED}


async def test_a_check_that_stumbles_is_a_finding_and_not_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_: Settings) -> Finding:
        raise ZeroDivisionError("of the doctor's own")

    async def stumble_later(_: Settings) -> Finding:
        raise ZeroDivisionError("of the doctor's own")

    checks = examination._STANDING_ON_SETTINGS
    for check in checks:
        monkeypatch.setitem(checks, check, stumble_later if check == "names" else stumble)
    found = await findings(tmp_path, "")
    assert list(found) == IN_ORDER
    for check in checks:
        assert found[check].verdict is Verdict.FAILURE
        assert "the check itself failed: ZeroDivisionError" in found[check].text
    assert found["unit"].verdict is Verdict.SKIPPED

"""The prompts of the package are what the script writes, and what mmid plays."""

from pathlib import Path

from mmid.gateway.prompts import read_prompt
from tests.rig.processes import REPOSITORY
from tools import prompts

PACKAGED = REPOSITORY / "packaging" / "prompts"


def test_the_package_has_what_the_script_writes(tmp_path: Path) -> None:
    prompts.main(tmp_path)
    names = sorted(path.name for path in PACKAGED.iterdir())
    assert names == ["error.wav", "license.wav", "offline.wav", "ready.wav"]
    for name in names:
        rate_hz, samples = read_prompt(PACKAGED / name)
        assert (rate_hz, samples) == read_prompt(tmp_path / name)
        assert 0.3 < len(samples) / 2 / rate_hz < 1

"""docs/factory.md is true: its commands are run, its numbers are the code's."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmid.hal_linux.acceptance import acoustic
from tests.cli.command_line import ROOT, Tool
from tests.rig.alsa_plugin import compile_plugin

TEXT = (ROOT / "docs/factory.md").read_text()
COMMANDS = re.findall(r"^    (mmid .*)$", TEXT, re.MULTILINE)

ASOUND = """\
pcm_type.room {{ lib "{plugin}" }}
pcm.default {{ type room delay_ms 20 gain 50 noise 20 }}
pcm.left {{ type room }}
pcm.right {{ type room }}
"""


@pytest.fixture
def line(tmp_path: Path) -> Tool:
    """A factory line with one board on it."""
    plugin = compile_plugin("room_pcm.c", tmp_path)
    (tmp_path / "asound.conf").write_text(ASOUND.format(plugin=plugin))
    (tmp_path / "app_secret").write_text("0123456789abcdef" * 2)
    program = tmp_path / "mmid"
    tool = Tool(tmp_path)
    at_once = f"tests.rig.sound_at_once {plugin} {tmp_path}/sound_s"
    # The board's own settings are not asked: this machine may have some, too.
    mmid = f'"{sys.executable}" -m {at_once} "$@" --config {tool.config}'
    program.write_text(f"#!/bin/sh\nexec {mmid}\n")
    program.chmod(0o755)
    tool.environment |= {
        "ALSA_CONFIG_PATH": str(tmp_path / "asound.conf"),
        "PATH": f"{tmp_path}:{tool.environment['PATH']}",
    }
    return tool


def test_every_command_succeeds_one_after_the_other(line: Tool, tmp_path: Path) -> None:
    done = []
    for command in COMMANDS:
        result = subprocess.run(
            ["/bin/sh", "-c", command],
            env=line.environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (result.returncode, result.stderr) == (0, ""), result
        done.append(f"{command}\n{result.stdout}")
    assert len(done) == 11
    (again,) = [text for text in done if '"result"' in text]
    assert '"already provisioned"' in again
    assert line.record is None


def test_the_limits_are_those_of_the_code() -> None:
    for limit in (
        f"from {acoustic.SWEEP_LOW_HZ:g} to {acoustic.SWEEP_HIGH_HZ:g} Hz",
        f"sweep of {acoustic.SWEEP_S:g} s",
        f"below {acoustic.SILENCE_DBFS:g} dBFS",
        f"above {acoustic.NOISE_HIGHEST_DBFS:g} dBFS",
        f"{acoustic.LEVEL_LOWEST_DBFS:g} to {acoustic.LEVEL_HIGHEST_DBFS:g} dBFS",
        f"less than {acoustic.ABOVE_NOISE_LEAST_DB:g} dB above",
        f"over {acoustic.CLIPPED_HIGHEST * 100:g} % clipped",
        f"0 to {acoustic.DELAY_LONGEST_S * 1000:g} ms",
    ):
        assert limit in TEXT

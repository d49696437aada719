import asyncio
import os
import sys
from pathlib import Path

import pytest

from mmid.cli.streams import internal_error

WAIT_S = 30.0


@pytest.mark.parametrize(
    ("command", "status", "closed"),
    [
        ("mmictl --bus unix:path=none status", 69, ["<&- >&- 2>&-", "2>/dev/full"]),
        ("mmictl --bus unix:path=none doctor --config none", 1, [">&-"]),
        ("mmictl dance", 64, ["2>/dev/full"]),
        ("mmid check --config none", 2, ["<&- >&- 2>&-", "2>/dev/full"]),
        ("mmid dance", 2, ["2>/dev/full"]),
    ],
    ids=["mmictl", "doctor", "usage of mmictl", "mmid", "usage of mmid"],
)
async def test_streams_that_are_closed_or_full_do_not_change_how_a_command_ends(
    tmp_path: Path, command: str, status: int, closed: list[str]
) -> None:
    run = f'"{sys.executable}" -m mmid.cli.{command}'
    script = "\n".join(f"{run} {streams}; echo status $? >&3" for streams in closed)
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"exec 3>&1; {script}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    output, complaint = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert b"Traceback" not in output + complaint
    ends = [line for line in output.decode().splitlines() if line.startswith("status ")]
    assert ends == [f"status {status}"] * len(closed)


@pytest.mark.parametrize(
    "command",
    ["mmictl --bus unix:path=none doctor --config none", "mmid storage show --config mmid.toml"],
)
async def test_an_output_that_takes_nothing_is_told(tmp_path: Path, command: str) -> None:
    (tmp_path / "mmid.toml").touch()
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", f'exec "{sys.executable}" -m mmid.cli.{command} >/dev/full'),
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "MMID_STORAGE__TARGET": f"file:{tmp_path}/device.bin"},
    )
    _, complaint = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 74
    assert b"the output cannot be written" in complaint
    assert len(complaint.splitlines()) == 1


async def test_a_letter_that_the_output_does_not_know_ends_no_command(tmp_path: Path) -> None:
    (tmp_path / "mmid.toml").touch()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mmid.cli.mmid", "storage", "show", "--config", "mmid.toml"),
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        env={
            **os.environ,
            "MMID_STORAGE__TARGET": f"file:{tmp_path}/\u8bbe.bin",
            "PYTHONIOENCODING": "latin-1",
        },
    )
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    assert process.returncode == 0
    assert f"file:{tmp_path}/?.bin".encode() in output


def test_what_an_internal_error_quotes_is_not_printed_at_length() -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - it is made here
        float("api_key = 'swordfish-12'" + "x" * 100_000)
    told = internal_error(caught.value)
    assert told.startswith("internal error: ValueError(")
    assert "swordfish" not in told
    assert "characters) at " in told
    assert len(told) < 1000

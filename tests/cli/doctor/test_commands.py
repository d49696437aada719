from pathlib import Path

import pytest

from mmid.cli.doctor import commands
from mmid.cli.doctor.commands import output_of


async def test_both_streams_are_kept_and_any_bytes_are_text(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"#!/bin/sh\necho out; printf '\\377' >&2\n")
    program.chmod(0o755)
    assert await output_of(str(program)) == "out\n\N{REPLACEMENT CHARACTER}"


async def test_a_program_that_is_not_there_is_said_to_be_missing() -> None:
    assert await output_of("/no/such/program --x") == (
        "/no/such/program --x: No such file or directory\n"
    )


async def test_a_program_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_LONGEST_S", 0.05)
    assert await output_of("sleep 60") == "sleep 60: no answer within 0.05 s\n"

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "packaging" / "completions"

COMMANDS = {
    "mmictl": [
        *("status", "talk", "ask", "say", "interrupt", "cancel", "new-dialog", "monitor"),
        *(
            "timeline",
            "connect",
            "disconnect",
            "device",
            "doctor",
            "support-bundle",
            "tool",
            "volume",
            "mute",
        ),
    ],
    "mmid": [
        *("run", "check", "hal-test", "provision"),
        *("storage show", "storage seal", "storage erase"),
    ],
}


@cache
def help_of(tool: str, command: str = "") -> str:
    return subprocess.run(
        [sys.executable, "-m", f"mmid.cli.{tool}", *command.split(), "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout


def completed(tool: str, *words: str) -> set[str]:
    """What bash offers for the last word."""
    script = f'source {FOLDER / tool}; COMP_CWORD={len(words)}; _{tool}; echo "${{COMPREPLY[@]}}"'
    line = " ".join(f"'{word}'" for word in (tool, *words))
    return set(
        subprocess.run(
            ["bash", "-c", f"COMP_WORDS=({line}); {script}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.split()
    )


@pytest.mark.parametrize("tool", COMMANDS)
def test_every_command_is_offered_and_is_one(tool: str) -> None:
    offered = {word for word in completed(tool, "") if not word.startswith("-")}
    assert offered == {command.split()[0] for command in COMMANDS[tool]}
    listed = set(re.findall(r"^    ([a-z-]+)(?:\s|$)", help_of(tool), re.MULTILINE))
    assert offered == listed


@pytest.mark.parametrize(
    ("tool", "command"),
    [(tool, command) for tool, commands in COMMANDS.items() for command in commands],
)
def test_every_option_of_a_command_is_offered_and_is_one(tool: str, command: str) -> None:
    options = set(re.findall(r"^  (?:-h, )?(--[a-z-]+)", help_of(tool, command), re.MULTILINE))
    offered = completed(tool, *command.split(), "--")
    assert offered | {"--help"} == options


def test_what_a_word_may_be_is_offered() -> None:
    assert completed("mmictl", "mute", "o") == {"on", "off"}
    assert completed("mmictl", "device", "re") == {"register", "reset"}
    assert completed("mmid", "storage", "") == {"show", "seal", "erase"}
    assert completed("mmictl", "--bus", "s") == {"system", "session"}

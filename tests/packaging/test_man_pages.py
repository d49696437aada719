import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmid.errors import TABLE

ROOT = Path(__file__).parents[2]
COMMANDS = {
    "mmid.8": [
        "mmid.cli.mmid.__main__",
        "mmid.cli.mmid.__main__ run",
        "mmid.cli.mmid.__main__ check",
        "mmid.cli.mmid.__main__ hal-test",
        "mmid.cli.mmid.__main__ provision",
        "mmid.cli.mmid.__main__ storage show",
        "mmid.cli.mmid.__main__ storage erase",
    ],
    "mmictl.1": [
        "mmid.cli.mmictl.__main__",
        *(
            f"mmid.cli.mmictl.__main__ {name}"
            for name in ("status", "talk", "ask", "timeline", "device", "doctor", "support-bundle")
        ),
    ],
    "mmid-simcloud.1": ["mmid.simcloud.main"],
}


def page(name: str) -> str:
    return (ROOT / "docs" / "man" / f"{name}.rst").read_text()


def help_of(command: str) -> str:
    """What the command says of itself."""
    module, *arguments = command.split()
    script = f"import sys; from {module} import main; sys.argv[0] = 'it'; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("name", "command"),
    [(name, command) for name, commands in COMMANDS.items() for command in commands],
)
def test_a_page_has_every_option_of_its_command(name: str, command: str) -> None:
    text = page(name)
    options = set(re.findall(r"--[a-z][a-z-]+", help_of(command)))
    assert options
    assert {option for option in options if f"**{option}**" not in text} == set()


@pytest.mark.parametrize(
    ("name", "command"),
    [("mmid.8", "mmid.cli.mmid.__main__"), ("mmictl.1", "mmid.cli.mmictl.__main__")],
)
def test_a_page_has_every_command(name: str, command: str) -> None:
    commands = re.findall(r"^    ([a-z][a-z-]+)\b", help_of(command), re.MULTILINE)
    assert len(commands) >= 5
    for word in commands:
        assert re.search(rf"^(storage )?{word}\b|\*\*mmid {word}\b", page(name), re.MULTILINE), word


def test_the_page_of_mmictl_has_every_exit_status() -> None:
    said = re.findall(r"^    (\d+) ", help_of("mmid.cli.mmictl.__main__"), re.MULTILINE)
    assert len(said) >= 10
    for status in said:
        assert re.search(rf"^{status} ", page("mmictl.1"), re.MULTILINE), status


def test_the_page_of_mmid_has_every_exit_status_of_an_error() -> None:
    statuses = {facts.exit_code for facts in TABLE.values()}
    missing = {one for one in statuses if not re.search(rf"^{one} ", page("mmid.8"), re.MULTILINE)}
    assert missing == set()

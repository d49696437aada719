"""The Containerfile: nobody's user, nothing to write, and it says whether it lives."""

import importlib.util
import json
import re
from pathlib import Path

HERE = Path(__file__).parents[1]
TEXT = re.sub(r"^#.*\n", "", (HERE / "Containerfile").read_text(), flags=re.MULTILINE)
# Instruction and what it is given, with continued lines joined.
STEPS = [line.split(maxsplit=1) for line in TEXT.replace("\\\n", " ").splitlines() if line.strip()]
FINAL = STEPS[max(number for number, step in enumerate(STEPS) if step[0] == "FROM") :]


def given(instruction: str) -> list[str]:
    """Return what an instruction is given in the image that is shipped."""
    return [rest for name, rest in FINAL if name == instruction]


def test_it_starts_from_a_version_that_is_named() -> None:
    (base,) = [rest for name, rest in STEPS if name == "ARG"]
    assert re.fullmatch(r"BASE=[\w./-]+:\d[\w.-]*", base)
    assert {rest.split()[0] for name, rest in STEPS if name == "FROM"} == {"${BASE}"}


def test_it_runs_as_a_user_who_is_nobody() -> None:
    (user,) = given("USER")
    assert all(int(number) >= 1000 for number in user.split(":"))
    assert not given("RUN")  # so nothing in it is made by, or for, another


def test_it_brings_what_the_lock_names_and_nothing_of_this_machine() -> None:
    assert not [name for name, _ in STEPS if name == "ADD"]
    installs = [rest for name, rest in STEPS if name == "RUN" and "pip install" in rest]
    assert [("--require-hashes" in rest, "--no-deps" in rest) for rest in installs] == [
        (True, False),
        (False, True),
    ]
    copied = [rest.split()[0] for name, rest in STEPS if name == "COPY" and "--from" not in rest]
    assert copied
    for name in copied:
        assert (HERE / name).exists(), name


def test_it_says_whether_it_lives() -> None:
    (check,) = given("HEALTHCHECK")
    command = json.loads(check.partition("CMD")[2])
    assert command[1] == "-m"
    assert importlib.util.find_spec(command[2])


def test_it_is_the_command_and_takes_signals_itself() -> None:
    (entry,), (command,) = given("ENTRYPOINT"), given("CMD")
    assert json.loads(entry) == ["/opt/mmid-relay/bin/mmid-relay"]
    assert json.loads(command)[0] == "serve"

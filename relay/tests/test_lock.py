"""The lock has what the package asks for, and the tests run with it."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parents[1]
WANTED = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]["dependencies"]
LOCK = (HERE / "requirements.lock").read_text()
PINS = [Requirement(line) for line in re.findall(r"^(\w.*?) \\$", LOCK, re.MULTILINE)]
PINNED = {
    canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
    for pin in PINS
    if pin.marker is None or pin.marker.evaluate()
}


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    for wanted in map(Requirement, WANTED):
        assert wanted.specifier.contains(PINNED[canonicalize_name(wanted.name)]), wanted


def test_every_pin_has_its_hashes() -> None:
    blocks = re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(PINS)
    assert all("--hash=sha256:" in block for block in blocks)


def test_what_is_tested_is_what_a_server_installs() -> None:
    assert {name: version(name) for name in PINNED} == PINNED

"""Who may import whom, read from the syntax trees: the house's floor plan as a test."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Tools that every floor may use.
FOR_ALL = {
    "mmid.bounded_read",
    "mmid.child",
    "mmid.deferred_imports",
    "mmid.frozen",
    "mmid.json_text",
    "mmid.memory_priority",
    "mmid.regular_file",
}

# Module or package -> what of mmid it may import; a package includes what is in it. The longest
# name that fits a module counts. Nothing imports daemon but cli, and nothing simcloud but simcloud.
FLOOR_PLAN = {
    "mmid": "",
    "mmid.errors": "",
    "mmid.bounded_read": "",
    "mmid.child": "mmid.secrets",
    "mmid.deferred_imports": "",
    "mmid.events": "",
    "mmid.secrets": "",
    "mmid.frozen": "",
    "mmid.json_text": "",
    "mmid.memory_priority": "",
    "mmid.regular_file": "",
    "mmid.hal": "mmid.errors",
    "mmid.status": "mmid mmid.events",
    "mmid.settings": "mmid mmid.errors mmid.secrets mmid.settings",
    # The short-lived judge of the settings is a program: each cloud says what contradicts it.
    "mmid.settings.load": "mmid mmid.errors mmid.secrets mmid.settings mmid.session.clouds",
    # Whoever loads the settings has the cloud's own rates in them.
    "mmid.settings.loading": "mmid.errors mmid.settings mmid.session.clouds",
    "mmid.session": "mmid mmid.errors mmid.events mmid.hal mmid.secrets mmid.status "
    "mmid.settings mmid.session",
    "mmid.session.effects": "mmid.errors mmid.events",
    "mmid.session.dialects": "mmid.errors mmid.events mmid.secrets mmid.settings "
    "mmid.session.effects mmid.session.endpoint mmid.session.backlog mmid.session.dialects",
    # What describes a cloud to the others knows its access, too; the dialect beside it does not.
    "mmid.session.dialects.multimodal_dialog.cloud": "mmid.errors mmid.hal mmid.secrets "
    "mmid.settings mmid.status mmid.session",
    "mmid.session.dialects.qwen_realtime.cloud": "mmid.errors mmid.hal mmid.secrets "
    "mmid.settings mmid.status mmid.session",
    "mmid.session.dialects.baidu_rtc.cloud": "mmid.errors mmid.hal mmid.secrets "
    "mmid.settings mmid.status mmid.session",
    "mmid.hal_linux": "mmid mmid.errors mmid.hal mmid.secrets mmid.hal_linux",
    "mmid.dbus": "mmid mmid.errors mmid.events mmid.secrets mmid.status mmid.dbus",
    "mmid.gateway": "mmid mmid.errors mmid.events mmid.hal mmid.secrets mmid.status "
    "mmid.settings mmid.session mmid.gateway",
    "mmid.service": "mmid mmid.errors mmid.secrets mmid.settings mmid.service",
    "mmid.service.daemon": "mmid mmid.errors mmid.events mmid.hal mmid.secrets mmid.status "
    "mmid.settings mmid.session mmid.hal_linux mmid.dbus mmid.gateway mmid.service",
    "mmid.cli": "mmid mmid.errors mmid.secrets mmid.cli",
    "mmid.cli.mmid": "mmid mmid.errors mmid.secrets mmid.settings mmid.service mmid.hal_linux "
    "mmid.session.license.record mmid.session.clouds mmid.gateway.prompts mmid.cli",
    "mmid.cli.mmictl": "mmid mmid.errors mmid.events mmid.secrets mmid.dbus mmid.cli",
    "mmid.cli.doctor": "mmid mmid.errors mmid.secrets mmid.settings mmid.hal_linux "
    "mmid.session.clouds mmid.session.license.record mmid.session.proxy mmid.session.tls "
    "mmid.session.endpoint mmid.session.link mmid.dbus mmid.cli",
    "mmid.simcloud": "mmid mmid.errors mmid.secrets mmid.session.license mmid.simcloud",
    "mmid.simcloud.core": "mmid.errors mmid.secrets mmid.simcloud.core",
    "mmid.simcloud.license": "mmid.errors mmid.secrets mmid.session.license mmid.simcloud.core "
    "mmid.simcloud.license",
    "mmid.simcloud.multimodal_dialog": "mmid.errors mmid.simcloud.core "
    "mmid.simcloud.multimodal_dialog",
    "mmid.simcloud.qwen_realtime": "mmid.errors mmid.simcloud.core mmid.simcloud.qwen_realtime",
    "mmid.simcloud.baidu_rtc": "mmid.errors mmid.secrets mmid.simcloud.core "
    "mmid.simcloud.baidu_rtc",
}

# Libraries with one place in the house, or one a child process; simcloud is a program of its own.
HOMES = {
    "alsaaudio": "mmid.hal_linux",
    "av": "mmid.simcloud",
    "cryptography": "mmid.session.license.codec mmid.hal_linux.storage.sealing_child",
    "ctypes": "mmid.hal_linux mmid.session.license.vendor_codec",
    "dbus_next": "mmid.dbus",
    "fcntl": "mmid.hal_linux",
    "http": "mmid.session.license.https_post mmid.session.license.exchange_child",
    "pydantic": "mmid.settings.load",
    "pydantic_settings": "mmid.settings.load",
    "systemd": "mmid.service.sysd",
    "urllib.request": "",
    "websockets": "mmid.session.link mmid.session.bounded_connection",
}

# What acts on the world, reads a clock or rolls dice: not in a dialect.
WORLD = {
    "asyncio",
    "io",
    "os",
    "pathlib",
    "queue",
    "random",
    "secrets",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "urllib",
    "uuid",
}

# Settings are read once and passed down. The rest is not settings: what systemd
# tells a service, where a client finds the bus, and whether there is a proxy; and what
# pydantic is told, which can be told no other way.
READ_THE_ENVIRONMENT = {
    "mmid.settings.sources",
    "mmid.settings.proven",
    "mmid.service.sysd",
    "mmid.session.proxy",
    "mmid.dbus.handshake",
    "mmid.cli.mmictl.__main__",
}

# Process -> what must not be in its memory; a board may have 64 MiB. (What websockets would
# bring and ``mmid run`` puts off is looked for in ``tests/test_deferred_imports.py``.)
NOT_LOADED = {
    "mmid.service.daemon": "mmid.session.license.codec mmid.session.license.vendor_codec "
    "cryptography pydantic pydantic_settings tomllib argparse mmid.simcloud "
    "mmid.hal_linux.audio.codecs.libopus mmid.hal_linux.audio.codecs.mp3 "
    "mmid.hal_linux.audio.codecs.ogg",
    "mmid.settings.loading": "pydantic pydantic_settings tomllib asyncio",
    "mmid.cli.mmid.__main__": "argparse pydantic asyncio websockets dbus_next alsaaudio systemd",
    "mmid.cli.mmictl.__main__": "cryptography pydantic alsaaudio websockets systemd mmid.settings "
    "mmid.session mmid.cli.doctor asyncio",
    # What stands beside the daemon and beside each check; the record it looks at itself.
    "mmid.cli.mmictl.doctor": "asyncio ssl cryptography pydantic alsaaudio websockets",
    "mmid.cli.doctor.record": "asyncio ssl cryptography pydantic alsaaudio websockets",
}

LONGEST_LINES = 350
# Half of it is the table of errors, which is better read in one piece.
LONGER = {"mmid.errors": 370}


@dataclass(frozen=True)
class Module:
    """A module of mmid, as its text."""

    name: str
    text: str
    tree: ast.Module

    def imported(self) -> Iterator[str]:
        """Full names of what it imports, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.name}:{node.lineno}: a relative import"
                source = node.module or ""
                for alias in node.names:
                    full = f"{source}.{alias.name}"
                    yield full if full in names() else source


def read_modules() -> Iterator[Module]:
    for path in sorted(ROOT.glob("mmid/**/*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        text = path.read_text()
        yield Module(name, text, ast.parse(text))


@cache
def modules() -> list[Module]:
    return list(read_modules())


@cache
def names() -> frozenset[str]:
    return frozenset(module.name for module in modules())


def within(name: str, place: str) -> bool:
    """Whether a module is this one or in this package."""
    return f"{name}.".startswith(f"{place}.")


def test_modules_import_only_from_the_floors_they_may() -> None:
    for module in modules():
        room = max((place for place in FLOOR_PLAN if within(module.name, place)), key=len)
        assert room != "mmid" or module.name == "mmid", "a new module needs its line in FLOOR_PLAN"
        allowed = {*FLOOR_PLAN[room].split(), *FOR_ALL}
        for name in module.imported():
            if within(name, "mmid"):
                fits = name in allowed or any(
                    within(name, place) for place in allowed if "." in place
                )
                assert fits, f"{module.name} must not import {name}"


def test_libraries_are_imported_in_their_homes_only() -> None:
    for module in modules():
        if within(module.name, "mmid.simcloud"):
            continue
        for name in module.imported():
            for library, home in HOMES.items():
                if within(name, library):
                    homes = home.split()
                    assert any(within(module.name, home) for home in homes), (
                        f"{name}: in {homes} only"
                    )


def test_dialects_touch_nothing_of_the_world() -> None:
    for module in modules():
        if within(module.name, "mmid.session.dialects"):
            used = {name.partition(".")[0] for name in module.imported()}
            assert used.isdisjoint(WORLD), f"{module.name}: {used & WORLD}"


def test_the_environment_is_read_where_it_may_be() -> None:
    for module in modules():
        reads = any(
            isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv"}
            for node in ast.walk(module.tree)
        )
        if not within(module.name, "mmid.simcloud"):
            assert not reads or module.name in READ_THE_ENVIRONMENT, module.name


def test_modules_say_what_they_are_for() -> None:
    for module in modules():
        assert ast.get_docstring(module.tree), module.name


def test_modules_can_be_read_at_one_sitting() -> None:
    for module in modules():
        longest = LONGER.get(module.name, LONGEST_LINES)
        assert len(module.text.splitlines()) <= longest, module.name


def test_functions_fit_on_a_page() -> None:
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 60, f"{module.name}.{node.name}"


def test_no_two_classes_have_one_name() -> None:
    where: dict[str, list[str]] = {}
    for module in modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                where.setdefault(node.name, []).append(module.name)
    tables = {"Clock", "Cloud"}  # of the settings, named as mmid.toml names them
    twice = {name: places for name, places in where.items() if len(places) > 1}
    assert twice.keys() == tables, twice


@pytest.mark.parametrize(("module", "without"), NOT_LOADED.items())
def test_a_process_does_not_carry_what_it_does_not_need(module: str, without: str) -> None:
    script = f"import sys, {module}; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    ).stdout
    loaded = set(output.split())
    assert module in loaded
    assert loaded & set(without.split()) == set()

"""What BR2_PACKAGE_MMID_SLIM leaves is enough: mmid runs on it, as .pyc files alone."""

import ast
import compileall
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SLIM = ROOT / "packaging" / "buildroot" / "slim_python.py"
LIBRARIES = """_cffi_backend alsaaudio annotated_types cryptography dbus_next dotenv pydantic
    pydantic_core pydantic_settings systemd typing_extensions typing_inspection websockets"""

_SETTINGS = """
[cloud]
protocol = "qwen-realtime"
[license]
api_key = "sk-0123"
[storage]
target = "file:{directory}/device.bin"
"""

_SEAL = """
from mmid.hal_linux.storage.sealing import Sealing
from mmid.secrets import Secret
sealed = Sealing(Secret("17" * 32)).seal(b"record", b"header")
print(Sealing(Secret("17" * 32)).unseal(sealed, b"header", "here").decode())
"""

_FIND = """
import sys
from importlib import import_module
for line in sys.stdin.read().split():
    module, _, name = line.partition(":")
    found = import_module(module)
    if name and not hasattr(found, name):
        import_module(f"{module}.{name}")
"""


class Python:
    """The Python that runs the tests, with its library in a directory of its own.

    Args:
        directory: becomes the board's root.
    """

    def __init__(self, directory: Path) -> None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self._root = directory
        self.stdlib = directory / "usr" / "lib" / version
        self.site = self.stdlib / "site-packages"
        self._link(Path(sysconfig.get_path("stdlib")), self.stdlib)
        for name in LIBRARIES.split():
            self._take(name)
        shutil.copytree(ROOT / "mmid", self.site / "mmid")
        compileall.compile_dir(self.site / "mmid", quiet=1, legacy=True)
        for source in (self.site / "mmid").rglob("*.py"):
            source.unlink()

    def run(self, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run it; nothing of the machine's own library or checkout is seen."""
        home = {"PYTHONHOME": str(self._root / "usr"), "PYTHONPATH": str(self.site)}
        return subprocess.run(
            [sys.executable, "-B", "-s", "-P", *arguments],
            check=False,
            timeout=60,
            input=given,
            capture_output=True,
            text=True,
            env=os.environ | home,
            cwd=self._root,
        )

    def _link(self, source: Path, target: Path) -> None:
        skip = shutil.ignore_patterns("site-packages", "dist-packages")
        shutil.copytree(source, target, ignore=skip, copy_function=os.symlink)

    def _take(self, name: str) -> None:
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            return  # another version of a library has it in itself
        origin = Path(found.origin)
        self.site.mkdir(exist_ok=True)
        if origin.name == "__init__.py":
            self._link(origin.parent, self.site / name)
        else:
            (self.site / origin.name).symlink_to(origin)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    directory = tmp_path_factory.mktemp("board")
    board = Python(directory)
    subprocess.run([sys.executable, SLIM, directory], check=True, timeout=60)
    return board


def test_what_is_for_developers_is_gone(python: Python) -> None:
    for name in ("test", "unittest", "pydoc_data", "idlelib", "tkinter", "ensurepip", "sqlite3"):
        assert not (python.stdlib / name).exists(), name
    assert not (python.stdlib / "encodings" / "cp1252.py").exists()
    assert not (python.site / "pydantic" / "v1").exists()


def test_all_that_mmid_imports_is_there_also_within_functions(python: Python) -> None:
    wanted = set()
    for path in (ROOT / "mmid").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                wanted |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                wanted |= {f"{node.module}:{alias.name}" for alias in node.names}
    wanted -= {name for name in wanted if name.startswith(("av", "systemd"))}
    found = python.run("-c", _FIND, given="\n".join(sorted(wanted)))
    assert not found.stderr


def test_the_settings_are_judged(python: Python, tmp_path: Path) -> None:
    settings = tmp_path / "mmid.toml"
    settings.write_text(_SETTINGS.format(directory=tmp_path))
    settings.chmod(0o600)
    checked = python.run("-m", "mmid.cli.mmid", "check", "--config", settings)
    assert "device.bin" in checked.stdout, checked.stderr


def test_a_record_is_sealed_where_there_are_no_sources(python: Python) -> None:
    assert python.run("-c", _SEAL).stdout == "record\n"


def test_a_directory_without_python_is_refused(tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, SLIM, tmp_path], check=False, timeout=60, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "there is no Python" in refused.stderr

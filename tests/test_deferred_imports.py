import sys
from pathlib import Path

from tests.rig.script import run_script


def told(script: str) -> list[str]:
    """Run a script in a process of its own, and return the lines that it prints."""
    return run_script(f"import sys\n{script}").stdout.splitlines()


DEFER = "from mmid.deferred_imports import defer_import\n"


def test_a_deferred_module_comes_with_the_first_use_of_it_and_not_with_its_import() -> None:
    lines = told(
        DEFER + "defer_import('urllib.request')\n"
        "import urllib.request\n"
        "print('http.client' in sys.modules)\n"
        "print(callable(urllib.request.getproxies), 'http.client' in sys.modules)\n"
        "from urllib.request import Request\n"
        "print(Request('https://host/').host, type(urllib.request) is type(sys))\n"
    )
    assert lines == ["False", "True True", "host True"]


def test_a_second_thread_waits_for_a_deferred_module_that_is_loading(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import __main__, sys\n__main__.begun.set()\n__main__.missed.wait(0.2)\n"
        "found = hasattr(sys.modules['slow'], 'late')\nlate = 1\n"
    )
    lines = told(
        DEFER + f"import threading; sys.path.insert(0, {str(tmp_path)!r})\n"
        "defer_import('slow')\n"
        "import slow\n"
        "begun, missed, seen = threading.Event(), threading.Event(), []\n"
        "def second():\n"
        "    begun.wait()\n"
        "    try: seen.append(slow.late)\n"
        "    except AttributeError: missed.set()\n"
        "thread = threading.Thread(target=second)\n"
        "thread.start()\n"
        "seen.append(slow.late)\n"
        "thread.join()\n"
        "print(seen, slow.found)\n"
    )
    assert lines == ["[1, 1] False"]


def test_a_deferred_module_that_cannot_be_loaded_says_why_each_time(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("begun = True\nimport no_such_module\nlate = 1\n")
    lines = told(
        DEFER + f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "defer_import('broken', 'work')\n"
        "import broken\n"
        "for use in (lambda: broken.late, broken.work, broken.work):\n"
        "    try: use()\n"
        "    except Exception as error: print(error)\n"
    )
    assert lines == ["No module named 'no_such_module'"] * 3


def test_a_function_may_be_taken_from_a_deferred_module_and_brings_it_when_it_is_called() -> None:
    lines = told(
        DEFER + "defer_import('importlib.metadata', 'version')\n"
        "from importlib.metadata import version\n"
        "print('importlib.metadata._functools' in sys.modules)\n"
        "try: version('no-such-package')\n"
        "except ImportError as error: print(type(error).__name__)\n"
        "import importlib.metadata\n"
        "print('importlib.metadata._functools' in sys.modules)\n"
        "print(importlib.metadata.version is version)\n"
        "print(version(distribution_name='pydantic') == importlib.metadata.version('pydantic'))\n"
    )
    assert lines == ["False", "PackageNotFoundError", "True", "False", "True"]


def test_what_a_deferred_module_does_not_have_is_missing_as_ever() -> None:
    lines = told(
        DEFER + "defer_import('importlib.metadata')\n"
        "import importlib.metadata\n"
        "print(hasattr(importlib.metadata, 'nonsense'), hasattr(importlib.metadata, 'version'))\n"
    )
    assert lines == ["False True"]


def test_a_function_whose_answer_is_known_is_asked_without_bringing_the_module() -> None:
    lines = told(
        DEFER + "defer_import('platform', system=lambda: 'Known')\n"
        "import platform, uuid\n"
        "print(platform.system(), 'release' in vars(platform), bool(uuid.uuid4()))\n"
        "print(platform.machine() == __import__('os').uname().machine, platform.system())\n"
    )
    assert lines == ["Known False True", "True Linux"]


def test_what_is_loaded_already_or_not_there_is_left_alone() -> None:
    lines = told(
        DEFER + "import json\nbefore = sys.modules['json']\n"
        "defer_import('json')\ndefer_import('no_such_module')\n"
        "print(sys.modules['json'] is before, 'no_such_module' in sys.modules)\n"
    )
    assert lines == ["True False"]


def test_mmid_run_imports_no_more_than_it_needs_to_be_ready() -> None:
    lines = told(
        "import os; from mmid.cli.mmid import __main__ as mmid\n"
        "class Loading:\n"
        "    def finish(self): print(*sys.modules); raise SystemExit\n"
        "os.sched_getaffinity = lambda _: {0, 1}\n"
        "mmid.fork_loading = lambda config: Loading()\n"
        "sys.argv = ['mmid', 'run']\n"
        "mmid.main()\n"
    )
    loaded = set(lines[0].split())
    assert {"mmid.service.daemon", "mmid.dbus.wire"} <= loaded
    assert loaded.isdisjoint({"email", "http.client", "zipfile", "csv", "tempfile", "pydantic"})
    assert loaded.isdisjoint({"argparse", "pyexpat"})
    assert sys.version_info >= (3, 13) or "glob" not in loaded  # from 3.13 on pathlib takes it
    assert loaded.isdisjoint(
        {"mmid.hal_linux.storage.mtd_store", "mmid.hal_linux.storage.ubi_store"}
    )
    assert loaded.isdisjoint({"websockets", "mmid.session.link", "mmid.session.outbox"})
    assert loaded.isdisjoint({"dbus_next.message_bus", "dbus_next.service", "dbus_next.aio"})


def test_on_a_single_core_the_daemon_is_imported_when_the_settings_are_read() -> None:
    lines = told(
        "import os; from mmid.cli.mmid import __main__ as mmid\n"
        "class Loading:\n"
        "    def finish(self): print('mmid.service.daemon' in sys.modules)\n"
        "mmid.fork_loading = lambda config: Loading()\n"
        "class daemon: run = lambda settings, _: print('runs') or 0\n"
        "mmid.import_daemon = lambda: print('imported') or daemon\n"
        "os.sched_getaffinity = lambda _: {0}\n"
        "sys.argv = ['mmid', 'run']\n"
        "mmid.main()\n"
    )
    assert lines == ["False", "imported", "runs"]


def test_all_of_dbus_next_is_there_for_whoever_wants_it() -> None:
    lines = told(
        "import mmid.dbus.wire, dbus_next\n"
        "print('dbus_next.aio' in sys.modules)\n"
        "print(dbus_next.aio.MessageBus.__name__, dbus_next.Message is mmid.dbus.wire.Message)\n"
    )
    assert lines == ["False", "MessageBus True"]

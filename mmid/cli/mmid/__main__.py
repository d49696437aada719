"""The command ``mmid``: the daemon, and the tools of who builds the board.

    mmid run             run the daemon (the service unit does this)
    mmid check           say what it would use, and whether it could
    mmid hal-test        the vendor's acceptance test, and a check of the sound
    mmid provision       tell the board who it is, on the factory line
    mmid storage show    what the device record holds
    mmid storage seal    seal a plain one with the storage key
    mmid storage erase   forget it

Each takes ``--config FILE`` and ``--help``. A tool lies in the module of its
name; it is imported when it is asked for, so that the daemon carries none.
"""

import gc
import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from mmid.cli.streams import (
    complain,
    internal_error,
    open_closed_streams,
    replace_unknown_letters,
    settle,
)
from mmid.deferred_imports import defer_import
from mmid.errors import MmidError, SettingsInvalid
from mmid.memory_priority import give_way
from mmid.secrets import redact
from mmid.settings import Settings
from mmid.settings.loading import Loading, fork_loading, start_loading

if TYPE_CHECKING:
    import argparse

_log = logging.getLogger(__name__)


def main() -> int:
    """Run the command line; the entry point of the package."""
    open_closed_streams()
    try:
        match sys.argv[1:]:
            # As a service is started: a parser would stay in its memory with 0.7 MiB.
            case ["run"]:
                status = _run(None)
            case ["run", "--config", file] if not file.startswith("-"):
                status = _run(Path(file))
            case _:
                status = _parsed()
    except MmidError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the outer boundary: a traceback helps no operator
        _log.debug("internal error", exc_info=error)
        complain(f"mmid: {internal_error(error)}")
        return 70
    finally:
        settle(sys.stderr)
    return status


def _parsed() -> int:
    """Do what the command line says, whatever that is."""
    from mmid.cli.mmid.arguments import parse  # noqa: PLC0415 - not for the service

    options = parse()
    return _run(options.config) if options.command == "run" else _use_tool(options)


def _run(config: Path | None) -> int:
    """Read the settings and import the daemon, then run it."""
    # Imports make next to no garbage: looking for it would be a tenth of the start. The
    # daemon does so once it is ready; the fork never lives that long.
    gc.disable()
    settings, daemon = _side_by_side(fork_loading(config), import_daemon)
    status: int = daemon.run(settings, lambda: start_loading(config))
    return status


def _side_by_side(loading: Loading, load: Callable[[], ModuleType]) -> tuple[Settings, ModuleType]:
    """Have the settings read while a module is imported; on a single core one after the other.

    There nothing is done sooner side by side, and the board is small: it need not hold what
    judges the settings and what uses them at the same time.
    """
    if len(os.sched_getaffinity(0)) == 1:
        return loading.finish(), load()
    module = load()
    return loading.finish(), module


def import_daemon() -> ModuleType:
    """Import what ``mmid run`` needs to be ready, and nothing that it may never use."""
    # websockets imports both, and uses neither unless there is a proxy.
    defer_import("importlib.metadata")
    defer_import("urllib.request")
    # uuid asks it once which system this is.
    defer_import("platform", system=lambda: os.uname().sysname)
    from mmid.service import daemon  # noqa: PLC0415 - after the fork, beside it

    return daemon


def _use_tool(options: "argparse.Namespace") -> int:
    """Have the settings read, import the tool beside that, and use it."""
    give_way()
    replace_unknown_letters()
    # To check is to judge; every other tool is content with what was found good before.
    loading = start_loading(options.config, anew=options.command == "check")
    # ``mmid storage show`` is the function storage_show of the module storage.
    name = options.command.replace("-", "_")
    settings, module = _side_by_side(loading, lambda: import_module(f"mmid.cli.mmid.{name}"))
    tool = getattr(module, f"{name}_{options.action}" if options.action else name)
    status: int = tool(settings, options)
    return status


def _failed(error: MmidError) -> int:
    """Say what failed and what to do: to the journal with its fields, else on stderr."""
    from mmid.service import sysd  # noqa: PLC0415 - the tools need not wait for it

    text = str(error)
    if not isinstance(error, SettingsInvalid):  # its message says what is allowed
        # Some errors know better what to do than their row of the table.
        text += f" ({error.remedy})"
    if sysd.stderr_is_journal():
        sysd.configure_logging("info")
        _log.error("%s", text, extra=error.journal_fields)
    else:
        complain(redact(f"mmid: {text}"))
    return error.facts.exit_code


if __name__ == "__main__":
    sys.exit(main())

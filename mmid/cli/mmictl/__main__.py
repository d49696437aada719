"""mmictl: talk with mmid over D-Bus, from a shell or a script.

It knows the D-Bus contract and nothing else of mmid, so what it can do any
other program of the board can do too. Only the doctor looks behind it.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from mmid.cli.mmictl.arguments import parse
from mmid.cli.mmictl.exit import INTERNAL, OUTPUT_FAILED, outcome
from mmid.cli.mmictl.show import printable
from mmid.cli.streams import (
    abandon,
    complain,
    internal_error,
    open_closed_streams,
    replace_unknown_letters,
    settle,
)
from mmid.errors import MmidError
from mmid.memory_priority import give_way

_INTERRUPTED = 130
_NO_READER = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mmictl and return its exit status."""
    open_closed_streams()
    give_way()
    try:
        return _obey(arguments)
    finally:
        settle(sys.stderr)


def _obey(arguments: Sequence[str] | None) -> int:
    """Do what the command line says; what went wrong is told, and an exit status."""
    options = parse(arguments, os.environ.get("MMID_DBUS__BUS") or "system")
    replace_unknown_letters()
    try:
        exit_status = _run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Nobody reads us any more: say nothing, not even when Python flushes.
        abandon(sys.stdout)
        return _NO_READER
    except MmidError as error:
        return _report(*outcome(error))
    except OSError as error:
        abandon(sys.stdout)
        return _report(OUTPUT_FAILED, f"the output cannot be written: {error}")
    except Exception as error:  # noqa: BLE001 - the outer boundary: a traceback helps no operator
        return _report(INTERNAL, internal_error(error))
    return exit_status


def _run(options: argparse.Namespace) -> int:
    if options.command in {"doctor", "support-bundle"}:
        # They work without the daemon and the bus, and need half of mmid.
        from mmid.cli.mmictl.doctor import doctor, support_bundle  # noqa: PLC0415

        return (doctor if options.command == "doctor" else support_bundle)(options)
    # Not for these two: asyncio and its libraries are 4 MiB beside each of their checks.
    from mmid.cli.mmictl.over_bus import obey  # noqa: PLC0415

    return obey(options)


def _report(status: int, *lines: str) -> int:
    for line in filter(None, lines):
        complain(f"mmictl: {printable(line)}")
    return status


if __name__ == "__main__":
    sys.exit(main())

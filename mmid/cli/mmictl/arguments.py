"""The command line of mmictl: its commands, their options and their help."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from mmid import __version__
from mmid.cli.mmictl.exit import USAGE

_EXIT_STATUS = """\
Exit status:
    0    done
    1    doctor: a check failed
    64   wrong usage, or the daemon refused an argument
    65   the caller does not hold the microphone
    69   mmid is not running, not ready, or the bus is not there
    70   an error that mmictl has no word for, or mmictl itself is wrong
    74   the device record, a sound card or the output failed
    75   busy, no answer in time, or the clock is not set: try again later
    76   the cloud refused or failed
    77   not permitted: only root and members of group mmid may talk with mmid
    78   the device is not provisioned or not registered
    130  interrupted by Ctrl-C
    141  whoever read the output has gone
"""

_LONGEST_S = 3600.0


class _Parser(argparse.ArgumentParser):
    """A parser that ends with the exit status of sysexits(3) for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parse(arguments: Sequence[str] | None = None, bus: str = "system") -> argparse.Namespace:
    """Parse the command line; ``command`` of the result is the command's name.

    Args:
        arguments: the words behind ``mmictl``; None for those of this process.
        bus: where mmid is if no option says it.
    """
    parser = _Parser(
        prog="mmictl",
        description="Talk with mmid, the voice gateway of this board.",
        epilog=_EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # what a script may write today must not mean two things tomorrow
    )
    parser.add_argument(
        "--bus",
        default=bus,
        help="system, session or a D-Bus address (default: $MMID_DBUS__BUS, then system)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--version", action="version", version=f"mmictl {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", metavar="COMMAND", dest="command", required=True
    )
    _add_dialog_commands(subparsers)
    _add_board_commands(subparsers)
    return parser.parse_args(arguments)


def _add(
    subparsers: "argparse._SubParsersAction[_Parser]", name: str, text: str
) -> argparse.ArgumentParser:
    command = subparsers.add_parser(name, help=text, description=text, allow_abbrev=False)
    command.add_argument(
        "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON"
    )
    return command


def _add_dialog_commands(subparsers: "argparse._SubParsersAction[_Parser]") -> None:
    status = _add(subparsers, "status", "show what mmid is doing")
    status.add_argument(
        "--history", action="store_true", help="show its last transitions instead, oldest first"
    )
    talk = _add(subparsers, "talk", "speak, and hear the reply")
    talk.add_argument(
        "--seconds",
        type=_seconds,
        metavar="SECONDS",
        help="speak so long, once (default: keys start and stop)",
    )
    _add_timeout(talk)
    ask = _add(subparsers, "ask", "ask in writing, and print the reply")
    ask.add_argument("text", metavar="TEXT")
    _add_timeout(ask)
    _add(subparsers, "say", "have mmid say a text").add_argument("text", metavar="TEXT")
    _add(subparsers, "interrupt", "silence the reply")
    _add(subparsers, "cancel", "forget the speech of this bus connection")
    _add(subparsers, "new-dialog", "forget what was said so far")
    _add(subparsers, "monitor", "print the events as they come")
    timeline = _add(subparsers, "timeline", "show where the time of the last turns went")
    timeline.add_argument("--svg", type=Path, metavar="FILE", help="write a picture instead")
    _add(subparsers, "connect", "connect to the cloud now")
    _add(subparsers, "disconnect", "stay away from the cloud until connect")


def _add_board_commands(subparsers: "argparse._SubParsersAction[_Parser]") -> None:
    device = _add(subparsers, "device", "show, register or reset the device")
    device.add_argument("action", choices=("show", "register", "reset"))
    device.add_argument("--yes", action="store_true", help="reset: yes, forget the license")
    _add_tool(subparsers)
    doctor = _add(subparsers, "doctor", "find what is wrong, and what to do about it")
    bundle = _add(subparsers, "support-bundle", "write what a helper from afar needs")
    bundle.add_argument("file", type=Path, metavar="FILE", help="a tar.gz that does not exist yet")
    for one in (doctor, bundle):
        one.add_argument("--config", type=Path, metavar="FILE", help="the daemon's settings file")
    volume = _add(subparsers, "volume", "show or set the volume of the replies")
    volume.add_argument(
        "percent", nargs="?", type=_percent, metavar="PERCENT", help="0 to 100, or +N or -N"
    )
    mute = _add(subparsers, "mute", "silence the loudspeaker, or not")
    mute.add_argument("switch", nargs="?", choices=("on", "off"), default="on")


def _add_tool(subparsers: "argparse._SubParsersAction[_Parser]") -> None:
    tool = _add(subparsers, "tool", "list, call or register the programs that the model may call")
    tool.add_argument("action", choices=("list", "call", "register"))
    tool.add_argument("name", nargs="?", default="", metavar="NAME", help="the tool's name")
    tool.add_argument(
        "arguments", nargs="?", default="{}", metavar="JSON", help="call: its arguments, an object"
    )
    tool.add_argument(
        "--exec",
        metavar="PROGRAM",
        help="register: run it for each call, arguments on its standard input",
    )
    tool.add_argument(
        "--description", default="", metavar="TEXT", help="register: what it does, for the model"
    )
    tool.add_argument(
        "--schema", default="", metavar="JSON", help="register: JSON schema of its arguments"
    )


def _add_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="longest wait for the reply's end (default: 60)",
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not more than 0 and at most 3600 seconds")
    return value


def _percent(text: str) -> str:
    """Check a volume: a number, or a signed one for a step."""
    if not re.fullmatch("[+-]?[0-9]{1,3}", text) or int(text) not in range(-100, 101):
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 to 100, +N or -N")
    return text

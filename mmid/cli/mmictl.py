"""mmictl: talk with mmid over D-Bus, from a shell or a script.

Exit status:
    0    done
    64   wrong usage, or the daemon refused an argument
    65   the caller does not hold the microphone
    69   mmid is not running, not ready, or the bus is not there
    70   an error that mmictl has no word for
    74   the device record, a sound card or the output failed
    75   busy, no answer in time, or the clock is not set: try again later
    76   the cloud refused or failed
    77   not permitted: only root and members of group mmid may talk with mmid
    78   the device is not provisioned or not registered
    130  interrupted by Ctrl-C
    141  whoever read the output has gone

It knows the D-Bus contract and nothing else of mmid, so what it can do any
other program of the board can do too.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

from mmid import __version__
from mmid.cli import mmictl_commands as commands
from mmid.cli.mmictl_exit import OUTPUT_FAILED, USAGE, Outcome, outcome
from mmid.cli.mmictl_show import printable
from mmid.dbus.client import Client
from mmid.errors import MmidError

__all__ = ["main"]

_INTERRUPTED = 130
_NO_READER = 141
_VOLUME_MAX = 100


class _Parser(argparse.ArgumentParser):
    """A parser that ends with the exit status of sysexits(3) for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run mmictl and return its exit status."""
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may not know every letter
    try:
        asyncio.run(_run(options))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Nobody reads us any more: say nothing, not even when Python flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NO_READER
    except MmidError as error:
        return _report(outcome(error))
    except OSError as error:
        return _report(Outcome(OUTPUT_FAILED, (f"the output cannot be written: {error}",)))
    return 0


async def _run(options: argparse.Namespace) -> None:
    async with await Client.connect(options.bus) as client:
        await options.command(client, options)


def _report(result: Outcome) -> int:
    for line in result.lines:
        print(f"mmictl: {printable(line)}", file=sys.stderr)
    return result.status


def _parser() -> argparse.ArgumentParser:
    lines = (__doc__ or "").split("\n\n")
    parser = _Parser(
        prog="mmictl",
        description="Talk with mmid, the voice gateway of this board.",
        epilog=lines[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--bus",
        default=os.environ.get("MMID_DBUS__BUS") or "system",
        help="system, session or a D-Bus address (default: $MMID_DBUS__BUS, then system)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")
    parser.add_argument("--version", action="version", version=f"mmictl {__version__}")
    _add_commands(parser.add_subparsers(title="commands", metavar="COMMAND", required=True))
    return parser


def _add_commands(subparsers: "argparse._SubParsersAction[_Parser]") -> None:
    def add(name: str, run: commands.Run, text: str) -> _Parser:
        command = subparsers.add_parser(name, help=text, description=text)
        command.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="print JSON"
        )
        command.set_defaults(command=run)
        return command

    status = add("status", commands.status, "show what mmid is doing")
    status.add_argument(
        "--history", action="store_true", help="show its last transitions instead, oldest first"
    )
    talk = add("talk", commands.talk, "speak, and hear the reply")
    talk.add_argument(
        "--seconds", type=_seconds, help="speak so long (default: Enter starts and stops)"
    )
    _add_timeout(talk)
    ask = add("ask", commands.ask, "ask in writing, and print the reply")
    ask.add_argument("text")
    _add_timeout(ask)
    add("say", commands.say, "have mmid say a text").add_argument("text")
    add("interrupt", commands.interrupt, "silence the reply")
    add("cancel", commands.cancel, "forget the speech of this bus connection")
    add("new-dialog", commands.new_dialog, "forget what was said so far")
    add("monitor", commands.monitor, "print the events as they come")
    add("connect", commands.connect, "connect to the cloud now")
    add("disconnect", commands.disconnect, "stay away from the cloud until connect")
    device = add("device", commands.device, "show or register the device")
    device.add_argument("action", choices=("show", "register"))
    volume = add("volume", commands.volume, "show or set the volume of the replies")
    volume.add_argument("percent", nargs="?", type=_percent, help="0 to 100")
    mute = add("mute", commands.mute, "silence the loudspeaker, or not")
    mute.add_argument("switch", nargs="?", choices=("on", "off"), default="on")


def _add_timeout(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--timeout",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="longest wait for the reply's end (default: 60)",
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 to 3600 seconds")
    return value


def _percent(text: str) -> int:
    value = int(text)
    if not 0 <= value <= _VOLUME_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 to {_VOLUME_MAX}")
    return value


if __name__ == "__main__":
    sys.exit(main())

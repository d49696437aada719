"""The command line of mmid: its commands, their options and their help."""

import argparse
from pathlib import Path

from mmid import __version__

_DESCRIPTION = "The command mmid: the voice gateway daemon, and the tools of who builds the board."

_EXIT_STATUS = """\
Exit status: 0 all is well; 1 a check of hal-test failed; 2 a setting or an
option is wrong; 70 mmid itself is wrong; 130 interrupted; else the status of
what failed, such as 74 for storage and 78 for a device that is not
provisioned. What failed, and what to do about it, is one line on stderr.
"""


def parse() -> argparse.Namespace:
    """Parse the command line; ``command`` and ``action`` of the result say what it asks for."""
    parser = argparse.ArgumentParser(prog="mmid", description=_DESCRIPTION, epilog=_EXIT_STATUS)
    parser.add_argument("--version", action="version", version=f"mmid {__version__}")
    parser.set_defaults(action="")
    tools = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    _add(tools, "run", "run the daemon")
    check = "check settings, device record and clock, and say what would be used"
    _add(tools, "check", check)
    _hal_test(_add(tools, "hal-test", _HAL_TEST, as_json=True))
    _provision(_add(tools, "provision", _PROVISION, as_json=True))

    summary = "show, seal or erase the device record"
    storage = tools.add_parser("storage", help=summary, description=summary)
    actions = storage.add_subparsers(dest="action", required=True, metavar="show|seal|erase")
    _add(actions, "show", _SHOW, as_json=True)
    _add(actions, "seal", _SEAL)
    _erase(_add(actions, "erase", _ERASE))
    options, unknown = parser.parse_known_args()
    if unknown:
        # Their values are not repeated: somebody may have tried a secret.
        names = [text.partition("=")[0] for text in unknown if text.startswith("-")]
        parser.error(f"unknown: {' '.join(names) or f'{len(unknown)} words'}; see --help")
    return options


_HAL_TEST = (
    "test memory, time, storage, random and mutex on the configured devices, "
    "and print the acceptance log of the vendor's SDK"
)
_PROVISION = "write AppId, device name and AppSecret into the device record, without a network"
_SHOW = "show the device record and its copies; secrets are only said to be set"
_SEAL = "seal a plain device record with the storage key, on a board that gets its key later"
_ERASE = "erase the device record, and with it the registration of the device"


def _add(
    tools: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    *,
    as_json: bool = False,
) -> argparse.ArgumentParser:
    parser = tools.add_parser(
        name,
        help=summary,
        description=f"{summary}.",
        epilog=_EXIT_STATUS,
        allow_abbrev=False,  # --app-secret is not --app-secret-file
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file; FILE.d/*.toml is read too (default: /etc/mmid/mmid.toml)",
    )
    if as_json:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    return parser


def _provision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--app-id", metavar="ID", help="AppId of the product, where the device registers"
    )
    parser.add_argument(
        "--device-name",
        required=True,
        metavar="NAME",
        help="name of this device, unique within the product: a serial number or MAC",
    )
    parser.add_argument(
        "--app-secret-file",
        metavar="FILE",
        help="file with the AppSecret of the product, - for standard input; "
        "never as an argument, where every process can read it",
    )
    parser.add_argument("--workspace-id", metavar="ID", help="workspace of the application")
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite a registered device, a damaged record or foreign content",
    )


def _erase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="really do it")
    parser.add_argument(
        "--force", action="store_true", help="erase what is no device record of mmid, too"
    )


def _hal_test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--audio", action="store_true", help="also run recorder, player and codecs, in silence"
    )
    parser.add_argument(
        "--echo",
        action="store_true",
        help="also play ten seconds of noise like speech, and measure how much of it the echo "
        "canceller takes out of what the microphone hears",
    )
    parser.add_argument(
        "--acoustic",
        action="store_true",
        help="also play a sweep and record it: level, delay, polarity, noise, missing channel",
    )
    parser.add_argument(
        "--capture",
        action="append",
        metavar="PCM",
        help="with --acoustic: record from this ALSA PCM, not from audio.capture_device; "
        "may be given more than once, to test each channel",
    )
    parser.add_argument(
        "--playback",
        action="append",
        metavar="PCM",
        help="with --acoustic: play to this ALSA PCM; may be given more than once",
    )

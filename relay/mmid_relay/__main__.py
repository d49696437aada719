"""The command ``mmid-relay``."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from mmid_relay import __version__
from mmid_relay.settings import DEFAULT_FILE, Settings, SettingsInvalid, is_name, load


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return its exit status.

    0; 1 for a failed check; 74 for output that cannot be written, 141 if whoever read it has gone;
    78 for settings.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
    )
    # They log each request's URL, and their own way of failing.
    for chatty in ("aiohttp", "darabonba-core"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except SettingsInvalid as error:
        print(f"mmid-relay: {error}", file=sys.stderr)
        return 78
    except OSError as error:
        if options.run is _serve:  # what it writes, others watch over
            raise
        # Python must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 141
        print(f"mmid-relay: the output cannot be written: {error}", file=sys.stderr)
        return 74
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mmid-relay", description=__doc__)
    parser.add_argument("--version", action="version", version=f"mmid-relay {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("serve", _serve, "answer devices, until SIGTERM"),
        ("check", _check, "try settings, keys, vendors and clock"),
        ("device-token", _device_token, "print the token of a device, for the factory line"),
        ("openapi", _openapi, "print the OpenAPI document"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name != "openapi":
            command.add_argument("--config", type=Path, default=DEFAULT_FILE, metavar="F")
        if name == "device-token":
            command.add_argument("name", metavar="NAME")
    return parser


def _serve(options: argparse.Namespace) -> int:
    from mmid_relay.serve import serve  # noqa: PLC0415 - the factory line needs no server

    return serve(load(options.config))


def _check(options: argparse.Namespace) -> int:
    from mmid_relay.check import check  # noqa: PLC0415

    return check(load(options.config))


def _device_token(options: argparse.Namespace) -> int:
    from mmid_relay.devices import device_token  # noqa: PLC0415

    devices = load(options.config).devices
    if not devices.signing_key:
        raise SettingsInvalid("devices.signing_key is not set: it says which key signs tokens")
    if not is_name(options.name):
        raise SettingsInvalid("NAME must be 1 to 32 letters, digits, '-' and '_'")
    key = bytes.fromhex(devices.fleet_keys[devices.signing_key].get_secret_value())
    print(device_token(options.name, devices.signing_key, key))
    return 0


def _openapi(_: argparse.Namespace) -> int:
    from mmid_relay.app import make_app  # noqa: PLC0415

    print(json.dumps(make_app(Settings()).openapi(), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command ``mmid-simcloud``: clouds on this machine, for demo, tests and bring-up.

Prints one line of JSON with everything a device needs once it listens, logs to
standard error, and ends on SIGTERM or SIGINT with status 0.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from mmid.bounded_read import read_named_file
from mmid.errors import MmidError, SettingsInvalid
from mmid.secrets import Secret, redact
from mmid.simcloud import clouds
from mmid.simcloud.cloud import Address, SimCloud
from mmid.simcloud.core.product import Product, load_product
from mmid.simcloud.core.scenario import Scenario

# Longer than any key of any cloud.
_LONGEST_SECRET_FILE_BYTES = 4096

# sysexits(3): the address cannot be listened on; the output cannot be written.
_UNAVAILABLE = 69
_OUTPUT_FAILED = 74
_NO_READER = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return its exit status."""
    options = _parser().parse_args(arguments)
    if options.list_scenarios:
        for name, file in clouds.scenario_files().items():
            _print(f"{name:22}{clouds.summary(file)}")
        return 0
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(name)s: %(levelname)s: %(message)s"
    )
    with ExitStack() as stack:
        if options.cert_dir is None:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="mmid-simcloud-"))
            options.cert_dir = Path(temporary)
        try:
            asyncio.run(_serve(_cloud(options)))
        except MmidError as error:
            print(f"mmid-simcloud: {redact(str(error))}", file=sys.stderr)
            return error.facts.exit_code
        except OSError as error:
            print(f"mmid-simcloud: cannot listen or write: {error}", file=sys.stderr)
            return _UNAVAILABLE
    return 0


def _print(line: str) -> None:
    """Print a line now; if that fails, end with the status of it."""
    try:
        print(line, flush=True)
    except OSError as error:
        # Python must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            sys.exit(_NO_READER)
        print(f"mmid-simcloud: the output cannot be written: {error}", file=sys.stderr)
        sys.exit(_OUTPUT_FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mmid-simcloud",
        description="A local cloud for mmid: registers devices and holds dialogs.",
        epilog="Its line on standard output holds secrets; they are good for this cloud only.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=_port, default=0, help="port of the dialogs (default: any free one)")
    add("--license-port", type=_port, default=0, help="port of all HTTPS requests")
    add("--name", default="", help="name in URLs and certificate (default: the host)")
    add("--cert-dir", type=Path, help="keeps certificate and secrets (default: a new one)")
    add("--state", type=Path, help="remembers registered devices (default: in --cert-dir)")
    add("--scenario", help="what is said, and what goes wrong: a name of ours, or a TOML file")
    add("--list-scenarios", action="store_true", help="list ours, and what each is for")
    add("--record-dir", type=Path, help="where journal.jsonl and the audio are written")
    add("--app-id", help="AppId (default: the one in --cert-dir)")
    add("--workspace-id", help="workspace (default: the one in --cert-dir)")
    add("--app-secret-file", type=Path, help="file with the AppSecret")
    add("--api-key-file", type=Path, help="file with the API key")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} must be 0 to 65535")
    return int(text)


def _cloud(options: argparse.Namespace) -> SimCloud:
    """Build the cloud that the options describe."""
    script = options.scenario
    return SimCloud(
        options.cert_dir,
        scenario=clouds.read_scenario(script) if script else Scenario(),
        address=Address(options.host, options.port, options.license_port, options.name),
        record_dir=options.record_dir,
        state_file=options.state or options.cert_dir / "devices.json",
        product=_product(options),
    )


def _product(options: argparse.Namespace) -> Product:
    product = load_product(options.cert_dir)
    secret_file, key_file = options.app_secret_file, options.api_key_file
    return replace(
        product,
        app_id=options.app_id or product.app_id,
        workspace_id=options.workspace_id or product.workspace_id,
        app_secret=_read_secret(secret_file) if secret_file else product.app_secret,
        api_key=_read_secret(key_file) if key_file else product.api_key,
    )


def _read_secret(path: Path) -> Secret:
    try:
        value = read_named_file(path, _LONGEST_SECRET_FILE_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path}: {error}") from error
    if not value:
        raise SettingsInvalid(f"{path}: is empty")
    return Secret(value)


async def _serve(cloud: SimCloud) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with cloud:
        _print(json.dumps(cloud.line))
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())

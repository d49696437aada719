"""The command ``mmid``: the daemon, and what an operator does without it.

    mmid run    [--config FILE]   run the daemon (the service unit does this)
    mmid check  [--config FILE]   say what it would use, and whether it could

Exit status: 0 all is well; 2 a setting or an option is wrong; 70 mmid itself
is wrong; 130 interrupted; else the status of ``mmid.errors.TABLE`` for what
failed. What failed, and what to do about it, is one line on stderr.
"""

import argparse
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

from mmid import __version__
from mmid.errors import TABLE, LicenseRefused, MmidError, NotProvisioned, SettingsInvalid
from mmid.redaction import MASK, redact
from mmid.settings import License, Settings
from mmid.settings.child import start_loading

__all__ = ["main"]

_log = logging.getLogger(__name__)


def main() -> int:
    """Run the command line; the entry point of the package."""
    options = _parser().parse_args()
    try:
        return _run(options.config) if options.command == "run" else _check(options.config)
    except MmidError as error:
        return _failed(error)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the outer boundary: a traceback helps no operator
        return _broken(error)


def _parser() -> argparse.ArgumentParser:
    description, _, status = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        prog="mmid",
        description=description,
        epilog=status.partition("\n\n")[2],
    )
    parser.add_argument("--version", action="version", version=f"mmid {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="run|check")
    for name, summary in (
        ("run", "run the daemon"),
        ("check", "check settings, device record and clock, and say what would be used"),
    ):
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help="TOML file; FILE.d/*.toml is read too (default: /etc/mmid/mmid.toml)",
        )
    return parser


def _run(config: Path | None) -> int:
    """Read the settings and import the daemon side by side, then run it."""
    loading = start_loading(config)
    from mmid import daemon  # noqa: PLC0415 - while the child reads the settings

    return daemon.run(loading.finish())


def _failed(error: MmidError) -> int:
    """Say what failed and what to do: to the journal with its fields, else on stderr."""
    from mmid import sysd  # noqa: PLC0415 - `mmid check` need not wait for it

    text = f"{error}{_remedy(error)}"
    if sysd.stderr_is_journal():
        sysd.configure_logging("info")
        fields = {"MESSAGE_ID": error.facts.message_id, "MMID_CODE": error.code}
        _log.error("%s", text, extra=fields)
    else:
        print(redact(f"mmid: {text}"), file=sys.stderr)
    return error.facts.exit_code


def _remedy(error: MmidError) -> str:
    if isinstance(error, SettingsInvalid):
        return ""  # its message says what is allowed
    return f" ({error.remedy if isinstance(error, LicenseRefused) else error.facts.remedy})"


def _broken(error: Exception) -> int:
    """Say what is wrong with mmid itself; the traceback is in the log at level debug."""
    _log.debug("internal error", exc_info=error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = f"internal error: {error!r} at {place.filename}:{place.lineno}; please report it"
    print(redact(f"mmid: {text}"), file=sys.stderr)
    return 70


# --- mmid check -----------------------------------------------------------------------------


def _check(config: Path | None) -> int:
    loading = start_loading(config)
    from mmid.hal_linux.clock import KernelClock  # noqa: PLC0415 - while the child works
    from mmid.hal_linux.storage import open_store  # noqa: PLC0415

    settings = loading.finish()
    record = open_store(settings.storage.target).load()
    clock = KernelClock(settings.clock.require_sync)
    lines = [
        redact(f"{topic:8} {facts}")
        for topic, facts in _report(settings, record, clock_is_set=clock.synchronized)
    ]
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # Who read it went away; the interpreter must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _report(
    settings: Settings, record: bytes | None, *, clock_is_set: bool
) -> Iterator[tuple[str, str]]:
    """What the daemon would use, by topic."""
    cloud, license_, audio = settings.cloud, settings.license, settings.audio
    yield "cloud", f"{cloud.protocol} at {cloud.ws_url}"
    yield "trust", cloud.ca_file or "the system's authorities"
    if license_.mode == "pay-as-you-go":
        yield "license", f"{license_.mode}, workspace {cloud.workspace_id}"
    else:
        yield "license", f"{license_.mode}, at {license_.register_url or cloud.license_url}"
    yield "device", _identity(license_)
    yield "record", f"{settings.storage.target}: {_record(license_, record)}"
    trusted = "set" if clock_is_set else "not set; mmid would wait for it"
    yield "clock", f"{trusted} (clock.require_sync = {str(settings.clock.require_sync).lower()})"
    yield "audio", f"records from {audio.capture_device}, plays to {audio.playback_device}"
    yield "dialog", settings.dialog.work_mode
    yield "bus", settings.dbus.bus


def _identity(identity: License) -> str:
    return (
        f"name {identity.device_name or 'as in the record'}, "
        f"AppId {identity.app_id or 'not set'}, "
        f"AppSecret {MASK if identity.app_secret else 'not set'}, "
        f"API key {MASK if identity.api_key else 'not set'}"
    )


def _record(identity: License, record: bytes | None) -> str:
    """What the store holds, and what the daemon would do about it."""
    if record:
        return f"{len(record)} bytes"
    if identity.mode == "pay-as-you-go":
        return "empty; this mode needs none"
    if identity.app_id and identity.app_secret and identity.device_name:
        return "empty; the device would register"
    return f"empty, and the device cannot register. {TABLE[NotProvisioned].remedy}"


if __name__ == "__main__":
    sys.exit(main())

"""``mmid provision``: tell the board who it is, on the factory line, without a network.

Running it twice changes nothing, so a line may repeat a station. A device
that is registered is not overwritten by accident: its registration was paid
for, and can be made only once.
"""

import argparse
import re
import sys
from dataclasses import fields, replace

from mmid.bounded_read import read_named_file
from mmid.cli.mmid.storage import load_record
from mmid.cli.streams import as_set, print_json, print_lines
from mmid.errors import SettingsInvalid, StorageFailed
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.store_lock import hold_store
from mmid.secrets import Secret
from mmid.session.clouds import cloud_of
from mmid.session.license.record import DeviceRecord
from mmid.settings import Cloud, License, Settings, Storage

# A file longer than this holds something else than 32 digits and a line's end.
_LONGEST_SECRET_FILE_BYTES = 4096


def provision(settings: Settings, options: argparse.Namespace) -> int:
    """Write the identity into the device record, unless it is there already.

    Raises:
        SettingsInvalid: a value is wrong, contradicts the settings, or would
            overwrite a registered device.
        StoreInUse: the daemon runs.
        StorageFailed: the record cannot be read or written.
    """
    _validate(settings, options)
    secret = None if options.app_secret_file is None else _read_secret(options.app_secret_file)
    # Held from before it is read until it is written: the daemon must not write in between.
    with hold_store(settings.storage.target):
        before = _load(settings.storage, force=options.force)
        after = _provisioned(before, options, secret)
        if after != before:
            _refuse_to_overwrite(before, options)
            _save(settings.storage, after, force=options.force)
    # Asked for twice is no error: a factory line repeats a station.
    result = "already provisioned" if after == before else "provisioned"
    _tell(result, settings, after, as_json=options.json)
    return 0


# --- what was asked for ---------------------------------------------------------------------


def _validate(settings: Settings, options: argparse.Namespace) -> None:
    """Hold each value against the settings' key of the same name.

    What the key says wins over the record: the daemon would not use another value.
    """
    if options.app_id is None and cloud_of(settings.cloud.protocol).registers(settings):
        raise SettingsInvalid("--app-id is missing: the device registers for its product")
    for name in ("license.app_id", "license.device_name", "cloud.workspace_id"):
        table, _, key = name.partition(".")
        value: str | None = getattr(options, key)
        if value is None:
            continue
        settled = getattr(settings, table)
        _hold_against(type(settled), key, value, f"--{key.replace('_', '-')} {value!r}:")
        ours = getattr(settled, key)
        if ours not in {"", value}:
            raise SettingsInvalid(
                f"{name} = {ours!r} in the settings would win over {value!r}: "
                "leave it empty there, or provision the same"
            )


def _hold_against(table: type[License | Cloud], key: str, value: str, shown: str) -> None:
    """Refuse a value that the settings' key would not take, or that is empty."""
    option = next(option for option in fields(table) if option.name == key)
    limits, form = option.metadata["limits"], option.metadata["form"]
    longest = limits.get("max_length", len(value))
    if not value or len(value) > longest or not re.fullmatch(limits.get("pattern", ".*"), value):
        raise SettingsInvalid(f"{shown} must be {form or f'1 to {longest} characters'}")


def _read_secret(name: str) -> Secret:
    """Read the AppSecret; the file may be a pipe, as of a shell's ``<(...)``, for a minute."""
    where = "standard input" if name == "-" else name
    try:
        if name == "-":
            data = sys.stdin.buffer.read(_LONGEST_SECRET_FILE_BYTES)
        else:
            data = read_named_file(name, _LONGEST_SECRET_FILE_BYTES)
    except OSError as error:
        text = f"--app-secret-file: {where} cannot be read: {error.strerror}"
        raise SettingsInvalid(text) from None
    text = data.decode("utf-8-sig", errors="replace").strip()
    _hold_against(License, "app_secret", text, f"--app-secret-file: what {where} holds")
    return Secret(text)


# --- the record -----------------------------------------------------------------------------


def _load(storage: Storage, *, force: bool) -> DeviceRecord:
    try:
        return load_record(storage) or DeviceRecord()
    except StorageFailed:
        if not force:
            raise
        return DeviceRecord()


def _provisioned(
    before: DeviceRecord, options: argparse.Namespace, secret: Secret | None
) -> DeviceRecord:
    """Return the record with what was asked for; what another device was, goes."""
    app_id = before.app_id if options.app_id is None else options.app_id
    same = (before.app_id, before.device_name) == (app_id, options.device_name)
    return replace(
        before if same else DeviceRecord(),
        app_id=app_id,
        device_name=options.device_name,
        # The AppSecret is the product's: another name keeps it, another AppId does not.
        app_secret=secret or (before.app_secret if before.app_id == app_id else Secret("")),
        workspace_id=options.workspace_id or (before.workspace_id if same else ""),
        activated_name=options.device_name if before.activated_name == options.device_name else "",
    )


def _refuse_to_overwrite(before: DeviceRecord, options: argparse.Namespace) -> None:
    if before.activated_name not in {"", options.device_name} and not options.force:
        raise SettingsInvalid(
            f"a cloud has activated this board as {before.activated_name}; as "
            f"{options.device_name} it is another device there, which is paid for again: add "
            "--force if it is another device"
        )
    another = (before.app_id, before.device_name) != (options.app_id, options.device_name)
    # An answer that waits for a corrected codec is a registration too, for this name.
    lost = before.registered or (before.unopened and another)
    if lost and not options.force:
        raise SettingsInvalid(
            f"this board is registered as {before.app_id} {before.device_name}, and its record "
            f"differs from what would be written for {options.app_id} {options.device_name}: "
            "add --force if the registration may be lost"
        )


def _save(storage: Storage, record: DeviceRecord, *, force: bool) -> None:
    payload = record.encode()
    open_store(storage.target, key=storage.key, force=force).save(payload)
    # Opened anew, so that no memory of it can answer.
    if open_store(storage.target, key=storage.key).load() != payload:
        raise StorageFailed(f"{storage.target} does not hold what was written to it")


def _tell(result: str, settings: Settings, record: DeviceRecord, *, as_json: bool) -> None:
    target = settings.storage.target
    if as_json:
        print_json(
            {
                "result": result,
                "target": target,
                "app_id": record.app_id,
                "device_name": record.device_name,
                "app_secret": bool(record.app_secret),
                "workspace_id": record.workspace_id,
                "registered": record.registered,
            }
        )
        return
    facts = [f"{record.app_id} {record.device_name}".strip()]
    if cloud_of(settings.cloud.protocol).registers(settings):
        facts.append(f"AppSecret {as_set(record.app_secret)}")
        facts.append("registered" if record.registered else "not registered yet")
    print_lines([f"{result}: {', '.join(facts)}, in {target}"])

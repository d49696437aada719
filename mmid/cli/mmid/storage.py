"""``mmid storage show``, ``seal`` and ``erase``: the device record from outside."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from mmid.cli.doctor.exposure import record_exposures
from mmid.cli.streams import as_set, print_json, print_lines
from mmid.errors import SettingsInvalid, StorageFailed
from mmid.hal_linux.storage import SlotReport, describe, open_store
from mmid.hal_linux.storage.store_lock import hold_store
from mmid.session.license.record import DeviceRecord
from mmid.settings import Settings, Storage


def storage_show(settings: Settings, options: Namespace) -> int:
    """Print where the record lies, its copies and its fields; secrets are not shown.

    Raises:
        StorageFailed: it cannot be used; what could be read of it was printed.
    """
    storage = settings.storage
    slots = describe(storage.target, storage.key)
    record, failure = try_to_load(storage)
    if options.json:
        print_json(_as_json(storage, slots, record, failure))
    else:
        print_lines(_as_lines(storage, slots, record))
    # Raised at last, so that what could be read is printed, and the exit status tells all the same.
    if failure is not None:
        raise failure
    return 0


def storage_seal(settings: Settings, _: Namespace) -> int:
    """Seal a plain record with the storage key, which the daemon would refuse.

    Raises:
        SettingsInvalid: there is no key.
        StoreInUse: the daemon runs.
        StorageFailed: it cannot be read, or sealed; or a copy was sealed before, so that the
            plain one may be another's.
    """
    storage = settings.storage
    if not storage.key:
        raise SettingsInvalid("storage seal needs a key: give the credential storage_key")
    with hold_store(storage.target):
        failure = try_to_load(storage)[1]
        if failure is None:
            print_lines([f"nothing in {storage.target} is plain"])
            return 0
        if any(slot.sealed for slot in describe(storage.target)):
            raise failure
        payload = open_store(storage.target).load()
        sealed = open_store(storage.target, key=storage.key, force=True)
        if payload is None:
            sealed.erase()
        else:
            sealed.save(payload)
        who = DeviceRecord() if payload is None else DeviceRecord.decode(payload)
    print_lines([f"sealed {storage.target}: {who.app_id or 'no AppId'} {who.device_name}".rstrip()])
    return 0


def storage_erase(settings: Settings, options: Namespace) -> int:
    """Erase the record.

    Raises:
        SettingsInvalid: nobody said yes.
        StoreInUse: the daemon runs.
        StorageFailed: it could not be erased, or is foreign and nobody forces.
    """
    storage = settings.storage
    with hold_store(storage.target):
        loss = _loss(storage)
        if not options.yes:
            raise SettingsInvalid(f"storage erase would lose {loss}; add --yes if that is meant")
        open_store(storage.target, key=storage.key, force=options.force).erase()
        # Opened anew, so that no memory of it can answer.
        if open_store(storage.target, key=storage.key).load() is not None:
            raise StorageFailed(f"{storage.target} still holds a record after it was erased")
    print_lines([f"erased {storage.target}, and with it {loss}"])
    return 0


def _loss(storage: Storage) -> str:
    """Say what erasing would lose."""
    record, failure = try_to_load(storage)
    if failure is not None:
        return f"what cannot be read: {failure}"
    if record is None:
        return "nothing: there is no record"
    who = f"{record.app_id or 'no AppId'} {record.device_name or 'without a name'}"
    if record.registered or record.unopened:
        return (
            f"the registration of {who}, which can be made only once: "
            "the device must be reset in the console before it can register again"
        )
    if record.activated_name:
        return (
            f"the name {record.activated_name} that a cloud has activated this device by: by "
            "another one it is another device there, which is paid for again"
        )
    return f"what {who} was provisioned with"


def try_to_load(storage: Storage) -> tuple[DeviceRecord | None, StorageFailed | None]:
    """Return the device record, and why it cannot be read; None each if there is none."""
    try:
        return load_record(storage), None
    except StorageFailed as error:
        return None, error


def load_record(storage: Storage) -> DeviceRecord | None:
    """Return the device record, None if there is none.

    Raises:
        StorageFailed: it cannot be read.
    """
    payload = open_store(storage.target, key=storage.key).load()
    return None if payload is None else DeviceRecord.decode(payload)


# --- how it is shown ------------------------------------------------------------------------


def _as_lines(
    storage: Storage, slots: list[SlotReport], record: DeviceRecord | None
) -> Iterator[str]:
    yield f"{'target':14} {storage.target}"
    yield f"{'storage key':14} {as_set(storage.key)}"
    for exposure in record_exposures(storage.target):
        yield f"{'open':14} {exposure.text}: {exposure.remedy}"
    for number, slot in enumerate(slots, 1):
        yield f"{f'copy {number}':14} {slot.place}: {_slot(slot)}"
    if record is None:
        yield f"{'record':14} none"
        return
    yield f"{'registered':14} {'yes' if record.registered else 'no'}"
    yield f"{'flags':14} 0x{record.flags:08x}"
    for name, value in _fields(record).items():
        yield f"{name:14} {as_set(value) if isinstance(value, bool) else value or 'not set'}"


def _slot(slot: SlotReport) -> str:
    if slot.problem or not slot.sequence:
        return ", ".join(filter(None, [slot.state, slot.problem]))
    how = "sealed" if slot.sealed else "plain"
    return f"{slot.state}, sequence {slot.sequence}, {slot.size_bytes} bytes, {how}"


def _as_json(
    storage: Storage,
    slots: list[SlotReport],
    record: DeviceRecord | None,
    failure: StorageFailed | None,
) -> dict[str, Any]:
    state = {"registered": record.registered, "flags": record.flags} if record else {}
    return {
        "target": storage.target,
        "storage_key": bool(storage.key),
        "open": [exposure.text for exposure in record_exposures(storage.target)],
        "copies": [asdict(slot) for slot in slots],
        "record": {**state, **_fields(record)} if record else None,
        "error": None if failure is None else str(failure),
    }


def _fields(record: DeviceRecord) -> dict[str, str | bool]:
    """The fields in the order of their bits; of a secret only whether it is set."""
    fields: dict[str, str | bool] = {
        "app_id": record.app_id,
        "app_secret": bool(record.app_secret),
        "device_name": record.device_name,
        "nonce": bool(record.nonce),
        "device_secret": bool(record.device_secret),
        "dialog_id": record.dialog_id,
        "workspace_id": record.workspace_id,
        "pending": record.pending.device_name if record.pending else "",
        "unopened": record.unopened.device_name if record.unopened else "",
        "codec_state": bool(record.codec_state),
        "activated_name": record.activated_name,
    }
    unknown = {f"field {bit}": f"{len(data)} bytes" for bit, data in record.unknown.items()}
    return {**fields, **unknown}

"""What the device record must offer: copies that can be read, a name, a workspace.

The doctor checks it itself, in no fork: to open a sealed record is a process more already.
"""

from mmid.cli.doctor.finding import Finding, Verdict, failed, fine, skipped, warned
from mmid.cli.mmid.storage import load_record
from mmid.errors import StorageFailed
from mmid.hal_linux.storage import SlotReport, SlotState, describe
from mmid.session.clouds import cloud_of
from mmid.session.license.record import DeviceRecord
from mmid.settings import Settings


def check_record(settings: Settings) -> Finding:
    """Whether the device record can be read, in all its copies."""
    target, key = settings.storage.target, settings.storage.key
    try:
        copies = describe(target, key)
        if not key and any(copy.sealed for copy in copies):
            return fine("record", f"{target} holds a sealed record; the daemon has its key")
        record = load_record(settings.storage)
    except StorageFailed as error:
        return failed("record", str(error), _storage_remedy(error))
    damaged = [copy for copy in copies if copy.state is SlotState.DAMAGED]
    if damaged:
        return _damaged(damaged, lost=record is None)
    how = "sealed" if any(copy.sealed for copy in copies) else "plain"
    return _whose(settings, record, how)


def _whose(settings: Settings, record: DeviceRecord | None, how: str) -> Finding:
    """Say which device the record makes of this board; None: there is no record yet."""
    target, cloud = settings.storage.target, cloud_of(settings.cloud.protocol)
    held = record or DeviceRecord()
    name = held.known_as or "no name yet"
    if objection := cloud.objection(settings, held):
        remedy = "Correct license.device_name: by another name the cloud counts another device."
        return failed("record", f"{target} holds {name}: {objection}", remedy)
    if record is not None:
        return fine("record", f"{target} holds {name}, {how}")
    if not cloud.registers(settings):
        return fine("record", f"{target} is empty, as it may be: nothing is registered")
    return warned(
        "record",
        f"{target} is empty: this device was never registered",
        "Provision it (mmid provision) and let mmid connect; it registers by itself.",
    )


def check_workspace(settings: Settings, dialog: Finding) -> Finding:
    """Whether anything names the workspace that the first message of a dialog needs.

    Args:
        settings: one place for it; the device record is another.
        dialog: what was found of the dialog: one that is there has it, from the token.
    """
    try:
        record = load_record(settings.storage) or DeviceRecord()
    except StorageFailed:
        return skipped("workspace", "the record cannot be read, which may name it")
    if workspace := settings.cloud.workspace_id or record.workspace_id:
        return fine("workspace", workspace)
    if not cloud_of(settings.cloud.protocol).registers(settings):
        return fine("workspace", "none, and a dialog here needs none")
    if dialog.verdict is Verdict.OK:
        return fine("workspace", "the token brings it")
    if not record.registered:
        return skipped("workspace", "nothing is registered yet, and the token may bring it")
    return warned(
        "workspace",
        "neither cloud.workspace_id nor the device record names a workspace",
        "A dialog needs one: if the token does not bring it, set cloud.workspace_id.",
    )


def _damaged(copies: list[SlotReport], *, lost: bool) -> Finding:
    text = "; ".join(f"{copy.place}: {copy.problem or 'damaged'}" for copy in copies)
    if lost:
        return failed(
            "record",
            f"no copy can be read: {text}",
            "Look at the flash (dmesg), and at what else writes there; mmid storage show tells "
            "more. A registered name cannot be registered again: ask the vendor to reset it.",
        )
    return warned(
        "record",
        f"one copy cannot be read, the other serves: {text}",
        "Nothing is lost; the next save mends it. If it comes again, the flash is failing.",
    )


def _storage_remedy(error: StorageFailed) -> str:
    if isinstance(error.__cause__, PermissionError):
        return "Run it as root: the record is for root and the daemon alone."
    return error.remedy

"""Which store a ``storage.target`` names, and what lies in it."""

from importlib import import_module
from pathlib import Path

from mmid.errors import StorageFailed
from mmid.frozen import frozen
from mmid.hal_linux.storage.medium import Medium
from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.slots import Copy, SlotState, SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.secrets import Secret

__all__ = ["SlotReport", "SlotState", "describe", "medium_of", "open_store", "paths_of"]

# Kind of target -> module of this package and its class; a board has one, and imports no other.
_MEDIA = {
    "file": ("file_store", "FileMedium"),
    "block": ("block_store", "BlockMedium"),
    "ubi": ("ubi_store", "UbiMedium"),
    "mtd": ("mtd_store", "MtdMedium"),
}


@frozen
class SlotReport:
    """What ``mmid storage show`` tells of one copy.

    Attributes:
        place: where it lies, such as ``/dev/mtd3 at 131072``.
        state: what it is; an erased record counts as blank.
        sequence: number of the record, 0 if there is none.
        size_bytes: length of the plain payload, 0 if there is none.
        sealed: whether the payload is encrypted.
        problem: why it cannot be used, as a part of a sentence; empty if it can.
    """

    place: str
    state: SlotState
    sequence: int = 0
    size_bytes: int = 0
    sealed: bool = False
    problem: str = ""


def open_store(target: str, *, key: Secret | None = None, force: bool = False) -> SlotStore:
    """Return the store for a target such as ``file:/var/lib/mmid/device.bin``.

    Nothing is read or written yet.

    Args:
        target: kind and place, as in ``storage.target``.
        key: 64 hex digits to seal the payload with; None or empty: it is kept plain.
        force: overwrite and erase what is foreign, damaged, or sealed with another key.

    Raises:
        StorageFailed: no store of this kind exists.
    """
    return SlotStore(medium_of(target), sealing=Sealing(key) if key else None, force=force)


def describe(target: str, key: Secret | None = None) -> list[SlotReport]:
    """Return what each copy of the record is; damage and foreign content are no error here.

    Raises:
        StorageFailed: no store of this kind exists, or the device cannot be read at all.
    """
    medium = medium_of(target)
    store = SlotStore(medium, sealing=Sealing(key) if key else None)
    return [_report(medium.places[copy.index], copy, store) for copy in store.inspect()]


def paths_of(target: str) -> list[str]:
    """Return the files or the device that a target names, whether they are there or not."""
    kind, _, place = target.partition(":")
    if kind == "mtd":
        from mmid.hal_linux.storage.mtd_store import device_paths  # noqa: PLC0415 - few have one

        return device_paths(place, SystemCalls())
    return [place, f"{place}.copy"] if kind == "file" else [place]


def medium_of(target: str, calls: SystemCalls | None = None) -> Medium:
    """Return the medium that a target names.

    Args:
        target: as in ``storage.target``.
        calls: the kernel, or what stands for it in a test.

    Raises:
        StorageFailed: no store of this kind exists.
    """
    kind, _, place = target.partition(":")
    named = kind == "mtd" and place.startswith("name=")
    if kind in _MEDIA and (Path(place).is_absolute() or named):
        module, name = _MEDIA[kind]
        medium: Medium = getattr(import_module(f"{__name__}.{module}"), name)(
            place, calls or SystemCalls()
        )
        return medium
    raise StorageFailed(
        f"storage.target {target!r} is not a kind of store; use file:/PATH, block:/dev/NAME, "
        "ubi:/dev/ubiX_Y, mtd:/dev/mtdN or mtd:name=NAME"
    )


def _report(place: str, copy: Copy, store: SlotStore) -> SlotReport:
    record = copy.record
    if record is None:
        return SlotReport(place, copy.state, problem=copy.problem)
    return SlotReport(
        place,
        SlotState.BLANK if record.erased else SlotState.VALID,
        record.sequence,
        record.payload_bytes,
        record.sealed,
        store.problem_with(record),
    )

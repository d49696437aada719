"""Which store a ``storage.target`` names."""

from pathlib import Path

from mmid.errors import StorageFailed
from mmid.hal import Store
from mmid.hal_linux.file_store import FileStore

__all__ = ["open_store"]

_LATER = ("block", "ubi", "mtd")


def open_store(target: str) -> Store:
    """Return the store for a target such as ``file:/var/lib/mmid/device.bin``.

    Nothing is read or written yet.

    Raises:
        StorageFailed: no store of this kind exists.
    """
    kind, _, place = target.partition(":")
    if kind == "file" and Path(place).is_absolute():
        return FileStore(Path(place))
    if kind in _LATER:
        raise StorageFailed(
            f"storage.target {target!r}: {kind}: is not in this version, use file:/PATH"
        )
    raise StorageFailed(f"storage.target {target!r} is not a kind of store, use file:/PATH")

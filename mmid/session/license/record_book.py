"""Keeps the device record in step with its store: few writes, none lost.

Blocking store calls run in a thread, one at a time. The dialog id changes
often and matters little, so it is written at most once a minute, and in one of
the store's two places; everything else is written at once, in both, and read
back before it counts.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from mmid.errors import MmidError, StorageFailed
from mmid.hal import Store
from mmid.session.license.record import DeviceRecord

_log = logging.getLogger(__name__)

_Result = TypeVar("_Result")

# Flash wears: 100 000 erase cycles last 70 days at one write a minute, and
# for ever at the rate at which dialog ids really change.
DIALOG_SAVE_S = 60.0

# 36 characters (license section 1.4), with room for another cloud's; or none.
_DIALOG_ID = re.compile(r"[!-~]{0,64}")


class RecordBook:
    """The record in memory, and its copy in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = asyncio.Lock()
        self._stored = DeviceRecord()
        self._saved_at = -DIALOG_SAVE_S
        self._saver: asyncio.Task[None] | None = None
        self.record = DeviceRecord()

    async def load(self) -> None:
        """Read the store.

        Raises:
            StorageFailed: what is there cannot be read; nothing is assumed instead.
        """
        payload = await asyncio.to_thread(self._store.load)
        self.record = self._stored = DeviceRecord.decode(payload) if payload else DeviceRecord()

    async def save(self, record: DeviceRecord) -> None:
        """Make this the record; it is durable and was read back when this returns.

        Raises:
            StorageFailed: it is not. The record is the old one still, unless one of the store's
                two places holds the new one: the next start would find that.
        """
        dialog_id = self.record.dialog_id
        async with self._lock:
            if self.record.dialog_id != dialog_id:  # it became another one while we waited
                record = replace(record, dialog_id=self.record.dialog_id)
            await self._save_now(record, self._write)

    def remember_dialog(self, dialog_id: str) -> None:
        """Keep the dialog id; it reaches the store within a minute, or by ``close``.

        One that is no id (the cloud may send anything) is not kept.
        """
        if not _DIALOG_ID.fullmatch(dialog_id):
            _log.warning("the cloud's dialog id of %d characters is not kept", len(dialog_id))
            return
        self.record = replace(self.record, dialog_id=dialog_id)
        if self.record != self._stored and self._saver is None:
            self._saver = asyncio.create_task(self._save_later(), name="mmid-record")

    async def erase(self) -> None:
        """Forget the record, in memory and in the store.

        Raises:
            StorageFailed: the store could not be erased.
        """
        self._drop_saver()
        async with self._lock:
            await _to_its_end(asyncio.to_thread(self._store.erase))
            self.record = self._stored = DeviceRecord()

    async def close(self) -> None:
        """Write what waits."""
        self._drop_saver()
        await self._save_quietly()

    def _write(self, payload: bytes) -> None:
        """Write what must not be lost, and look at it as the next start will."""
        self._store.save(payload)
        if self._store.load() != payload:
            raise StorageFailed(f"{self._store.name} does not hold what was written to it")

    def _write_lightly(self, payload: bytes) -> None:
        """Write what the dialog id made of the record: the place left alone lacks only that."""
        self._store.save(payload, both=False)

    def _holds(self, payload: bytes) -> bool:
        """Whether this is what the next start will find."""
        with suppress(StorageFailed):
            return self._store.load() == payload
        return False

    async def _save_later(self) -> None:
        await asyncio.sleep(self._saved_at + DIALOG_SAVE_S - asyncio.get_running_loop().time())
        self._saver = None
        await self._save_quietly()

    async def _save_quietly(self) -> None:
        async with self._lock:
            if self.record == self._stored:
                return
            # More is waiting only where it could be written in one place of two.
            only_dialog = self.record == replace(self._stored, dialog_id=self.record.dialog_id)
            try:
                await self._save_now(
                    self.record, self._write_lightly if only_dialog else self._write
                )
            except MmidError as error:
                what = "dialog id" if only_dialog else "device record"
                told = "the %s was not saved: %s"
                _log.warning(told, what, error, extra=error.journal_fields)

    async def _save_now(self, record: DeviceRecord, write: Callable[[bytes], None]) -> None:
        """Write the record; the caller holds the lock."""
        payload = record.encode()
        before, self.record = self.record, record
        try:
            await _to_its_end(asyncio.to_thread(write, payload))
        except StorageFailed:
            # The first of two places may have been written, and a registration is done once: one
            # that is there must not be taken for lost, and asked for again.
            if not await _to_its_end(asyncio.to_thread(self._holds, payload)):
                # The dialog may have become another one while it was tried.
                self.record = replace(before, dialog_id=self.record.dialog_id)
            raise
        self._stored = record
        self._saved_at = asyncio.get_running_loop().time()

    def _drop_saver(self) -> None:
        if self._saver is not None:
            self._saver.cancel()
            self._saver = None


async def _to_its_end(work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await a thread even when cancelled: it cannot be stopped, and must not overlap the next."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    task.exception()  # asked for, or asyncio complains of it where only the cancellation is told
    if cancelled is not None:
        raise cancelled
    return task.result()

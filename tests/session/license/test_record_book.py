"""Few writes, none lost, none at once."""

import asyncio
import errno
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.file_store import FileMedium
from mmid.hal_linux.storage.slots import SlotStore
from mmid.hal_linux.storage.system_calls import SystemCalls
from mmid.secrets import Secret
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import DIALOG_SAVE_S, RecordBook
from tests.rig.virtual_time import VirtualTime
from tests.session.doubles import MemoryStore

TRIPLE = DeviceRecord(
    app_id="mm_0123", device_name="board1", nonce="ab" * 13, device_secret=Secret("c0" * 16)
)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(TRIPLE.encode())


@pytest.fixture
async def book(store: MemoryStore) -> RecordBook:
    made = RecordBook(store)
    await made.load()
    return made


def decoded(payload: bytes | None) -> DeviceRecord:
    assert payload is not None
    return DeviceRecord.decode(payload)


async def test_an_empty_store_is_an_empty_record() -> None:
    book = RecordBook(MemoryStore())
    await book.load()
    assert book.record == DeviceRecord()


async def test_a_store_that_holds_nonsense_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(StorageFailed, match="damaged"):
        await RecordBook(MemoryStore(b"nonsense")).load()


async def test_a_saved_record_is_found_by_the_next_process(tmp_path: Path) -> None:
    first = RecordBook(open_store(f"file:{tmp_path}/device.bin"))
    await first.load()
    await first.save(TRIPLE)
    second = RecordBook(open_store(f"file:{tmp_path}/device.bin"))
    await second.load()
    assert second.record == TRIPLE


async def test_a_store_that_does_not_hold_what_was_written_is_found_out(
    book: RecordBook, store: MemoryStore
) -> None:
    store.forgetful = True
    with pytest.raises(StorageFailed, match="does not hold what was written"):
        await book.save(replace(TRIPLE, workspace_id="llm-1"))
    assert book.record == TRIPLE


async def test_a_save_that_fails_keeps_the_old_record(book: RecordBook, store: MemoryStore) -> None:
    store.broken = True
    with pytest.raises(StorageFailed, match="write-protected"):
        await book.save(replace(TRIPLE, device_name="board2"))
    assert book.record == TRIPLE
    store.broken = False
    await book.save(replace(TRIPLE, workspace_id="llm-1"))
    assert decoded(store.payload) == replace(TRIPLE, workspace_id="llm-1")


async def test_a_registration_of_which_only_one_copy_could_be_written_is_not_taken_for_lost(
    tmp_path: Path,
) -> None:
    class FullDisk(SystemCalls):
        full = False

        def rename(self, source: str, target: str) -> None:
            if self.full and target.endswith(".copy"):
                raise OSError(errno.ENOSPC, "no space left", target)
            super().rename(source, target)

    disk = FullDisk()
    book = RecordBook(SlotStore(FileMedium(tmp_path / "device.bin", disk)))
    await book.save(replace(TRIPLE, nonce="", device_secret=Secret("")))
    disk.full = True
    with pytest.raises(StorageFailed, match="no space left"):
        await book.save(TRIPLE)
    assert book.record == TRIPLE, "as the next start would have it"
    disk.full = False
    await book.close()
    copies = [(tmp_path / name).read_bytes() for name in ("device.bin", "device.bin.copy")]
    assert copies[0] == copies[1]


async def test_the_dialog_id_is_written_once_a_minute_at_most(
    book: RecordBook, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DIALOG_SAVE_S >= 60
    VirtualTime([], monkeypatch).govern(asyncio.get_running_loop())
    await book.save(TRIPLE)
    began = asyncio.get_running_loop().time()
    for number in range(50):
        book.remember_dialog(f"dialog-{number}")
        await asyncio.sleep(0)
    assert len(store.saved) == 1, "it waits"
    await store.saves(2)
    assert asyncio.get_running_loop().time() - began == pytest.approx(DIALOG_SAVE_S)
    assert decoded(store.payload).dialog_id == "dialog-49"
    await book.close()
    assert len(store.saved) == 2


async def test_the_first_dialog_id_of_a_boot_is_written_at_once(
    book: RecordBook, store: MemoryStore
) -> None:
    book.remember_dialog("dialog-1")
    await store.saves(1)
    assert decoded(store.payload) == replace(TRIPLE, dialog_id="dialog-1")


async def test_what_must_not_be_lost_is_kept_twice_and_the_dialog_id_once(
    book: RecordBook, store: MemoryStore
) -> None:
    await book.save(replace(TRIPLE, workspace_id="llm-1"))
    book.remember_dialog("dialog-1")
    await book.close()
    assert store.saved_in == [2, 1]


async def test_a_dialog_id_that_did_not_change_is_not_written(
    book: RecordBook, store: MemoryStore
) -> None:
    await book.save(replace(TRIPLE, dialog_id="dialog-1"))
    before = asyncio.all_tasks()
    book.remember_dialog("dialog-1")
    assert asyncio.all_tasks() == before
    await book.close()
    assert len(store.saved) == 1


async def test_a_dialog_id_that_changes_back_is_not_written(
    book: RecordBook, store: MemoryStore
) -> None:
    await book.save(replace(TRIPLE, dialog_id="dialog-1"))
    book.remember_dialog("dialog-2")
    book.remember_dialog("dialog-1")
    await book.close()
    assert len(store.saved) == 1


async def test_close_writes_what_waits_and_leaves_no_task(
    book: RecordBook, store: MemoryStore
) -> None:
    await book.save(TRIPLE)
    book.remember_dialog("dialog-1")
    await book.close()
    assert decoded(store.payload).dialog_id == "dialog-1"
    assert len(store.saved) == 2
    await asyncio.sleep(0)  # the saver's turn to see that it was cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_dialog_id_that_cannot_be_written_is_a_warning_and_no_more(
    book: RecordBook, store: MemoryStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.broken = True
    book.remember_dialog("dialog-1")
    with caplog.at_level(logging.WARNING):
        await book.close()
    assert "the dialog id was not saved: memory: is write-protected" in caplog.text
    assert decoded(store.payload) == TRIPLE


async def test_saves_never_overlap(book: RecordBook, store: MemoryStore) -> None:
    records = [replace(TRIPLE, workspace_id=f"llm-{number}") for number in range(5)]
    with store.held_up():
        saves = [asyncio.create_task(book.save(record)) for record in records]
        await store.entered()
    await asyncio.gather(*saves)
    assert not store.overlapped
    assert [decoded(payload) for payload in store.saved] == records


async def test_a_cancelled_save_goes_on_to_its_end_before_the_next_begins(
    book: RecordBook, store: MemoryStore
) -> None:
    with store.held_up():
        first = asyncio.create_task(book.save(replace(TRIPLE, workspace_id="llm-1")))
        await store.entered()
        first.cancel()
        second = asyncio.create_task(book.save(replace(TRIPLE, workspace_id="llm-2")))
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert not store.overlapped
    assert decoded(store.payload).workspace_id == "llm-2"


async def test_a_save_that_is_cancelled_twice_does_not_overlap_the_next_either(
    book: RecordBook, store: MemoryStore
) -> None:
    with store.held_up():
        first = asyncio.create_task(book.save(replace(TRIPLE, workspace_id="llm-1")))
        await store.entered()
        second = asyncio.create_task(book.save(replace(TRIPLE, workspace_id="llm-2")))
        for _ in range(3):
            first.cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    await asyncio.wait({first})
    await second
    assert not store.overlapped
    assert decoded(store.payload).workspace_id == "llm-2"


async def test_a_registration_that_waits_for_a_dialog_id_is_not_overwritten_by_it() -> None:
    store = MemoryStore()
    book = RecordBook(store)
    with store.held_up():
        book.remember_dialog("dialog-1")
        await store.entered()
        registration = asyncio.create_task(book.save(TRIPLE))
        await asyncio.sleep(0)
        closing = asyncio.create_task(book.close())
        await asyncio.sleep(0)
    await asyncio.gather(registration, closing)
    assert book.record.registered
    assert decoded(store.payload).registered


async def test_erase_forgets_the_record_and_what_waits_to_be_written(
    book: RecordBook, store: MemoryStore
) -> None:
    await book.save(TRIPLE)
    book.remember_dialog("dialog-1")
    await book.erase()
    assert book.record == DeviceRecord()
    await asyncio.sleep(0)  # the saver's turn to see that it was cancelled
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await book.close()
    assert store.payload is None
    assert len(store.saved) == 1


async def test_an_erase_that_fails_keeps_the_record(book: RecordBook, store: MemoryStore) -> None:
    store.broken = True
    with pytest.raises(StorageFailed):
        await book.erase()
    assert book.record == TRIPLE


@pytest.mark.parametrize(
    "dialog_id",
    [pytest.param("\ud800", id="half a surrogate pair"), pytest.param("d" * 70_000, id="huge")],
)
async def test_a_dialog_id_that_no_record_can_hold_does_not_stop_the_record(
    book: RecordBook, store: MemoryStore, dialog_id: str
) -> None:
    book.remember_dialog(dialog_id)
    await book.close()
    await book.save(replace(book.record, workspace_id="llm-1", dialog_id=""))
    assert decoded(store.payload).workspace_id == "llm-1"


async def test_a_dialog_that_was_forgotten_during_a_save_that_fails_stays_forgotten(
    book: RecordBook, store: MemoryStore
) -> None:
    book.remember_dialog("the-old-one")
    store.broken = True
    with store.held_up():
        saving = asyncio.create_task(book.save(replace(book.record, device_name="board2")))
        await store.entered()
        book.remember_dialog("")
    with pytest.raises(StorageFailed):
        await saving
    assert (book.record.dialog_id, book.record.device_name) == ("", "board1")


async def test_a_dialog_that_was_forgotten_while_a_save_waits_for_another_stays_forgotten(
    book: RecordBook, store: MemoryStore
) -> None:
    with store.held_up():
        book.remember_dialog("the-old-one")
        await store.entered()
        saving = asyncio.create_task(book.save(replace(book.record, activated_name="board1")))
        await asyncio.sleep(0)
        book.remember_dialog("")
    await saving
    assert (book.record.dialog_id, book.record.activated_name) == ("", "board1")
    await book.close()
    assert decoded(store.payload) == book.record

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage.mtd_store import MtdMedium
from mmid.hal_linux.storage.record_format import encode
from mmid.hal_linux.storage.slots import SlotStore
from tests.hal_linux.storage.medium_doubles import MtdDouble, spliced
from tests.hal_linux.storage.simulated_cuts import store_on

EIGHT_BLOCKS = b"\xff" * (8 * MtdDouble.erase_bytes)


def test_each_half_has_its_copy_in_a_block_of_its_own() -> None:
    double = MtdDouble()
    store_on(double).save(b"payload")
    record = encode(2, b"payload")
    blank = b"\xff" * (4 * MtdDouble.erase_bytes - len(record))
    assert double.state() == (record + blank) * 2


class OneBadBlock(MtdDouble):
    bad = (4,)


def test_a_bad_block_is_skipped_and_moves_no_other_copy() -> None:
    good = MtdDouble()
    store_on(good).save(b"payload")
    bad = OneBadBlock(good.state())
    assert store_on(bad).load() == b"payload"
    store_on(bad).save(b"next")
    assert bad.state().find(encode(3, b"next"), 1) == 5 * MtdDouble.erase_bytes


class LongPages(MtdDouble):
    write_bytes = 2048
    erase_bytes = 131072


def test_what_is_written_is_filled_up_to_a_page() -> None:
    double = LongPages()
    store_on(double).save(bytes(3000))
    assert store_on(double).load() == bytes(3000)
    assert store_on(LongPages(double.state())).load() == bytes(3000)


class TinySectors(MtdDouble):
    erase_bytes = 512
    blocks = 64


def test_a_record_may_need_many_small_blocks() -> None:
    double = TinySectors()
    store_on(double).save(bytes(4096))
    assert store_on(TinySectors(double.state())).load() == bytes(4096)


class AllBad(MtdDouble):
    bad = (0, 1, 2, 3)


class OneBlock(MtdDouble):
    blocks = 1


@pytest.mark.parametrize("kind", [AllBad, OneBlock])
def test_too_few_good_blocks_are_refused(kind: type[MtdDouble]) -> None:
    with pytest.raises(StorageFailed, match="too small: the device record needs 1 good"):
        store_on(kind()).load()


class ReadOnly(MtdDouble):
    flags = 0x800


def test_a_partition_that_is_read_only_is_refused_for_writing() -> None:
    assert store_on(ReadOnly()).load() is None
    with pytest.raises(StorageFailed, match="not writable"):
        store_on(ReadOnly()).save(b"payload")


class NoFlash(MtdDouble):
    write_bytes = 0


def test_what_cannot_be_erased_is_refused() -> None:
    with pytest.raises(StorageFailed, match="not a flash"):
        store_on(NoFlash()).load()


def test_a_device_that_is_no_mtd_device_is_named_with_what_it_must_be() -> None:
    with pytest.raises(StorageFailed, match=r"/dev/null .* must be /dev/mtdN"):
        SlotStore(MtdMedium("/dev/null")).load()


@pytest.mark.parametrize(
    ("offset", "data", "what"),
    [
        (0, b"\x85\x19\x03\x20", "a JFFS2 file system"),
        (0, b"UBI#", "UBI"),
        (4 * MtdDouble.erase_bytes, b"bootcmd=run", "something else"),
        (5000, b"x", "data that is not blank"),
    ],
    ids=["jffs2", "ubi", "unknown", "behind"],
)
def test_what_is_not_ours_is_left_alone(offset: int, data: bytes, what: str) -> None:
    double = MtdDouble(spliced(EIGHT_BLOCKS, offset, data.ljust(12, b"\xff")))
    with pytest.raises(StorageFailed, match=what):
        store_on(double).load()
    with pytest.raises(StorageFailed, match=what):
        store_on(double).save(b"payload")
    assert double.changes == 0
    SlotStore(MtdMedium("/dev/mtd9", double), force=True).save(b"payload")
    assert store_on(double).load() == b"payload"


def named(double: MtdDouble, *names: str) -> SlotStore:
    for number, name in enumerate(names):
        double.files[f"/sys/class/mtd/mtd{number}/name"] = f"{name}\n"
        double.files[f"/sys/class/mtd/mtd{number}ro/name"] = f"{name}\n"
    return SlotStore(MtdMedium("name=mmid", double))


def test_a_partition_is_found_by_its_name() -> None:
    double = MtdDouble()
    store = named(double, *"abcdefghi", "mmid")
    assert store.name == "mtd:name=mmid"
    store.save(b"payload")
    assert store_on(double).load() == b"payload"


@pytest.mark.parametrize(
    ("names", "count"), [(["boot", "mmid2"], "no"), (["mmid", "mmid"], "more than one")]
)
def test_a_name_that_is_not_there_once_is_refused(names: list[str], count: str) -> None:
    with pytest.raises(
        StorageFailed, match=f"there is {count} flash partition of that name: mtd:name=mmid"
    ):
        named(MtdDouble(), *names).load()

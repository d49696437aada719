import pytest

from mmid.hal_linux.storage.medium import signature
from mmid.hal_linux.storage.record_format import INITIAL_BYTES, encode


@pytest.mark.parametrize(
    ("offset", "mark", "name"),
    [
        (0, b"LUKS\xba\xbe", "a LUKS volume"),
        (64, b"_BHRfS_M", "a btrfs file system"),
        (512, b"EFI PART", "a GPT partition table"),
        (1024, b"\x10\x20\xf5\xf2", "an F2FS file system"),
        (1080, b"\x53\xef", "an ext2, ext3 or ext4 file system"),
        (4086, b"SWAPSPACE2", "swap space"),
    ],
)
def test_a_mark_names_what_it_is(offset: int, mark: bytes, name: str) -> None:
    assert signature((bytes(offset) + mark).ljust(8192, b"\x00")) == name
    assert signature((bytes(offset + 1) + mark).ljust(8192, b"\x00")) == ""


def test_a_protective_boot_sector_does_not_hide_the_table_behind_it() -> None:
    assert signature(bytes(510) + b"\x55\xaaEFI PART") == "a GPT partition table"


@pytest.mark.parametrize(
    "data", [b"", bytes(8192), b"\xff" * 8192, INITIAL_BYTES, encode(1, b"hello")]
)
def test_nothing_and_our_own_have_no_mark(data: bytes) -> None:
    assert signature(data) == ""

"""What else may lie on a partition: the marks of file systems and their like.

A settings file that names the wrong partition must not cost anybody a file
system. Anything that is not mmid's is refused anyway; this table makes the
refusal say what it is, and makes it sure where one copy of the record survived
under something newer.
"""

__all__ = ["signature"]

# Offset, bytes, name. First match wins, so the vague ones are last.
_SIGNATURES = (
    (0, b"LUKS\xba\xbe", "a LUKS volume"),
    (0, b"XFSB", "an XFS file system"),
    (0, b"hsqs", "a squashfs image"),
    (0, b"UBI#", "UBI"),
    (0, b"\x31\x18\x10\x06", "a UBIFS file system"),
    (0, b"\xd0\x0d\xfe\xed", "a device tree or FIT image"),
    (0, b"\x27\x05\x19\x56", "a U-Boot image"),
    (0, b"ANDROID!", "an Android boot image"),
    (0, b"\x45\x3d\xcd\x28", "a cramfs image"),
    (64, b"_BHRfS_M", "a btrfs file system"),
    (512, b"EFI PART", "a GPT partition table"),
    (512, b"LABELONE", "an LVM volume"),
    (1024, b"\xe2\xe1\xf5\xe0", "an EROFS file system"),
    (1024, b"\x10\x20\xf5\xf2", "an F2FS file system"),
    (4086, b"SWAPSPACE2", "swap space"),
    (4096, b"EFI PART", "a GPT partition table"),
    (0, b"\x85\x19", "a JFFS2 file system"),
    (510, b"\x55\xaa", "a boot sector, FAT file system or partition table"),
    (1080, b"\x53\xef", "an ext2, ext3 or ext4 file system"),
)


def signature(data: bytes) -> str:
    """Return what the data looks like, or an empty text if nobody knows."""
    for offset, mark, name in _SIGNATURES:
        if data[offset : offset + len(mark)] == mark:
            return name
    return ""

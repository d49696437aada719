import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import system_calls
from mmid.hal_linux.storage.system_calls import SystemCalls

CALLS = SystemCalls()


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = CALLS.open(str(tmp_path / "file"), os.O_RDWR | os.O_CREAT)
    yield opened
    CALLS.close(opened)


def test_what_was_written_at_a_place_is_read_there(descriptor: int) -> None:
    CALLS.pwrite(descriptor, b"hello", 4096)
    assert CALLS.size(descriptor) == 4101
    assert CALLS.pread(descriptor, 5, 4096) == b"hello"
    assert CALLS.pread(descriptor, 100, 4090) == bytes(6) + b"hello"


def test_short_reads_and_writes_are_gone_on_with(
    descriptor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwritev, preadv, write = os.pwritev, os.preadv, os.write
    monkeypatch.setattr(os, "pwritev", lambda fd, bufs, at: pwritev(fd, [bufs[0][:3]], at))
    monkeypatch.setattr(os, "preadv", lambda fd, bufs, at: preadv(fd, [bufs[0][:2]], at))
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:4]))
    CALLS.pwrite(descriptor, b"a longer text", 0)
    assert CALLS.pread(descriptor, 100, 0) == b"a longer text"
    CALLS.write(descriptor, b"another")
    assert CALLS.pread(descriptor, 13, 0) == b"anotherr text"


def test_what_the_kernel_tells_may_hold_a_name_in_any_encoding(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_bytes(b"44 27 8:1 / /media/caf\xe9 rw\n")
    assert CALLS.read_text(str(tmp_path / "mountinfo")) == "44 27 8:1 / /media/caf\ufffd rw\n"


def test_a_descriptor_is_not_inherited(descriptor: int) -> None:
    assert not os.get_inheritable(descriptor)


def test_a_lock_that_somebody_holds_is_waited_for_a_limited_time(
    descriptor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system_calls, "LOCK_TIMEOUT_S", 0.1)
    other = CALLS.open(str(tmp_path / "file"), os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_SH)
    CALLS.flock(descriptor, exclusive=False)
    with pytest.raises(StorageFailed, match=r"has locked the device record for 0\.1 s"):
        CALLS.flock(descriptor, exclusive=True)
    CALLS.close(other)
    CALLS.flock(descriptor, exclusive=True)

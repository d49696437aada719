import os
import threading
from pathlib import Path

import pytest

from mmid.bounded_read import read_named_file


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(path := tmp_path / "pipe")
    return path


def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    (path := tmp_path / "file").write_bytes(b"secret")
    assert read_named_file(path, 6) == b"secret"
    with pytest.raises(OSError, match="it is over 5 bytes"):
        read_named_file(path, 5)


def test_a_pipe_is_read_to_its_end(pipe: Path) -> None:
    writer = threading.Thread(target=pipe.write_bytes, args=[b"secret"])
    writer.start()
    assert read_named_file(pipe, 100) == b"secret"
    writer.join()


def test_a_pipe_that_nobody_writes_into_is_given_up(pipe: Path) -> None:
    with pytest.raises(TimeoutError, match=r"nobody wrote it to its end within 0\.05 s"):
        read_named_file(pipe, 100, wait_s=0.05)


def test_a_pipe_whose_writer_stops_in_the_middle_is_given_up(pipe: Path) -> None:
    both_ends = os.open(pipe, os.O_RDWR)
    os.write(both_ends, b"sec")
    with pytest.raises(TimeoutError):
        read_named_file(pipe, 100, wait_s=0.05)
    os.close(both_ends)


def test_a_device_without_an_end_is_too_long() -> None:
    with pytest.raises(OSError, match="it is over 100 bytes"):
        read_named_file("/dev/zero", 100)


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_named_file(tmp_path, 100)

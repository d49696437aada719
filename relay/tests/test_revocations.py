"""The list of who is let in no more, and the file that is watched."""

import errno
import logging
import os
from pathlib import Path

import pytest

from mmid_relay.metrics import REVOCATIONS_STALE
from mmid_relay.revocations import Revocations
from mmid_relay.settings import Devices, SettingsInvalid


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "revoked"
    path.write_text("# stolen\nradio-1\n\nkey:k0  # of the first batch\n")
    return path


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _watching(file: Path, clock: Clock) -> Revocations:
    return Revocations(Devices(revoked_file=str(file)), clock)


def test_names_and_keys_stand_in_the_file(file: Path, clock: Clock) -> None:
    revocations = _watching(file, clock)
    assert revocations.holds("radio-1", "k1")
    assert revocations.holds("radio-2", "k0")
    assert not revocations.holds("radio-2", "k1")
    assert not revocations.holds("k0", "radio-1")


def test_a_change_is_seen_within_a_second(file: Path, clock: Clock) -> None:
    revocations = _watching(file, clock)
    file.write_text("radio-2\n")
    clock.now += 0.9
    assert not revocations.holds("radio-2", "k1")
    clock.now += 0.1
    assert revocations.holds("radio-2", "k1")
    assert not revocations.holds("radio-1", "k1")


def test_a_copy_that_keeps_the_time_of_its_source_is_seen(file: Path, clock: Clock) -> None:
    file.write_text("radio-1\n")
    before = file.stat()
    revocations = _watching(file, clock)
    file.write_text("radio-2\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    clock.now += 1
    assert revocations.holds("radio-2", "k1")


@pytest.mark.parametrize("content", [b"radio-2\nnot a name\n", b"\xff\xfe", b"x" * 9_000_000])
def test_a_bad_file_changes_nothing_and_is_told(
    file: Path, clock: Clock, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    revocations = _watching(file, clock)
    file.write_bytes(content)
    clock.now += 1
    assert revocations.holds("radio-1", "k1")
    assert not revocations.holds("radio-2", "k1")
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "stays in force" in record.message
    assert REVOCATIONS_STALE._value.get() == 1
    file.write_text("radio-3\n")
    clock.now += 1
    assert revocations.holds("radio-3", "k1")
    assert REVOCATIONS_STALE._value.get() == 0


def test_a_file_that_is_gone_changes_nothing_and_is_told_once(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    revocations = _watching(file, clock)
    file.unlink()
    for _ in range(3):
        clock.now += 1
        assert revocations.holds("radio-1", "k1")
    assert len(caplog.records) == 1
    file.write_text("radio-2\n")
    clock.now += 1
    assert revocations.holds("radio-2", "k1")


def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    revocations = _watching(file, clock)
    file.write_text("radio-2\n")

    def no_descriptor_is_left(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "")

    with monkeypatch.context() as full:
        full.setattr(Path, "open", no_descriptor_is_left)
        for _ in range(3):
            clock.now += 1
            assert revocations.holds("radio-1", "k1")
    assert REVOCATIONS_STALE._value.get() == 1
    assert len(caplog.records) == 1
    clock.now += 1
    assert revocations.holds("radio-2", "k1")
    assert REVOCATIONS_STALE._value.get() == 0


def test_a_pipe_in_the_place_of_the_file_changes_nothing_and_holds_no_request(
    file: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    revocations = _watching(file, clock)
    file.unlink()
    os.mkfifo(file)
    for _ in range(3):
        clock.now += 1
        assert revocations.holds("radio-1", "k1")
    assert [record.getMessage() for record in caplog.records] == [
        "devices.revoked_file: it is no regular file; what was read before stays in force"
    ]


def test_a_file_that_is_bad_at_the_start_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="revoked_file: No such file"):
        Revocations(Devices(revoked_file=str(tmp_path / "none")))
    (tmp_path / "bad").write_text("ok\na b\n")
    with pytest.raises(SettingsInvalid, match="line 2 is neither"):
        Revocations(Devices(revoked_file=str(tmp_path / "bad")))

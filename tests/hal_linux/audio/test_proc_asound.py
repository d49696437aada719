from pathlib import Path

import pytest

from mmid.hal_linux.audio.proc_asound import hardware_format, holders

OWNED = "state: RUNNING\nowner_pid   : {pid}\ntrigger_time: 12.5\n"
RUNNING = """\
access: MMAP_INTERLEAVED
format: S32_LE
subformat: STD
channels: 2
rate: 44100 (44100/1)
period_size: 441
buffer_size: 22050
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A kernel with one card that plays and could record."""
    for pcm, status, params in (
        ("pcm0p", OWNED.format(pid=12), RUNNING),
        ("pcm0c", "closed\n", "closed\n"),
        ("pcm1p", OWNED.format(pid=12), RUNNING),
    ):
        sub = tmp_path / "asound" / "card1" / pcm / "sub0"
        sub.mkdir(parents=True)
        (sub / "status").write_text(status)
        (sub / "hw_params").write_text(params)
    (tmp_path / "12").mkdir()
    (tmp_path / "12" / "comm").write_text("pulseaudio\n")
    return tmp_path


def test_who_has_a_card_open_is_named_once(proc: Path) -> None:
    assert holders(playback=True, proc=proc) == ["pulseaudio (process 12)"]


def test_a_card_that_nobody_has_open_has_no_holder(proc: Path) -> None:
    assert holders(playback=False, proc=proc) == []


def test_a_process_that_cannot_be_seen_is_named_by_its_number(proc: Path) -> None:
    (proc / "12" / "comm").unlink()
    assert holders(playback=True, proc=proc) == ["a process (process 12)"]


def test_what_a_card_runs_at_is_read(proc: Path) -> None:
    assert hardware_format(1, 0, 0, playback=True, proc=proc) == (44100, 2, "S32_LE")


@pytest.mark.parametrize(("card", "playback"), [(1, False), (7, True)])
def test_a_card_that_is_closed_or_not_to_be_seen_is_not_known(
    proc: Path, card: int, playback: bool
) -> None:
    assert hardware_format(card, 0, 0, playback, proc=proc) is None

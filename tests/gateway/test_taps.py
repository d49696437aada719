"""Programs that hear the microphone beside the dialog."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed, Busy
from mmid.gateway.taps import MOST_TAPS
from tests.gateway.board import ALICE, BOB, Board

CHUNK = bytes(range(256)) * 50  # more than a pipe takes at once


@pytest.fixture
def closing() -> Iterator[ExitStack]:
    """Closes pipes after the test."""
    with ExitStack() as stack:
        yield stack


def tap(board: Board, closing: ExitStack, client: str = ALICE) -> int:
    reader = board.gateway.open_microphone(client)
    closing.callback(os.close, reader)
    return reader


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def hear(board: Board, data: bytes = CHUNK) -> None:
    for one in list(board.recorder.taps):
        one.recorder_audio(data)


async def test_several_hear_the_same_and_it_is_shown(board: Board, closing: ExitStack) -> None:
    first, second = tap(board, closing), tap(board, closing, BOB)
    hear(board)
    assert os.read(first, 65536) == os.read(second, 65536) == CHUNK
    assert board.status.listeners == [ALICE, BOB]
    assert board.gateway.level() == 42


async def test_a_tap_holds_nothing_and_a_press_is_as_without(
    board: Board, closing: ExitStack
) -> None:
    tap(board, closing)
    async with board.connected():
        board.gateway.start_speech(BOB)
        assert board.status.talker == BOB
        board.gateway.stop_speech(BOB)
    assert board.status.listeners == [ALICE]
    assert len(board.recorder.taps) == 1


async def test_one_too_many_is_told_so(board: Board, closing: ExitStack) -> None:
    for _ in range(MOST_TAPS):
        tap(board, closing)
    with pytest.raises(Busy, match="4 taps on the microphone are open"):
        board.gateway.open_microphone(BOB)
    assert board.status.listeners == [ALICE] * MOST_TAPS


async def test_a_microphone_that_does_not_open_is_told_as_of_a_press(board: Board) -> None:
    board.recorder.broken = True
    before = open_descriptors()
    with pytest.raises(AudioDeviceFailed):
        board.gateway.open_microphone(ALICE)
    assert open_descriptors() == before
    assert board.status.listeners == []


async def test_a_reader_that_stalls_loses_whole_samples_and_they_are_counted(
    board: Board, closing: ExitStack, caplog: pytest.LogCaptureFixture
) -> None:
    slow, quick = tap(board, closing), tap(board, closing, BOB)
    written = 0
    while not board.status.listener_dropped_bytes:
        hear(board)
        written += len(CHUNK)
        assert os.read(quick, 65536) == CHUNK
    hear(board)
    written += len(CHUNK)
    os.set_blocking(slow, False)
    got = b""
    while len(got) + board.status.listener_dropped_bytes < written:
        got += os.read(slow, 1 << 20)
    assert len(got) + board.status.listener_dropped_bytes == written
    assert len(got) % 2 == 0
    assert len(got) <= fcntl.fcntl(slow, fcntl.F_GETPIPE_SZ)
    assert len([one for one in caplog.messages if "does not read" in one]) == 1
    hear(board)
    assert os.read(slow, 65536) == CHUNK, "it is heard again"


async def test_who_closes_its_end_leaves_the_bus_or_loses_the_device_hears_no_more(
    board: Board, closing: ExitStack
) -> None:
    os.close(board.gateway.open_microphone(ALICE))
    hear(board)
    assert board.status.listeners == []
    assert board.recorder.taps == []
    reader = tap(board, closing)
    other = tap(board, closing, BOB)
    board.gateway.client_left(ALICE)
    assert os.read(reader, 1) == b""
    assert board.status.listeners == [BOB]
    board.recorder.taps[0].recorder_failed(AudioDeviceFailed("it was pulled out"))
    assert os.read(other, 1) == b""
    assert board.status.listeners == []

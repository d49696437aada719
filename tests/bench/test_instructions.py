"""Counting instructions: the plug-in, the floor of echo cancellation, a machine without either."""

import os
import platform
import subprocess
from array import array
from pathlib import Path

import pytest

from bench import instructions
from bench.armhf import compile_plugin, takes_plugins
from bench.bare_echo import BareCanceller
from bench.dialogs import Machine
from bench.figure import Effort
from bench.process import instructions as counted
from mmid.hal_linux.audio.echo.libspeexdsp import FRAME_MS

# Any architecture will do: what counts knows none.
_QEMU = f"qemu-{platform.machine()}"

# One thread after the other goes round so often; then it says so, and waits.
_ROUNDS = """\
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *go_round(void *rounds)
{
    for (volatile long left = (long)rounds; left; left--)
        ;
    return NULL;
}

int main(int count, char **rounds)
{
    pthread_t thread;
    char end;

    for (int i = 1; i < count; i++) {
        pthread_create(&thread, NULL, go_round, (void *)atol(rounds[i]));
        pthread_join(thread, NULL);
    }
    return write(1, ".", 1) != 1 || read(0, &end, 1);
}
"""


def _count(folder: Path, *rounds: int) -> float:
    """Return the millions of instructions of a program that still runs."""
    plugin = f"{folder / 'count_instructions.so'},counts={folder}"
    command = [_QEMU, "-plugin", plugin, str(folder / "rounds"), *map(str, rounds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.read(1) == b"."
        return counted(folder, program.pid)


@pytest.mark.skipif(not takes_plugins(_QEMU), reason=f"no {_QEMU} that takes plug-ins")
def test_what_all_threads_of_a_program_execute_can_be_read_while_it_runs(tmp_path: Path) -> None:
    compile_plugin(tmp_path)
    source = tmp_path / "rounds.c"
    source.write_text(_ROUNDS)
    subprocess.run(["cc", "-O1", "-o", tmp_path / "rounds", source, "-lpthread"], check=True)
    million = 1_000_000
    one = _count(tmp_path, million) - _count(tmp_path, 1)
    assert 1 < one < 10
    three = _count(tmp_path, million, 2 * million) - _count(tmp_path, 1, 1)
    assert abs(three / one - 3) < 0.1


def test_the_floor_of_echo_cancellation_takes_an_echo_out() -> None:
    canceller = BareCanceller(16000)
    count = 16 * FRAME_MS
    heard = cleaned = played = bytes(2 * count)
    for _ in range(100):
        heard, played = (
            played,
            array("h", (20 * (value - 128) for value in os.urandom(count))).tobytes(),
        )
        canceller.play(played)
        cleaned = canceller.clean(heard)
        assert len(cleaned) == len(heard)
    assert _energy(cleaned) < _energy(heard) / 100


def _energy(samples: bytes) -> int:
    return sum(value * value for value in memoryview(samples).cast("h"))


def test_where_no_armhf_debian_can_be_had_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def machine() -> Machine:
        raise subprocess.CalledProcessError(69, "packaging/in-debian")

    monkeypatch.setattr(instructions, "machine", machine)
    assert not list(instructions.measure(Effort()))
    [line] = capsys.readouterr().out.splitlines()
    assert "not counted" in line
    assert "packaging/in-debian" in line

"""The benchmarks work: a run that is too short to mean anything, and the reading of figures."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS, measure_of
from bench.figure import Effort, Figure
from tests.rig.processes import REPOSITORY
from tests.rig.relay import PROGRAM as RELAY

needs_relay = pytest.mark.skipif(
    not RELAY.exists(), reason="mmid-relay is not installed: tools/bootstrap relay"
)


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """A benchmark is a process of its own elsewhere, and sets its environment as it likes."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize(
    "name",
    # Instructions are counted in a Debian of its own, which takes minutes: test_instructions.py.
    [
        pytest.param(name, marks=needs_relay if name == "relay" else ())
        for name in BENCHMARKS
        if name != "instructions"
    ],
)
def test_a_benchmark_still_measures(name: str) -> None:
    figures = list(measure_of(name)(Effort(runs=1, scale=0.02)))
    assert figures
    for figure in figures:
        assert figure.floor_value > 0, figure.name
        assert figure.value >= 0, figure.name
        assert figure.verdict in {"ok", "missed", "-"}


def test_every_benchmark_is_in_the_table_and_says_what_its_floor_is() -> None:
    scripts = {path.stem for path in (REPOSITORY / "bench").glob("*.py")}
    measuring = {name for name in scripts if "def measure(" in _text(name)}
    assert measuring == set(BENCHMARKS)
    for name in BENCHMARKS:
        assert "floor" in (doc := _text(name).partition('"""\n\n')[0]) or "baseline" in doc, name


def _text(name: str) -> str:
    return (REPOSITORY / "bench" / f"{name}.py").read_text()


def test_a_ratio_compares_each_run_with_its_own_baseline() -> None:
    figure = Figure("work", "ms", [10.0, 200.0, 12.0], "less work", [5.0, 100.0, 4.0], 2.0)
    assert figure.ratio == 2.0
    assert figure.verdict == "ok"
    assert Figure("work", "ms", [3.0, 5.0], "fixed", [2.0], 1.9).verdict == "missed"
    assert Figure("work", "ms", [3.0], "told", [2.0]).verdict == "-"


def test_the_table_is_written_as_json_too(tmp_path: Path) -> None:
    file = tmp_path / "figures" / "bench.json"
    command = [sys.executable, "-m", "bench", "imports", "--runs", "1", "--json", str(file)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=60
    )
    assert "imports, websockets" in done.stdout
    told = json.loads(file.read_text())
    assert {figure["unit"] for figure in told["benchmarks"]["imports"]} == {"ms"}
    assert told["benchmarks"].keys() == {"imports"}


def test_a_benchmark_that_is_not_there_is_refused_by_name() -> None:
    command = [sys.executable, "-m", "bench", "nonsense"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=REPOSITORY, timeout=60
    )
    assert done.returncode == 2
    assert "no benchmark nonsense" in done.stderr

"""Runs the benchmarks, prints a table and writes JSON: ``make bench``.

    python -m bench [NAME ...] [--runs N] [--scale X] [--json FILE] [--charts DIRECTORY]

A benchmark is a module of this package with a function ``measure``: it takes an
``Effort`` and yields a ``Figure`` for each line. Its docstring says what it
measures, against what, and why that is the floor. No time is a goal by itself:
every goal is a ratio to a baseline of the same run, so another machine, or one
with other things to do, comes to the same verdict.

A missed goal is a finding, not a failure: the exit status is 0. Of ``turn`` and of
``memory`` charts are drawn; those of the documentation with ``--charts docs``.
"""

import argparse
import compileall
import importlib
import json
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

from bench.chart import Bar, waterfall
from bench.figure import Effort, Figure
from tests.rig.processes import REPOSITORY

# In the order of the table.
BENCHMARKS = (
    "start",
    "imports",
    "idle",
    "rest",
    "memory",
    "turn",
    "instructions",
    "dialog_cpu",
    "codecs",
    "echo",
    "reconnect",
    "endurance",
    "storage_save",
    "dbus_storm",
    "relay",
)

Measure = Callable[[Effort], Iterator[Figure]]

_WIDTH = 55


def measure_of(name: str) -> Measure:
    """Return the function of a benchmark; its module is imported now."""
    return cast("Measure", importlib.import_module(f"bench.{name}").measure)


def line(figure: Figure) -> str:
    """Write one line of the table."""
    goal = "" if figure.goal is None else f"<= {figure.goal:.3g}"
    return (
        f"{figure.name:{_WIDTH}} {figure.value:9.4g} {figure.floor_value:9.4g} {figure.unit:7} "
        f"{figure.ratio:7.2f} {goal:>8} {figure.verdict:7} {figure.floor}"
    )


def run(names: list[str], effort: Effort) -> dict[str, list[Figure]]:
    """Run benchmarks one after the other; each line is printed when it is known."""
    print(
        f"{'figure':{_WIDTH}} {'mmid':>9} {'baseline':>9} {'':7} {'ratio':>7} {'goal':>8} "
        f"{'verdict':7} baseline"
    )
    figures: dict[str, list[Figure]] = {}
    for name in names:
        figures[name] = []
        for figure in measure_of(name)(effort):
            figures[name].append(figure)
            print(line(figure), flush=True)
    return figures


def charts(figures: dict[str, list[Figure]]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each picture that can be drawn of what was measured."""
    if turn := figures.get("turn"):
        # Of the first cloud; the last one tells another time of the same stretch.
        stretches = [one for one in turn if "(" not in one.name][:-1]
        first, *rest = stretches
        bars = [Bar(first.name, first.value, first.floor_value)]
        bars += [Bar(one.name, one.value) for one in rest]
        title = "What mmid adds to a turn, from the press to an interruption"
        yield "performance-turn.svg", waterfall(title, "ms", bars)
    if memory := figures.get("memory"):
        bars = [Bar(one.name.partition(", ")[2], one.value) for one in memory]
        yield "performance-memory.svg", waterfall("Idle memory, private to mmid", "MiB", bars)


def machine() -> dict[str, str]:
    """Say where this was measured, for who compares two files."""
    return {
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=5, help="of each figure (default 5)")
    parser.add_argument("--scale", type=float, default=1.0, help="of a run's length (default 1)")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    parser.add_argument("--charts", type=Path, default=Path("build"), metavar="DIRECTORY")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {' '.join(BENCHMARKS)}")
    # As every package has them: a daemon that compiles its modules is larger by up to 1.7 MiB.
    compileall.compile_dir(REPOSITORY / "mmid", quiet=1)
    figures = run(options.names or list(BENCHMARKS), Effort(options.runs, options.scale))
    told = {name: [figure.plain() for figure in found] for name, found in figures.items()}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**machine(), "benchmarks": told}, indent=1) + "\n")
    written = [options.json]
    for name, picture in charts(figures):
        options.charts.mkdir(parents=True, exist_ok=True)
        written.append(options.charts / name)
        written[-1].write_text(picture, encoding="utf-8")
    every = [figure for found in figures.values() for figure in found]
    missed = sum(figure.verdict == "missed" for figure in every)
    judged = sum(figure.goal is not None for figure in every)
    print(f"{judged - missed} of {judged} goals reached; written to {', '.join(map(str, written))}")


if __name__ == "__main__":
    main()

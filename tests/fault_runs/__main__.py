"""``python -m tests.fault_runs``: dialogs through bad networks, and the numbers.

Exit status 0 if every dialog was answered or ended with an Error, memory is
flat and nothing was left behind; 1 if not, and what was wrong.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.fault_runs import fault_run, report, scenario_run
from tests.rig.board import PROTOCOLS


def main() -> int:
    """Run it; return the exit status."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="mmid-fault-run-") as directory:
        running = _scenarios if options.scenarios else _networks
        shown, wrong = asyncio.run(running(Path(directory), options))
    shown += [f"FAULT        {line}" for line in wrong]
    shown.append("fault runs: FAILED" if wrong else "fault runs: OK")
    sys.stdout.write("\n".join(shown) + "\n")
    return 1 if wrong else 0


async def _networks(directory: Path, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    finished = await fault_run.run(
        directory,
        dialogs=options.dialogs,
        seed=options.seed,
        devices=options.devices,
        protocol=options.protocol,
    )
    title = f"seed {options.seed}, {options.devices} devices in one process"
    return [title, *report.lines(finished)], report.faults(finished.result, options.dialogs)


async def _scenarios(directory: Path, options: argparse.Namespace) -> tuple[list[str], list[str]]:
    played = scenario_run.played(options.protocol)
    each = options.dialogs // len(played)
    result = await scenario_run.run(
        directory,
        dialogs=each,
        seed=options.seed,
        scenarios=played,
        protocol=options.protocol,
    )
    title = f"seed {options.seed}, {each} dialogs in each scenario"
    shown = [title, *scenario_run.lines(result, played)]
    return shown, report.faults(result, each * len(played))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_runs", description=__doc__)
    add = parser.add_argument
    add("--dialogs", type=int, default=500, help="how many in all (default %(default)s)")
    add("--protocol", choices=PROTOCOLS, default=PROTOCOLS[0], help="which cloud they talk with")
    add("--seed", type=int, default=1, help="of everything that is drawn")
    add("--devices", type=int, default=10, help="at once (default %(default)s)")
    add("--scenarios", action="store_true", help="no network: each scenario of simcloud's own")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.fault_runs``: dialogs through bad networks, and the numbers.

Exit status 0 if every dialog was answered or ended with an Error, memory is
flat and nothing was left behind; 1 if not, and what was wrong.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.fault_runs.fault_run import run
from tests.fault_runs.report import faults, lines


def main() -> int:
    """Run it; return the exit status."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="mmid-fault-run-") as directory:
        finished = asyncio.run(
            run(
                Path(directory),
                dialogs=options.dialogs,
                seed=options.seed,
                devices=options.devices,
            )
        )
    wrong = faults(finished, options.dialogs)
    shown = [
        f"seed {options.seed}, {options.devices} devices in one process",
        *lines(finished),
        *(f"FAULT        {line}" for line in wrong),
        "fault runs: FAILED" if wrong else "fault runs: OK",
    ]
    sys.stdout.write("\n".join(shown) + "\n")
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fault_runs", description=__doc__)
    parser.add_argument("--dialogs", type=int, default=500, help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is drawn")
    parser.add_argument("--devices", type=int, default=10, help="at once (default %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

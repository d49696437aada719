"""Runs a script in a Python of its own, which has imported nothing yet."""

import os
import subprocess
import sys
from pathlib import Path

from tests.rig.processes import REPOSITORY

_LIMIT_S = 30.0


def run_script(script: str, **environment: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a script in the checkout, with more variables than ours; it must end with status 0."""
    more = {name: str(value) for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **more},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
        timeout=_LIMIT_S,
    )

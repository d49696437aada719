"""The demo, where it shows that a package works: on a machine that has no tools for tests."""

import subprocess
import sys

from tests.rig.processes import REPOSITORY

_PROGRAM = """\
import sys
for name in ("pytest", "hypothesis", "av"):
    sys.modules[name] = None
import demo.__main__
"""


def test_the_demo_needs_no_tools_for_tests() -> None:
    subprocess.run([sys.executable, "-c", _PROGRAM], cwd=REPOSITORY, check=True, timeout=60)

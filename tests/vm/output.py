"""What the test tells on standard output."""

import sys
from pathlib import Path

# "vm-test" of ``python -m tests.vm``, and so on.
_TEST = f"{Path(sys.argv[0]).parent.name}-test"


def say(text: str) -> None:
    """Write one line at once."""
    sys.stdout.write(f"{_TEST}: {text}\n")
    sys.stdout.flush()

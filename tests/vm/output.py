"""What the test tells on standard output."""

import sys

__all__ = ["say"]


def say(text: str) -> None:
    """Write one line at once."""
    sys.stdout.write(f"vm-test: {text}\n")
    sys.stdout.flush()

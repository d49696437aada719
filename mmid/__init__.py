"""mmid: the voice gateway daemon that turns a Linux board into a voice device."""

__version__ = "0.1.0"

# No board can run this release before it was made: a clock that shows an
# earlier time was never set. 2026-11-20T00:00:00Z in Unix milliseconds.
RELEASED_MS = 1_795_132_800_000

"""``make fuzz``: every target for a minute, or with another seed, for longer, or only one."""

import argparse
import asyncio
import faulthandler
import random
import sys
import time

from tests.fuzz.harness import fuzz, names


def main() -> int:
    """Fuzz; return 1 if something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(names())}")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))  # noqa: S311
    parser.add_argument("--count", type=int, default=0, help="inputs of each target")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target")
    given = parser.parse_args()
    found: list[str] = []
    for name in given.targets or names():
        print(f"{name}, seed {given.seed} ...", flush=True)
        seconds = 0.0 if given.count else given.seconds
        # For what hangs in C: says where, and ends; the input is in build/fuzz/NAME-last.
        faulthandler.dump_traceback_later(seconds + 120 + given.count, exit=True)
        began = time.monotonic()
        found += (news := asyncio.run(fuzz(name, given.seed, given.count, seconds)))
        print(*news, f"{name}: {time.monotonic() - began:.0f} s", sep="\n", flush=True)
    print(f"fuzz: {len(found)} findings" if found else "fuzz: OK")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

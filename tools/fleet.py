"""A fleet loses its cloud: how hard does it knock, and how soon is it back?

    python -m tools.fleet                                # a million devices, ten minutes
    python -m tools.fleet --capacity 20000               # the cloud lets in so many a second
    python -m tools.fleet --devices 10000 --outage-s 60

Simulates every device with the daemon's own ``Backoff``. The model is the
worst case: all connections break in one instant, and a device learns at once
that an attempt failed. docs/fleet.md argues the constants with its figures.
"""

import argparse
import math
import random
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmid.session.backoff import HEALTHY_S, Backoff


@dataclass(slots=True)
class Outcome:
    """What an outage was like.

    Attributes:
        attempts: connection attempts in each second after the break.
        back: devices that came back in each second after the cloud did.
        outage_s: how long the cloud was away.
    """

    outage_s: int
    attempts: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)

    def peak(self, begin_s: int, end_s: int | None = None) -> int:
        """Return the most attempts in one second of a stretch of time."""
        return max(self.attempts[begin_s:end_s], default=0)

    def back_after_s(self, share: float) -> int:
        """Return the seconds after the cloud's return until this share of the fleet is back."""
        wanted = math.ceil(share * sum(self.back))
        come = 0
        for second, count in enumerate(self.back, start=1):
            come += count
            if come >= wanted:
                return second
        return len(self.back)


class Fleet:
    """Devices that all lose a healthy dialog in one instant.

    Args:
        devices: how many.
        seed: the same seed gives the same outcome.
    """

    def __init__(self, devices: int, seed: int = 1) -> None:
        draw = random.Random(seed).random  # noqa: S311 - not a secret
        self._backoffs = [Backoff(draw) for _ in range(devices)]

    def outage(self, outage_s: int, capacity: int | None = None) -> Outcome:
        """Run until the last device is back.

        Args:
            outage_s: whole seconds in which every attempt fails.
            capacity: connections a second that the cloud lets in afterwards; None: all.
        """
        outcome = Outcome(outage_s)
        due = array("d", bytes(8 * len(self._backoffs)))
        calendar: defaultdict[int, list[int]] = defaultdict(list)
        for device, backoff in enumerate(self._backoffs):
            backoff.succeeded(HEALTHY_S)
            due[device] = backoff.next_wait()
            calendar[int(due[device])].append(device)
        second = 0
        while calendar:
            today = calendar.pop(second, [])
            room = 0 if second < outage_s else capacity or len(self._backoffs)
            let_in = 0
            for device in today:  # grows while it is read: two attempts in a second
                if let_in < room:
                    let_in += 1
                    continue
                due[device] += self._backoffs[device].next_wait()
                again = int(due[device])
                (today if again == second else calendar[again]).append(device)
            outcome.attempts.append(len(today))
            if second >= outage_s:
                outcome.back.append(let_in)
            second += 1
        return outcome


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one outage and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_AsItStands)
    parser.add_argument("--devices", type=int, default=1_000_000)
    parser.add_argument("--outage-s", type=int, default=600)
    parser.add_argument("--capacity", type=int, help="connections a second (default: no limit)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    outcome = Fleet(options.devices, options.seed).outage(options.outage_s, options.capacity)
    _report(options.devices, outcome)


class _AsItStands(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """The text as it is written, and the defaults."""


def _report(devices: int, outcome: Outcome) -> None:
    end = outcome.outage_s

    def rate(count: int) -> str:
        return f"{count:>10} /s   {count / devices:8.2%} of the fleet"

    print(f"{devices} devices, {end} s without the cloud")
    print("attempts, the busiest second of")
    for begin, until in ((0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 60), (60, end)):
        if begin < end:
            print(f"  {begin:>4} to {min(until, end):>4} s  {rate(outcome.peak(begin, until))}")
    print(f"  after its return {rate(outcome.peak(end))}")
    print(f"attempts a device in all: {sum(outcome.attempts) / devices:.1f}")
    print("back after the cloud's return")
    for share in (0.5, 0.9, 0.99, 1.0):
        print(f"  {share:>4.0%}  {outcome.back_after_s(share):>4} s")


if __name__ == "__main__":
    main()

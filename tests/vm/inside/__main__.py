"""The checks of this start of the machine: waits for the order, and runs them."""

import time
from pathlib import Path

from tests.vm.inside.channel import next_order, report
from tests.vm.inside.checks import run_checks, send_journal


def main() -> None:
    """Wait until the host says what to run, and run it."""
    report("armed")
    order = next_order()
    time.clock_settime(time.CLOCK_REALTIME, order["now"])  # the machine may have slept for days
    run_checks(order["checks"], "tests.vm.inside", Path("/run/mmid-vm"))
    send_journal()


if __name__ == "__main__":
    main()

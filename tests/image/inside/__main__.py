"""What the host orders, as often as it does, until it says to power off."""

import subprocess
from pathlib import Path

from tests.image.inside import true_time
from tests.vm.inside.channel import next_order, report
from tests.vm.inside.checks import run_checks, send_journal


def main() -> None:
    """Take orders until one of them is to power off."""
    report("armed", state=Path("/run/image-test.state").read_text().strip())
    while not (order := next_order()).get("off"):
        true_time.learn(order["now"])
        run_checks(order["checks"], "tests.image.inside", Path("/run/image-test"))
        send_journal()
    subprocess.run(["systemctl", "poweroff"], check=True)


if __name__ == "__main__":
    main()

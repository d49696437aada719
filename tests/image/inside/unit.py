"""mmid.service, as systemd knows it."""

from tests.image.inside.shell import run

UNIT = "mmid.service"


def show(name: str) -> str:
    """Return a property of the unit, by its name in systemctl(1)."""
    return run("systemctl", "show", "--property", name, "--value", UNIT).strip()


def main_pid() -> int:
    """Return the daemon's process, 0 if it does not run."""
    return int(show("MainPID"))

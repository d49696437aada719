"""A virtual machine that says what a test wants, for the judges of what machines report."""

from collections.abc import Iterator

from tests.vm.machine import Machine, Report


class Scripted(Machine):
    """Reports what it is told to, and counts how often its plug is pulled; QEMU is not started."""

    def __init__(self, *reports: Report) -> None:
        self._reports = reports
        self.pulled = 0

    def reports(self) -> Iterator[Report]:
        yield from self._reports

    def pull_the_plug(self) -> None:
        self.pulled += 1

"""What every way to prove oneself by a relay has in common: how it is asked, and may refuse.

A relay that does not let the board in is not asked again until somebody acts, and one that
names a time is left alone so long. What is asked for, the way itself knows.
"""

import random
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from mmid.errors import MmidError
from mmid.hal import Clock
from mmid.secrets import masked
from mmid.session.access import Access
from mmid.session.effects import Next
from mmid.session.license.codes import Remedy
from mmid.session.license.refusals import LicenseTrouble
from mmid.session.license.service import https_endpoint
from mmid.session.relay import AskRelay, RelayBusy, RelayRefused
from mmid.settings import Settings
from mmid.status import LicenseState, Status


class RelayAccess(Access):
    """A way to prove oneself that asks a relay, or may do so by other settings.

    Args:
        settings: who this device is, and how it proves itself to the relay.
        clock: when it was refused.
        status: shows how far we are.
        ask: asks the relay.
    """

    def __init__(self, settings: Settings, *, clock: Clock, status: Status, ask: AskRelay) -> None:
        self._settings = settings
        self._clock, self._status, self._ask = clock, status, ask
        self._let_in = False  # by the cloud, with this proof, since mmid started
        self._trouble: LicenseTrouble | None = None
        self._wait_s = 0.0

    def forgive(self) -> None:
        self._trouble = None
        self.show()

    def after(self, error: MmidError) -> Next | None:
        if isinstance(error, RelayBusy):
            self._wait_s = error.wait_s
            return Next.HOURS
        if isinstance(error, RelayRefused):
            return self._stop(error, Remedy.FIX_CLOCK if error.clock else Remedy.FIX_SETTINGS)
        return None

    def long_wait_s(self) -> float:
        """Return how long the relay asked us to stay away, and a little more, by chance."""
        wait_s, self._wait_s = self._wait_s, 0.0
        # S311 is about keys: this is a spread, so that a fleet does not come back at one moment.
        return wait_s * random.uniform(1, 1.25) if wait_s else super().long_wait_s()  # noqa: S311

    @property
    def clock_refused(self) -> bool:  # type: ignore[override]  # it changes here
        """Whether it is our clock that the relay does not accept."""
        return self._trouble is not None and self._trouble.remedy is Remedy.FIX_CLOCK

    def describe(self) -> str:
        if missing := self._missing():
            return f"not provisioned: {missing}"
        return f"refused: {self._trouble.message}" if self._trouble else ""

    @abstractmethod
    def _missing(self) -> str:
        """Say what of the settings keeps us from asking anybody; empty: nothing."""

    def _show_license(self, mode: str, **facts: Any) -> None:
        """Show how far we are, with what only this way knows."""
        state = LicenseState.AUTHORIZED if self._let_in else LicenseState.REGISTERED
        if self._trouble is not None:
            state = LicenseState.REFUSED
        if self._missing():
            state = LicenseState.UNPROVISIONED
        error = self._trouble.to_plain() if self._trouble else {}
        self._status.update(license_mode=mode, license_state=state, license_error=error, **facts)

    def _stop(self, error: MmidError, remedy: Remedy, message: str = "") -> Next:
        """Show what stands in the way until somebody acts."""
        told = message or f"{error}. {error.advice}"
        trouble = LicenseTrouble(error.code, told, remedy, self._clock.now_ms())
        self._trouble = trouble.after(self._trouble)
        self.show()
        return Next.STOP

    async def _ask_relay(self, url: str, question: Mapping[str, str | int]) -> dict[str, Any]:
        """Ask; raises as ``ask_relay``, without the device's name in any text."""
        name = str(question["deviceName"])
        try:
            return await self._ask(https_endpoint(url, self._settings, "relay"), question)
        except MmidError as error:
            error.args = tuple(str(text).replace(name, masked(name)) for text in error.args)
            raise

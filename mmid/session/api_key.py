"""How a board proves itself to a cloud that wants an API key, and no more.

Nothing is registered, stored or fetched. Whether a key is good, the answer
to the upgrade alone tells. One that was refused is not tried again until somebody gives
another or asks to: it would be refused again.
"""

from mmid.errors import MmidError, NotProvisioned
from mmid.hal import Clock
from mmid.session.access import Access, Credential
from mmid.session.effects import Next
from mmid.session.endpoint import CredentialRefused
from mmid.session.license.codes import Remedy
from mmid.session.license.refusals import LicenseTrouble
from mmid.settings import Settings
from mmid.status import LicenseState, Status


class ApiKey(Access):
    """The key of the settings is the credential.

    Args:
        settings: the key.
        clock: when a key was refused.
        status: shows whether there is a key, and what the cloud thought of it.
    """

    def __init__(self, settings: Settings, *, clock: Clock, status: Status, **_: object) -> None:
        self._settings = settings
        self._clock = clock
        self._status = status
        self._accepted = False
        self._trouble: LicenseTrouble | None = None

    def show(self) -> None:
        given = self._settings.license
        state = LicenseState.AUTHORIZED if self._accepted else LicenseState.REGISTERED
        if self._trouble is not None:
            state = LicenseState.REFUSED
        if not given.api_key:
            state = LicenseState.UNPROVISIONED
        self._status.update(
            app_id="",
            device_name=given.device_name,
            registered=False,
            license_mode="api-key",
            license_state=state,
            license_error=self._trouble.to_plain() if self._trouble else {},
        )

    async def credential(self) -> Credential:
        self.show()
        if not self._settings.license.api_key:
            raise NotProvisioned(
                "this device is not provisioned: license.api_key is not set",
                advice="Give the credential api_key, or set license.api_key.",
            )
        return Credential(self._settings.license.api_key)

    def accepted(self) -> None:
        self._accepted, self._trouble = True, None
        self.show()

    def after(self, error: MmidError) -> Next | None:
        if not isinstance(error, CredentialRefused):
            return None
        now_ms = self._clock.now_ms()
        message = f"{error}. Set another license.api_key, or look for this one in the console"
        self._accepted = False
        self._trouble = LicenseTrouble(error.code, message, Remedy.FIX_SETTINGS, now_ms)
        self.show()
        return Next.STOP

    def forgive(self) -> None:
        self._trouble = None
        self.show()

    def use(self, settings: Settings) -> None:
        if settings.license.api_key != self._settings.license.api_key:
            self._accepted, self._trouble = False, None
        self._settings = settings
        self.show()

    def describe(self) -> str:
        if self._trouble is not None:
            return f"the cloud refused the API key: {self._trouble.message}"
        return "" if self._settings.license.api_key else "not provisioned: set license.api_key"

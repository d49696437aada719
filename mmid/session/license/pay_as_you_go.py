"""Pay-as-you-go as an ``Access``: the API key is the credential, and nobody is asked for one."""

from mmid.errors import NotProvisioned
from mmid.session.access import Access
from mmid.session.license.access import LicenseCredential, who_we_are
from mmid.session.license.record_book import RecordBook
from mmid.settings import Settings
from mmid.status import LicenseState, Status


class PayAsYouGo(Access):
    """Turns settings and record into a ``LicenseCredential``.

    Args:
        settings: the product, the device and the key.
        book: the device record; a device that was registered before stays who it is.
        status: shows whether the settings are complete.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        book: RecordBook,
        status: Status,
        **_: object,  # a clock and a service: nothing is signed, and nobody is asked
    ) -> None:
        self._settings = settings
        self._book = book
        self._status = status

    def show(self) -> None:
        record = self._book.record
        state = LicenseState.AUTHORIZED
        try:
            app_id, name = self._identity()
        except NotProvisioned:
            state, app_id, name = LicenseState.UNPROVISIONED, record.app_id, record.device_name
        self._status.update(
            app_id=app_id,
            device_name=name,
            registered=record.registered,
            license_mode=self._settings.license.mode,
            license_state=state,
            dialog_id=record.dialog_id,
        )

    async def credential(self) -> LicenseCredential:
        try:
            app_id, name = self._identity()
        finally:
            self.show()
        key = self._settings.license.api_key
        return LicenseCredential(key, app_id, name, self._settings.cloud.workspace_id)

    def _identity(self) -> tuple[str, str]:
        given = self._settings.license
        return who_we_are(given, self._book.record, {"license.api_key": given.api_key})

    def use(self, settings: Settings) -> None:
        self._settings = settings
        self.show()

    def describe(self) -> str:
        unprovisioned = self._status.license_state is LicenseState.UNPROVISIONED
        return "not provisioned: set license.app_id and license.api_key" if unprovisioned else ""

"""How a board proves itself to a cloud that wants an API key, and no more.

The key is at hand (``license.api_key``), or a relay gives one for a short time: then no key is
on the board, and each connection fetches its own. Nothing is registered or stored. Whether a
key is good, the answer to the upgrade alone tells. One that was refused is not tried again
until somebody gives another or asks to: it would be refused again.
"""

import re
from typing import Any

from mmid.errors import HttpFailed, MmidError, NotProvisioned
from mmid.hal import Clock
from mmid.secrets import Secret, shown_url
from mmid.session.access import Credential
from mmid.session.effects import Next
from mmid.session.endpoint import CredentialRefused
from mmid.session.license.codes import Remedy
from mmid.session.license.messages import SERVICE_TIMES_MS
from mmid.session.license.record_book import RecordBook
from mmid.session.relay import AskRelay, RelayRefused, ask_relay
from mmid.session.relay_access import RelayAccess
from mmid.settings import Settings
from mmid.status import Status

# What fits into an HTTP header, and is no longer than any key.
_KEY = re.compile(r"[!-~]{1,1024}")


class ApiKey(RelayAccess):
    """The key of the settings is the credential, else one that the relay gives for it.

    One class for both, because a reload of the settings may go from one to the other.

    Args:
        settings: the key, or where a relay gives one.
        book: the device's name, if the settings have none.
        clock: when a key was refused.
        status: shows whether there is a key, and what the cloud thought of it.
        ask: asks the relay.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        book: RecordBook,
        clock: Clock,
        status: Status,
        ask: AskRelay = ask_relay,
        **_: object,
    ) -> None:
        super().__init__(settings, clock=clock, status=status, ask=ask)
        self._book = book
        self._fetched_anew = False
        self._expiry_ms = 0

    def show(self) -> None:
        self._show_license(
            "temporary-key" if self._temporary else "api-key",
            app_id="",
            device_name=self._device_name,
            registered=False,
            token_expiry=self._expiry_ms,
        )

    async def credential(self) -> Credential:
        self.show()
        if missing := self._missing():
            raise NotProvisioned(
                f"this device is not provisioned: {missing}",
                advice="Give the credential api_key, or set license.api_key; or, where a relay "
                "gives temporary keys, set license.token_url and license.device_name.",
            )
        if not self._temporary:
            return Credential(self._settings.license.api_key)
        return await self._fetch()

    def accepted(self) -> None:
        self._let_in, self._fetched_anew, self._trouble = True, False, None
        self.show()

    def after(self, error: MmidError) -> Next | None:
        if isinstance(error, CredentialRefused | RelayRefused):
            self._let_in, self._expiry_ms = False, 0
        if not isinstance(error, CredentialRefused):
            return super().after(error)
        if self._temporary and not self._fetched_anew:
            # It may have expired on its way, or not every server of the cloud knows it yet.
            self._fetched_anew = True
            self.show()
            return Next.RETRY
        return self._stop(error, Remedy.FIX_SETTINGS)

    def forgive(self) -> None:
        self._fetched_anew = False
        super().forgive()

    def use(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        if settings.license != before.license:
            self._let_in = self._fetched_anew = False
            self._expiry_ms, self._trouble = 0, None
        self.show()

    @property
    def _temporary(self) -> bool:
        """Whether the key comes from a relay."""
        given = self._settings.license
        return bool(given.token_url and not given.api_key)

    @property
    def _device_name(self) -> str:
        return self._settings.license.device_name or self._book.record.device_name

    def _missing(self) -> str:
        if self._temporary:
            return "" if self._device_name else "license.device_name not set"
        key = self._settings.license.api_key
        return "" if key else "license.api_key or license.token_url not set"

    async def _fetch(self) -> Credential:
        """Fetch a key for one connection."""
        url = self._settings.license.token_url
        answer = await self._ask_relay(url, {"deviceName": self._device_name})
        token = answer.get("token")
        if not isinstance(token, str) or not _KEY.fullmatch(token):
            raise HttpFailed(
                f"The relay at {shown_url(url)} answered without a token that fits into a header",
                advice="Check that license.token_url is where the relay gives temporary keys.",
            )
        key = Secret(token)
        self._expiry_ms = _unix_ms(answer.get("expires_at"))
        self.show()
        return Credential(key)


def _unix_ms(seconds: Any) -> int:
    """Return Unix seconds as milliseconds; 0 for what is no time of this century."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return 0
    known = SERVICE_TIMES_MS.start <= seconds * 1000 < SERVICE_TIMES_MS.stop
    return int(seconds * 1000) if known else 0

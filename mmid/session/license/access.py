"""Alibaba's license as an ``Access``: has this device registered, and holds a fresh token."""

import logging
import os
import random
from collections.abc import Mapping
from dataclasses import field, replace
from functools import partial

from mmid.child import to_plain
from mmid.errors import LicenseRefused, MmidError, NotProvisioned, RegistrationUnreadable
from mmid.frozen import frozen
from mmid.hal import Clock
from mmid.secrets import Secret
from mmid.session.access import Access, Credential, Rehearse
from mmid.session.effects import Next
from mmid.session.endpoint import CredentialRefused
from mmid.session.license.codes import CodeClass, Remedy, lookup
from mmid.session.license.messages import (
    BUILT_IN,
    ExchangeRequest,
    Identity,
    Kind,
    TaskSignature,
    Token,
)
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import (
    LicenseTrouble,
    Refusals,
    long_wait_s,
    refused,
    unreadable,
)
from mmid.session.license.registrar import Registrar
from mmid.session.license.service import Exchange, LicenseService
from mmid.settings import License, Settings
from mmid.status import LicenseState, Status

_log = logging.getLogger(__name__)

# A token must outlive the connect it is fetched for. It is given up a little
# earlier still, each by another share of its life: devices that got theirs at
# one moment, after an outage, do not come back for the next at one moment.
_TOKEN_MARGIN_MS = 5000
_TOKEN_SPREAD = 0.2

_ACTIVATED_BEFORE = "100025"


@frozen
class LicenseCredential(Credential):
    """What a dialog connects with.

    Attributes:
        app_id: AppId of the product.
        device_name: name of this device; may be empty in pay-as-you-go mode.
        workspace_id: from the settings, else from the license service, else empty.
        task_id: the connection's task, 32 hex digits; empty if any will do.
        signature: what to put into its first message; empty for nothing.
        request_ip: the address that the license service saw us at, or empty.
    """

    app_id: str
    device_name: str
    workspace_id: str
    task_id: str = ""
    signature: Mapping[str, str] = field(default_factory=dict)
    request_ip: str = ""


class LicenseAccess(Access):
    """Turns settings and record into a ``LicenseCredential``, asking the service where needed.

    Args:
        settings: which product and device this is, and where the service is.
        book: the device record.
        clock: the time to sign with.
        status: shows how far we are.
        exchange: sends one request to the service.
        rehearse: goes the way to the cloud, before the device registers.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        book: RecordBook,
        clock: Clock,
        status: Status,
        exchange: Exchange,
        rehearse: Rehearse,
        **_: object,  # what other ways to prove it need
    ) -> None:
        self._settings = settings
        self._book = book
        self._clock = clock
        self._status = status
        self._rehearse = rehearse
        self._service = LicenseService(settings, clock, exchange)
        self._token: _HeldToken | None = None
        self._trouble: LicenseTrouble | None = None
        self._refusals = Refusals()
        self._registrar = Registrar(self._service, book, self._refusals)
        if settings.license.mode == "semi-managed" and settings.license.api_key:
            _log.warning(
                "license.api_key is not used when semi-managed: it belongs on your server, "
                "remove it from this board"
            )

    def show(self) -> None:
        record = self._book.record
        state = LicenseState.UNREGISTERED
        if self._refusals.refused:
            state = LicenseState.REFUSED
        elif self._token is not None:
            state = LicenseState.AUTHORIZED
        elif record.registered:
            state = LicenseState.REGISTERED
        try:
            identity = self._identity()
        except NotProvisioned:
            state = LicenseState.UNPROVISIONED
            identity = Identity(record.app_id, Secret(""), record.device_name)
        self._status.update(
            app_id=identity.app_id,
            device_name=identity.device_name,
            registered=record.registered,
            license_mode=self._settings.license.mode,
            license_state=state,
            license_error=self._trouble.to_plain() if self._trouble else {},
            token_expiry=self._token.expiry_ms if self._token else 0,
            dialog_id=record.dialog_id,
        )

    async def credential(self) -> LicenseCredential:
        try:
            return await self._credential()
        except RegistrationUnreadable as error:
            self._complain(unreadable(error, self._clock.now_ms()))
            raise
        finally:
            self.show()

    def use(self, settings: Settings) -> None:
        before, self._settings = self._settings, settings
        self._service.use(settings)
        if _asked(before) != _asked(settings):
            self._token = None
            self.forgive()

    def forget(self) -> None:
        self._token = None
        self._nothing_stands_in_the_way()
        self.show()

    def forgive(self) -> None:
        self._refusals.forgive()
        self._trouble = None
        self.show()

    async def see_through(self) -> None:
        await self._registrar.see_through()

    def after(self, error: MmidError) -> Next | None:
        if isinstance(error, CredentialRefused):
            self._token = None
        if not isinstance(error, LicenseRefused):
            return None
        following = self._refusals.note(error.license_code)
        self._complain(refused(error, following, self._clock.now_ms()))
        self.show()
        return following

    def long_wait_s(self) -> float:
        code = self._trouble.code if self._trouble else ""
        return long_wait_s(code, self._service.now_ms(), random.random())  # noqa: S311 - a spread

    def waiting(self, wait_s: float | None) -> None:
        if self._trouble is not None:
            next_ms = 0 if wait_s is None else self._clock.now_ms() + round(wait_s * 1000)
            self._trouble = replace(self._trouble, next_attempt_ms=next_ms)
            self.show()

    @property
    def clock_refused(self) -> bool:  # type: ignore[override]  # it changes here
        """Whether it is our clock that the service does not accept."""
        return self._trouble is not None and self._trouble.remedy is Remedy.FIX_CLOCK

    def describe(self) -> str:
        if self._status.license_state is LicenseState.UNPROVISIONED:
            return "not provisioned: set license.app_id and the others"
        if self._trouble is None:
            return ""
        trouble = self._trouble
        return f"no license, {trouble.code} ({trouble.remedy}): {trouble.message}"

    def _complain(self, trouble: LicenseTrouble) -> None:
        self._trouble = trouble.after(self._trouble)

    def _nothing_stands_in_the_way(self) -> None:
        """The service does what we ask; or the record that it refused is gone."""
        self._refusals.succeeded()
        self._trouble = None

    async def _credential(self) -> LicenseCredential:
        identity = self._identity()
        if self._registrar.needed:
            await self._register(identity)
            # Anew: what was waited for may be a registration that other settings had begun.
            identity = self._identity()
        token = await self._fresh_token(identity)
        configured = self._settings.cloud.workspace_id
        workspace_id = configured or token.workspace_id or self._book.record.workspace_id
        credential = LicenseCredential(
            token.token,
            identity.app_id,
            identity.device_name,
            workspace_id,
            request_ip=token.request_ip,
        )
        signs = self._settings.license.sign_tasks
        return await self._signed(identity, credential) if signs else credential

    async def _register(self, identity: Identity) -> None:
        """Register; if the service says it did so before, see what the kept secret is worth."""
        try:
            workspace_id = self._settings.cloud.workspace_id
            likely = LicenseCredential(
                Secret(""), identity.app_id, identity.device_name, workspace_id
            )
            await self._registrar.register(identity, partial(self._rehearse, likely))
        except LicenseRefused as refusal:
            record = self._book.record
            if refusal.license_code != _ACTIVATED_BEFORE or not record.registered:
                raise
            try:
                # Before a person is asked to reset the device: its triple may be good after all.
                await self._fresh_token(replace(identity, device_secret=record.device_secret))
            except LicenseRefused as again:
                if lookup(again.license_code).code_class is CodeClass.REREGISTER:
                    raise refusal from None
                raise

    def _identity(self) -> Identity:
        """Say who we are, and whether all is there that the service wants to know."""
        given, record = self._settings.license, self._book.record
        if record.codec_state and given.codec == BUILT_IN:
            raise NotProvisioned(
                "the device record was made by a vendor's codec, which alone can read it: set "
                "license.codec to that library, or erase the record"
            )
        app_secret = given.app_secret or record.app_secret
        needed = {
            "license.device_name": given.device_name or record.device_name,
            "license.app_secret": app_secret or not self._registrar.needed,
            "license.api_key": given.api_key or given.mode != "fully-managed",
        }
        app_id, name = who_we_are(given, record, needed)
        return Identity(app_id, app_secret, name, record.device_secret)

    async def _fresh_token(self, identity: Identity) -> Token:
        if self._token and self._token.renew_ms > self._clock.now_ms():
            return self._token.token
        self._token = None
        reply = await self._service.ask(self._request(Kind.TOKEN, identity), None)
        assert isinstance(reply, Token)  # noqa: S101 - the exchange answers by kind
        self._nothing_stands_in_the_way()
        # S311 is about keys: this is a spread.
        self._token = _HeldToken.of(reply, self._clock.now_ms(), random.random())  # noqa: S311
        return reply

    async def _signed(self, identity: Identity, credential: LicenseCredential) -> LicenseCredential:
        """Return the credential for one connection, whose task it names and signs."""
        task_id = os.urandom(16).hex()
        request = replace(self._request(Kind.SIGN, identity), task_id=task_id)
        reply = await self._service.ask(request, None)
        assert isinstance(reply, TaskSignature)  # noqa: S101 - the exchange answers by kind
        return replace(credential, task_id=task_id, signature=to_plain(reply))

    def _request(self, kind: Kind, identity: Identity) -> ExchangeRequest:
        """Return a request of a registered device."""
        state = self._book.record.codec_state
        return replace(self._service.request(kind, identity), codec_state=state)


def _asked(settings: Settings) -> tuple[License, str, str]:
    """What of the settings the license service is asked with, or where."""
    return settings.license, settings.cloud.license_url, settings.cloud.workspace_id


def who_we_are(
    given: License, record: DeviceRecord, needed: Mapping[str, object]
) -> tuple[str, str]:
    """Return AppId and device name: those of the settings, else those of the record.

    Args:
        given: the settings.
        record: the device record.
        needed: what must be there besides the AppId, by its name in the settings.

    Raises:
        NotProvisioned: something is not there; or the record is registered for another device
            than the settings say. A registration outlives changed settings, because it cannot
            be made again.
    """
    app_id = given.app_id or record.app_id
    name = given.device_name or record.device_name
    if record.registered and (app_id, name) != (record.app_id, record.device_name):
        raise NotProvisioned(
            f"the device record is registered as {record.app_id} {record.device_name}, the "
            f"settings say {app_id} {name}: correct license.app_id and license.device_name, "
            "or erase the record"
        )
    missing = [key for key, value in {"license.app_id": app_id, **needed}.items() if not value]
    if missing:
        raise NotProvisioned(f"this device is not provisioned: {', '.join(missing)} not set")
    return app_id, name


@frozen
class _HeldToken:
    """A token and its times by this board's clock, Unix ms."""

    token: Token
    expiry_ms: int
    renew_ms: int

    @classmethod
    def of(cls, token: Token, now_ms: int, share: float) -> "_HeldToken":
        """Take a token in; ``share``, 0 to 1, says where in the spread its renewal goes."""
        life_ms = max(0, token.expires_ms - token.response_time_ms)
        # A relay's clock header and the reply's time may contradict each other by decades.
        expiry_ms = token.expires_ms - (token.clock_skew_ms or 0)
        expiry_ms = min(max(0, expiry_ms), now_ms + life_ms)
        early_ms = round(_TOKEN_SPREAD * life_ms * share)
        return cls(token, expiry_ms, expiry_ms - _TOKEN_MARGIN_MS - early_ms)

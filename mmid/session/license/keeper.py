"""Keeps the license: knows who this device is, has it registered, holds a fresh token."""

from dataclasses import dataclass, replace

from mmid.errors import LicenseRefused, NotProvisioned
from mmid.hal import Clock
from mmid.redaction import Secret
from mmid.session.effects import Next
from mmid.session.license.messages import Identity, Kind, Token
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import Refusals
from mmid.session.license.registrar import Registrar
from mmid.session.license.service import Exchange, LicenseService
from mmid.settings import Cloud, License
from mmid.status import LicenseState, Status

__all__ = ["Credential", "Keeper"]

# A token must outlive the connect it is fetched for.
_TOKEN_MARGIN_MS = 5000


@dataclass(frozen=True, slots=True)
class Credential:
    """What a dialog connects with.

    Attributes:
        token: the bearer token.
        app_id: AppId of the product.
        device_name: name of this device; may be empty in pay-as-you-go mode.
        workspace_id: from the settings, else from the license service, else empty.
    """

    token: Secret
    app_id: str
    device_name: str
    workspace_id: str


class Keeper:
    """Turns settings and record into a ``Credential``, asking the service where needed."""

    def __init__(
        self,
        *,
        cloud: Cloud,
        license: License,  # noqa: A002 - the table's own name
        book: RecordBook,
        clock: Clock,
        status: Status,
        exchange: Exchange,
    ) -> None:
        self._cloud = cloud
        self._license = license
        self._book = book
        self._clock = clock
        self._status = status
        self._service = LicenseService(cloud, license, clock, exchange)
        self._token: Token | None = None
        self.refusals = Refusals()
        self._registrar = Registrar(self._service, book, self.refusals)

    def show(self) -> None:
        """Bring the status up to date with the record and the settings."""
        record = self._book.record
        state = LicenseState.UNREGISTERED
        if self.refusals.refused:
            state = LicenseState.REFUSED
        elif self._token is not None or self._license.mode == "pay-as-you-go":
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
            license_mode=self._license.mode,
            license_state=state,
            token_expiry=_expiry_ms(self._token) if self._token else 0,
            dialog_id=record.dialog_id,
        )

    async def credential(self) -> Credential:
        """Return what to connect with; registers the device if it never was.

        Raises:
            NotProvisioned: settings and record do not say who this device is.
            LicenseRefused: the service said no; ``after`` tells what follows.
            RegistrationUnreadable: it registered us, and nobody can read its answer.
            StorageFailed: the record cannot be kept, so nothing was asked.
            CloudError: the service could not be asked.
        """
        try:
            return await self._credential()
        finally:
            self.show()

    def forget_token(self) -> None:
        """The token was refused; the next credential has a new one."""
        self._token = None

    def forgive(self) -> None:
        """Somebody asked to try again after a refusal."""
        self.refusals.forgive()
        self.show()

    async def see_through(self) -> None:
        """We are told to stop: give a registration under way its last chance to be stored."""
        await self._registrar.see_through()

    def after(self, error: LicenseRefused) -> Next:
        """Return what follows a refusal that ``credential`` raised."""
        following = self.refusals.note(error.license_code)
        self.show()
        return following

    async def _credential(self) -> Credential:
        identity = self._identity()
        workspace_id = self._cloud.workspace_id
        if self._license.mode == "pay-as-you-go":
            name = identity.device_name
            return Credential(self._license.api_key, identity.app_id, name, workspace_id)
        if self._registrar.needed:
            await self._registrar.register(identity)
        token = await self._fresh_token(identity)
        found = workspace_id or token.workspace_id or self._book.record.workspace_id
        return Credential(token.token, identity.app_id, identity.device_name, found)

    def _identity(self) -> Identity:
        """Say who we are; a registered record outlives changed settings, so it must agree."""
        given, record = self._license, self._book.record
        app_id = given.app_id or record.app_id
        name = given.device_name or record.device_name
        if record.registered and (app_id, name) != (record.app_id, record.device_name):
            raise NotProvisioned(
                f"the device record is registered as {record.app_id} {record.device_name}, the "
                f"settings say {app_id} {name}: correct license.app_id and license.device_name, "
                "or erase the record"
            )
        missing = [] if app_id else ["license.app_id"]
        if self._license.mode == "pay-as-you-go":
            missing += [] if given.api_key else ["license.api_key"]
        else:
            missing += [] if name else ["license.device_name"]
            secret_known = given.app_secret or record.app_secret or not self._registrar.needed
            missing += [] if secret_known else ["license.app_secret"]
            needs_key = given.mode == "fully-managed" and not given.api_key
            missing += ["license.api_key"] if needs_key else []
        if missing:
            raise NotProvisioned(f"this device is not provisioned: {', '.join(missing)} not set")
        return Identity(app_id, given.app_secret or record.app_secret, name, record.device_secret)

    async def _fresh_token(self, identity: Identity) -> Token:
        if self._token and _expiry_ms(self._token) - _TOKEN_MARGIN_MS > self._clock.now_ms():
            return self._token
        self._token = None
        secret = self._book.record.device_secret
        request = self._service.request(Kind.TOKEN, replace(identity, device_secret=secret))
        reply = await self._service.ask(request, None)
        assert isinstance(reply, Token)  # noqa: S101 - the exchange answers by kind
        self.refusals.succeeded()
        self._token = reply
        return reply


def _expiry_ms(token: Token) -> int:
    """Return the expiry by this board's clock."""
    return token.expires_ms - (token.clock_skew_ms or 0)

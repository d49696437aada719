"""Keeps the license: registers this device once in its life, and holds a fresh token.

A registration must never be lost (license section 1.5): before the request
the record is written with a note that it is pending, which also proves the
store writable; the answer is stored and read back before it is used. If the
answer is lost all the same, the service says so by 100008 or 100025, and the
operator is told exactly what to do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mmid.errors import LicenseRefused, MalformedMessage, NotProvisioned
from mmid.hal import Clock
from mmid.redaction import Secret
from mmid.session.effects import Next
from mmid.session.license.codes import lookup
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    Identity,
    Kind,
    Refusal,
    Registration,
    Token,
    make_nonce,
)
from mmid.session.license.record import Pending
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import Refusals
from mmid.settings import Cloud, License
from mmid.status import LicenseState, Status

__all__ = ["Credential", "Exchange", "Keeper", "RegistrationUnreadable"]

_log = logging.getLogger(__name__)

_REGISTER_PATH = "/api/device/v1/register"
_TOKEN_PATH = "/api/token/v1/getToken"  # noqa: S105 - a path, not a secret

# The child's start on the slowest board, and two network time-outs.
_EXCHANGE_S = 30.0

# The service manager allows two seconds to stop; the rest is for the others.
_SEE_THROUGH_S = 1.0

# A token must outlive the connect it is fetched for.
_TOKEN_MARGIN_MS = 5000

_ALREADY_REGISTERED = frozenset({"100008", "100025"})


class RegistrationUnreadable(MalformedMessage):
    """The one answer to a registration came, and cannot be opened or is not for us."""


class Exchange(Protocol):
    """One request to the license service; see ``exchange.exchange``."""

    def __call__(self, request: ExchangeRequest, *, timeout_s: float) -> Awaitable[ExchangeReply]:
        """Send it and return the answer."""


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
        self._exchange = exchange
        self._token: Token | None = None
        self._store_proven = False
        self.refusals = Refusals()

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
        if self._must_register:
            await self._register(identity)
        token = await self._fresh_token(identity)
        found = workspace_id or token.workspace_id or self._book.record.workspace_id
        return Credential(token.token, identity.app_id, identity.device_name, found)

    @property
    def _must_register(self) -> bool:
        return not self._book.record.registered or self.refusals.register_anew

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
            secret_known = given.app_secret or record.app_secret or not self._must_register
            missing += [] if secret_known else ["license.app_secret"]
            needs_key = given.mode == "fully-managed" and not given.api_key
            missing += ["license.api_key"] if needs_key else []
        if missing:
            raise NotProvisioned(f"this device is not provisioned: {', '.join(missing)} not set")
        return Identity(app_id, given.app_secret or record.app_secret, name, record.device_secret)

    async def _register(self, identity: Identity) -> None:
        request = self._request(Kind.REGISTER, identity)
        record = replace(
            self._book.record,
            app_id=identity.app_id,
            app_secret=identity.app_secret,
            device_name=identity.device_name,
        )
        pending = Pending(identity.device_name, request.nonce, request.request_time_ms)
        known = self._book.record.pending
        if not self._store_proven or known is None or known.device_name != identity.device_name:
            # Once a boot is enough: what counts is that an answer may be lost
            # from now on, and months offline must not wear the flash.
            await self._book.save(replace(record, pending=pending))
            self._store_proven = True
        _log.info("registering the device %s", identity.device_name)
        await _see_through(self._register_now(request))

    async def _register_now(self, request: ExchangeRequest) -> None:
        try:
            reply = await self._ask(request)
        except MalformedMessage as error:
            # The service carried it out: asking again can only be refused.
            self.refusals.refused = True
            raise RegistrationUnreadable(
                f"the device was registered, but the answer cannot be used: {error}. Check "
                "license.app_secret; reset the device in the console before Register"
            ) from error
        assert isinstance(reply, Registration)  # noqa: S101 - the exchange answers by kind
        registered = self._book.record.with_triple(
            nonce=request.nonce, device_secret=reply.device_secret
        )
        workspace_id = reply.workspace_id or registered.workspace_id
        await self._book.save(replace(registered, workspace_id=workspace_id))
        self.refusals.succeeded()
        name = request.identity.device_name
        _log.info("the device %s is registered; its certificate is stored", name)

    async def _fresh_token(self, identity: Identity) -> Token:
        if self._token and _expiry_ms(self._token) - _TOKEN_MARGIN_MS > self._clock.now_ms():
            return self._token
        self._token = None
        secret = self._book.record.device_secret
        request = self._request(Kind.TOKEN, replace(identity, device_secret=secret))
        reply = await self._ask(request)
        assert isinstance(reply, Token)  # noqa: S101 - the exchange answers by kind
        self.refusals.succeeded()
        self._token = reply
        return reply

    def _request(self, kind: Kind, identity: Identity) -> ExchangeRequest:
        base = self._cloud.license_url.rstrip("/")
        if kind is Kind.REGISTER:
            url = self._license.register_url or base + _REGISTER_PATH
        else:
            url = self._license.token_url or base + _TOKEN_PATH
        fully_managed = self._license.mode == "fully-managed"
        return ExchangeRequest(
            kind=kind,
            url=url,
            identity=identity,
            nonce=make_nonce(),
            request_time_ms=self._clock.now_ms(),
            api_key=self._license.api_key if fully_managed else None,
            workspace_id=self._cloud.workspace_id,
            ca_file=self._cloud.ca_file,
        )

    async def _ask(self, request: ExchangeRequest) -> Registration | Token:
        reply = await self._exchange(request, timeout_s=_EXCHANGE_S)
        if isinstance(reply, Refusal):
            raise self._refusal(request, reply)
        return reply

    def _refusal(self, request: ExchangeRequest, refusal: Refusal) -> LicenseRefused:
        row = lookup(refusal.code)
        advice = row.advice
        pending = self._book.record.pending
        if request.kind is Kind.REGISTER and refusal.code in _ALREADY_REGISTERED and pending:
            advice = (
                "The answer to an earlier registration was lost. Reset the device "
                f"{pending.device_name} in the console, then call Register."
            )
        skew = refusal.clock_skew_ms
        clock = f"; the service's clock is {skew / 1000:+.1f} s from ours" if skew else ""
        said = f"the license service refused to {_VERB[request.kind]} "
        message = f"{said}({refusal.code}): {row.meaning}{clock}. {advice}"
        return LicenseRefused(message, refusal.code, advice)


async def _see_through(work: Coroutine[Any, Any, None]) -> None:
    """Give a registration under way its chance to be stored when we are told to stop."""
    task = asyncio.create_task(work, name="mmid-register")
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_SEE_THROUGH_S)
        task.cancel()
        raise


_VERB = {Kind.REGISTER: "register this device", Kind.TOKEN: "give a token"}


def _expiry_ms(token: Token) -> int:
    """Return the expiry by this board's clock."""
    return token.expires_ms - (token.clock_skew_ms or 0)

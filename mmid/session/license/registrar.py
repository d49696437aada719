"""Registers this device: once in its life, and so that the answer cannot be lost.

A device name can be registered once, for ever (license section 1.5). Before
the request the record is written with a note that it is pending, which also
proves the store writable; the answer is stored and read back before it is
used. A request that was sent is seen through, whoever stopped waiting for it.
If the answer is lost all the same, the service says so by 100008 or 100025,
and the operator is told exactly what to do.
"""

import asyncio
import logging
from dataclasses import replace

from mmid.errors import MalformedMessage
from mmid.session.license.messages import ExchangeRequest, Identity, Kind, Registration
from mmid.session.license.record import Pending
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import Refusals
from mmid.session.license.service import LicenseService

__all__ = ["Registrar", "RegistrationUnreadable"]

_log = logging.getLogger(__name__)

# The service manager allows two seconds to stop; the rest is for the others.
_SEE_THROUGH_S = 1.0


class RegistrationUnreadable(MalformedMessage):
    """The one answer to a registration came, and cannot be opened or is not for us."""


class Registrar:
    """Brings the license triple into the record."""

    def __init__(self, service: LicenseService, book: RecordBook, refusals: Refusals) -> None:
        self._service = service
        self._book = book
        self._refusals = refusals
        self._store_proven = False
        self._under_way: asyncio.Task[None] | None = None

    @property
    def needed(self) -> bool:
        """Whether the record lacks the triple, or the service no longer knows it."""
        return not self._book.record.registered or self._refusals.register_anew

    async def register(self, identity: Identity) -> None:
        """Register; joins a registration that is under way already.

        Raises:
            StorageFailed: the record cannot be kept, so nothing was asked.
            LicenseRefused: the service said no.
            RegistrationUnreadable: it said yes, and the answer cannot be used.
            CloudError: it could not be asked.
        """
        if self._under_way is None:
            request = self._service.request(Kind.REGISTER, identity)
            await self._write_ahead(identity, request)
            _log.info("registering the device %s", identity.device_name)
            self._under_way = asyncio.create_task(self._send(request), name="mmid-register")
            self._under_way.add_done_callback(self._ended)
        await asyncio.shield(self._under_way)

    async def see_through(self) -> None:
        """Give a registration under way its last chance to be stored: we are told to stop."""
        task = self._under_way
        if task is not None:
            await asyncio.wait({task}, timeout=_SEE_THROUGH_S)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _write_ahead(self, identity: Identity, request: ExchangeRequest) -> None:
        known = self._book.record.pending
        if self._store_proven and known is not None and known.device_name == identity.device_name:
            # Once a boot is enough: what counts is that an answer may be lost
            # from now on, and months offline must not wear the flash.
            return
        record = replace(
            self._book.record,
            app_id=identity.app_id,
            app_secret=identity.app_secret,
            device_name=identity.device_name,
            pending=Pending(identity.device_name, request.nonce, request.request_time_ms),
        )
        await self._book.save(record)
        self._store_proven = True

    async def _send(self, request: ExchangeRequest) -> None:
        try:
            reply = await self._service.ask(request, self._book.record.pending)
        except MalformedMessage as error:
            # The service carried it out: asking again can only be refused.
            self._refusals.refused = True
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
        self._refusals.succeeded()
        name = request.identity.device_name
        _log.info("the device %s is registered; its certificate is stored", name)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever still waits tells it; if nobody does, this is its only trace.
            _log.debug("the registration ended with %r", error)

"""Registers this device: once in its life, and so that the answer cannot be lost.

A device name can be registered once, for ever (license section 1.5). Before
the request the record is written with a note that it is pending, which also
proves the store writable; the answer is stored and read back before it is
used. A request that was sent is seen through, whoever stopped waiting for it.
An answer that no codec can open yet is stored as it came, and every later start
tries to open it before anything is asked. If the answer is lost all the same,
the service says so by 100008 or 100025, and the operator is told exactly what
to do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from mmid.errors import (
    HttpFailed,
    MalformedMessage,
    MmidError,
    RegistrationUnreadable,
    StorageFailed,
)
from mmid.session.license.messages import (
    ExchangeRequest,
    Identity,
    Kind,
    Registration,
    ReplyNotOpened,
    ReplyNotUnderstood,
    Unopened,
)
from mmid.session.license.record import Pending
from mmid.session.license.record_book import RecordBook
from mmid.session.license.refusals import Refusals
from mmid.session.license.service import LicenseService

_log = logging.getLogger(__name__)

# The service manager allows two seconds to stop; the rest is for the others.
_SEE_THROUGH_S = 1.0


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

    async def register(self, identity: Identity, rehearse: Callable[[], Awaitable[None]]) -> None:
        """Register; joins a registration that is under way already.

        Args:
            identity: whom to register.
            rehearse: sees whether the dialog could be reached: a device that cannot talk must
                not use its name up, and whoever mends that may have to change the name.

        Raises:
            StorageFailed: the record cannot be kept, so nothing was asked.
            LicenseRefused: the service said no.
            RegistrationUnreadable: it said yes, and the answer cannot be used.
            CloudError: it could not be asked.
        """
        if self._under_way is None:
            if await self._open_kept(identity):
                return
            await rehearse()
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

    async def _open_kept(self, identity: Identity) -> bool:
        """Open the answer of an earlier registration, if there is one; nobody is asked.

        If it does not open and somebody called Register, it is for the service to
        say what follows: the device may have been reset there.
        """
        kept = self._book.record.unopened
        if kept is None or kept.device_name != identity.device_name:
            return False
        request = replace(
            self._service.request(Kind.REGISTER, identity),
            nonce=kept.nonce,
            request_time_ms=kept.request_time_ms,
            unopened=kept,
        )
        try:
            reply = await self._service.ask(request, None)
        except HttpFailed as error:
            # It may be no answer to a registration at all, so it stops nobody.
            _log.warning("%s; it stays in the device record", error)
            return False
        except MalformedMessage as error:
            if self._refusals.forgiven:
                return False
            raise self._unreadable(error, stored=True) from error
        assert isinstance(reply, Registration)  # noqa: S101 - the exchange answers by kind
        _log.info("the kept answer to the registration of %s opens now", identity.device_name)
        await self._keep(request, reply)
        return True

    async def _write_ahead(self, identity: Identity, request: ExchangeRequest) -> None:
        record = self._book.record
        known, kept = record.pending, record.unopened
        if self._store_proven and known is not None and known.device_name == identity.device_name:
            # Once a boot is enough: what counts is that an answer may be lost
            # from now on, and months offline must not wear the flash.
            return
        ours = kept is not None and kept.device_name == identity.device_name
        record = replace(
            record,
            app_id=identity.app_id,
            app_secret=identity.app_secret,
            device_name=identity.device_name,
            pending=Pending(identity.device_name, request.nonce, request.request_time_ms),
            unopened=kept if ours else None,
        )
        await self._book.save(record)
        self._store_proven = True

    async def _send(self, request: ExchangeRequest) -> None:
        try:
            reply = await self._service.ask(request, self._book.record.pending)
        except MalformedMessage as error:
            # The service carried it out: asking again can only be refused.
            raise self._unreadable(error, stored=await self._keep_unopened(error)) from error
        except ReplyNotUnderstood as error:
            # Asking again shows whether it was carried out. The first stays: an error page
            # a minute must neither wear the flash nor overwrite what may be the answer.
            if self._book.record.unopened is None and _may_be_answer(error.unopened):
                await self._keep_unopened(error)
            raise
        assert isinstance(reply, Registration)  # noqa: S101 - the exchange answers by kind
        await self._keep(request, reply)

    async def _keep(self, request: ExchangeRequest, reply: Registration) -> None:
        """Store the license triple; it may be used when this returns."""
        registered = self._book.record.with_triple(
            nonce=reply.request_nonce or request.nonce,
            device_secret=reply.device_secret,
            codec_state=reply.codec_state,
        )
        workspace_id = reply.workspace_id or registered.workspace_id
        await self._book.save(replace(registered, workspace_id=workspace_id))
        self._refusals.succeeded()
        name = request.identity.device_name
        _log.info("the device %s is registered; its certificate is stored", name)

    async def _keep_unopened(self, error: MmidError) -> bool:
        """Store an answer as it came; return whether it is stored."""
        unopened = None
        if isinstance(error, ReplyNotOpened | ReplyNotUnderstood):
            unopened = error.unopened
        if unopened is None:
            return False
        try:
            await self._book.save(self._book.record.with_unopened(unopened))
        except StorageFailed as failure:
            _log.warning("the registration's answer cannot be kept either: %s", failure)
            return False
        return True

    def _unreadable(self, error: MalformedMessage, *, stored: bool) -> RegistrationUnreadable:
        self._refusals.refused = True
        way_out = (
            "It is kept in the device record: correct license.codec or license.app_secret and "
            "start mmid again, and it is opened then. Or reset"
            if stored
            else "Check license.codec and license.app_secret, reset"
        )
        return RegistrationUnreadable(
            f"the device was registered, but the answer cannot be used: {error}. {way_out} the "
            "device in the console and call Register"
        )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way = None
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whoever still waits tells it; if nobody does, this is its only trace.
            told = error if isinstance(error, MmidError) else type(error).__name__
            _log.debug("the registration ended with: %s", told)


def _may_be_answer(unopened: Unopened) -> bool:
    """Tell an answer that we do not understand from an error page: each answer is signed."""
    return "signature" in unopened.data or unopened.data.startswith("base64:")

"""What we ask of the license service: builds a request, has it sent, explains a refusal."""

import logging
from collections.abc import Awaitable
from typing import Protocol

from mmid.errors import LicenseRefused
from mmid.hal import Clock
from mmid.session.license.codes import lookup
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    Refusal,
    Registration,
    TaskSignature,
    Token,
    make_nonce,
)
from mmid.session.license.record import Pending
from mmid.settings import Settings

_log = logging.getLogger(__name__)

_URL_KEYS = {Kind.REGISTER: "license.register_url", Kind.TOKEN: "license.token_url"}
_VERBS = {Kind.REGISTER: "register this device", Kind.TOKEN: "give a token", Kind.SIGN: "sign"}

# The child's start on the slowest board, and two network time-outs.
_EXCHANGE_S = 30.0

# Less is the way there and back, or a relay's whole seconds.
_SKEW_WORTH_TELLING_MS = 30_000

_ALREADY_REGISTERED = frozenset({"100008", "100025"})


class Exchange(Protocol):
    """One request to the license service; see ``exchange.exchange``."""

    def __call__(self, request: ExchangeRequest, *, timeout_s: float) -> Awaitable[ExchangeReply]:
        """Send it and return the answer."""


def service_urls(settings: Settings) -> dict[str, str]:
    """Return where the service is asked, by the key of the settings that may name the place."""
    base = settings.cloud.license_url.rstrip("/")
    given = settings.license
    return {
        "license.register_url": given.register_url or f"{base}/api/device/v1/register",
        "license.token_url": given.token_url or f"{base}/api/token/v1/getToken",
    }


def https_endpoint(url: str, settings: Settings, whose: str = "license service") -> HttpsEndpoint:
    """Return where a server is asked, and what this device proves itself by."""
    given = settings.license
    return HttpsEndpoint(
        url=url,
        ca_file=settings.cloud.ca_file,
        headers=given.headers,
        client_cert=given.client_cert,
        client_key=given.client_key,
        whose=whose,
    )


class LicenseService:
    """The service as the settings name it.

    Args:
        settings: where it is, whom to trust, its mode, URLs and key.
        clock: the time to sign with.
        exchange: sends one request.
    """

    def __init__(self, settings: Settings, clock: Clock, exchange: Exchange) -> None:
        self._clock = clock
        self._exchange = exchange
        self._skew_ms = 0
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Ask by other settings from now on."""
        self._settings, self._license = settings, settings.license

    def now_ms(self) -> int:
        """Return the service's clock as far as it is known, Unix ms."""
        return self._clock.now_ms() + self._skew_ms

    def request(self, kind: Kind, identity: Identity) -> ExchangeRequest:
        """Build a request with a nonce of its own and the time of now: good for 5 minutes."""
        fully_managed = self._license.mode == "fully-managed"
        url = service_urls(self._settings).get(_URL_KEYS.get(kind, ""), "")
        return ExchangeRequest(
            kind=kind,
            endpoint=https_endpoint(url, self._settings),
            identity=identity,
            nonce=make_nonce(),
            request_time_ms=self._clock.now_ms(),
            api_key=self._license.api_key if fully_managed else None,
            workspace_id=self._settings.cloud.workspace_id,
            codec=self._license.codec,
        )

    async def ask(
        self, request: ExchangeRequest, pending: Pending | None
    ) -> Registration | Token | TaskSignature:
        """Send a request.

        Args:
            request: from ``request``; not sent before.
            pending: a registration whose answer may have been lost, for the advice.

        Raises:
            LicenseRefused: the service said no.
            CloudError: it could not be asked, or its answer is no answer.
        """
        reply = await self._exchange(request, timeout_s=_EXCHANGE_S)
        if isinstance(reply, TaskSignature):  # by the codec alone, nobody was asked
            return reply
        if reply.clock_skew_ms is not None:
            self._notice_skew(reply.clock_skew_ms)
        if isinstance(reply, Refusal):
            raise _refused(request, reply, pending)
        return reply

    def _notice_skew(self, skew_ms: int) -> None:
        """Keep how far the service's clock is from ours; tell a board that is far off, once."""
        before, self._skew_ms = self._skew_ms, skew_ms
        if abs(skew_ms) > _SKEW_WORTH_TELLING_MS >= abs(before):
            off_s = skew_ms / 1000
            _log.warning("the license service's clock is %+.1f s from ours: check NTP", off_s)


def _refused(request: ExchangeRequest, refusal: Refusal, pending: Pending | None) -> LicenseRefused:
    row = lookup(refusal.code)
    advice = row.advice
    if request.kind is Kind.REGISTER and refusal.code in _ALREADY_REGISTERED and pending:
        advice = (
            "The answer to an earlier registration was lost. Reset the device "
            f"{pending.device_name} in the console, then call Register."
        )
    skew = refusal.clock_skew_ms
    off = skew is not None and abs(skew) > _SKEW_WORTH_TELLING_MS
    clock = f"; the service's clock is {skew / 1000:+.1f} s from ours" if skew and off else ""
    code = refusal.code + (f", request {refusal.request_id}" if refusal.request_id else "")
    said = f"the license service refused to {_VERBS[request.kind]} ({code})"
    meaning = f"{row.meaning}{clock}"
    return LicenseRefused(f"{said}: {meaning}. {advice}", refusal.code, advice, meaning=meaning)

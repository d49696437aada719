"""What registrations were answered, for five minutes: in this process, or in a shared store.

A registration is made once. The same one again (same device, same nonce) is answered with what
came of the first.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from valkey.asyncio import BlockingConnectionPool, Valkey
from valkey.exceptions import ValkeyError

from mmid_relay.metrics import STORE_FAILURES
from mmid_relay.problems import Kind, Problem
from mmid_relay.settings import SettingsInvalid

# As long as the signature of a request is good.
KEPT_S = 300
# As many as the default of limits.total_per_minute lets through in that time.
_MOST = 30_000
_POLL_S = 0.1
_CONNECTIONS = 32


@dataclass(frozen=True)
class Reply:
    """What a device is answered in the vendor's name.

    Attributes:
        status: the HTTP status.
        body: the JSON object.
        code: the vendor's code, for metrics and audit; empty if it has none.
        result: ``ok``, ``refused``, or ``relay-refused`` if it is not the device's affair.
        retry_after_s: when to try again; 0 to say nothing of it.
    """

    status: int
    body: dict[str, Any]
    code: str = ""
    result: str = "ok"
    retry_after_s: int = 0


def connect(url: str) -> BlockingConnectionPool:
    """Return the connections to a store, for answers and limits; none is made before it is used.

    Raises:
        SettingsInvalid: an option in the URL is unknown or has a wrong form.
    """
    # The library would take anybody's certificate, if an authority that is trusted signed it.
    tls = {"ssl_check_hostname": True} if url.startswith(("rediss:", "valkeys:")) else {}
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=1,
            socket_timeout=1,
            socket_connect_timeout=1,
            **tls,
        )
        # It connects nowhere yet, and takes the URL's options as its arguments.
        pool.make_connection()  # type: ignore[no-untyped-call]
    except (TypeError, ValueError, ValkeyError):
        raise SettingsInvalid("limits.store: an option at the URL's end cannot be used") from None
    return pool


class Answers(Protocol):
    """Where the answers are kept."""

    async def claim(self, key: str) -> "Reply | Problem | None":
        """Return what the request was answered before; None if it is ours to send."""

    async def keep(self, key: str, outcome: "Reply | Problem") -> None:
        """Keep what came of a request."""

    async def forget(self, key: str) -> None:
        """Give up a claim: nothing was sent."""


class MemoryAnswers:
    """In this process. Requests under way are not its affair: ``Registrations`` joins them.

    Args:
        now: monotonic clock, s.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._kept: dict[str, tuple[float, Reply | Problem]] = {}

    async def claim(self, key: str) -> Reply | Problem | None:
        """Return what is kept, if it is not too old."""
        until, outcome = self._kept.get(key, (0.0, None))
        return outcome if self._now() < until else None

    async def keep(self, key: str, outcome: Reply | Problem) -> None:
        """Keep it; the oldest make room."""
        now = self._now()
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest][0] > now and len(self._kept) < _MOST:
                break
            del self._kept[oldest]
        self._kept[key] = (now + KEPT_S, outcome)

    async def forget(self, key: str) -> None:
        """Nothing was claimed."""


class SharedAnswers:
    """In a Redis or Valkey, so that a repeat may reach another relay than the first.

    The key is set before the vendor is asked, to a name of this attempt. If this relay dies then,
    the key stays, and the request is not sent again by any other. If only the store's answer is
    lost, nothing is sent, and the next attempt has the same name: it knows the claim for its own.

    Args:
        pool: connections to the store.
        wait_s: how long another relay may take to answer the same request.
    """

    def __init__(self, pool: BlockingConnectionPool, wait_s: float) -> None:
        self._store: Valkey = Valkey(connection_pool=pool)
        self._wait_s = wait_s
        # Attempts that nothing was sent for, and that may have set their key.
        self._unsure: dict[str, bytes] = {}

    async def claim(self, key: str) -> Reply | Problem | None:
        """Return what is kept, or will be kept soon by the relay that is asking."""
        attempt = self._unsure.pop(key, b"") or secrets.token_hex(16).encode()
        try:
            for _ in range(1 + int(self._wait_s / _POLL_S)):
                # Each time anew: the other relay may have given its claim up.
                if await self._store.set(_name(key), attempt, nx=True, ex=KEPT_S):
                    return None
                held = await self._store.get(_name(key))
                if held == attempt:
                    return None
                if held and held.startswith(b"{"):
                    return _from_text(held)
                await asyncio.sleep(_POLL_S)
        except ValkeyError:
            self._unsure[key] = attempt
            if len(self._unsure) > _MOST:
                del self._unsure[next(iter(self._unsure))]
            raise _away() from None
        return Problem(
            Kind.VENDOR_SLOW,
            "The same request was sent before, and what came of it is not known.",
            retry_after_s=5,
            sent=True,
        )

    async def keep(self, key: str, outcome: Reply | Problem) -> None:
        """Keep it; if that fails the device still gets its answer."""
        try:
            await self._store.set(_name(key), _to_text(outcome), ex=KEPT_S)
        except ValkeyError:
            STORE_FAILURES.inc()

    async def forget(self, key: str) -> None:
        """Let another try."""
        try:
            await self._store.delete(_name(key))
        except ValkeyError:
            STORE_FAILURES.inc()

    async def ping(self) -> bool:
        """Return whether the store answers."""
        try:
            return bool(await self._store.ping())
        except ValkeyError:
            return False


def _name(key: str) -> str:
    return f"mmid-relay/registration/{key}"


def _away() -> Problem:
    STORE_FAILURES.inc()
    return Problem(
        Kind.STORE_AWAY,
        "This relay cannot tell whether the request was made before; nothing was sent.",
        retry_after_s=5,
    )


def _to_text(outcome: Reply | Problem) -> str:
    if isinstance(outcome, Reply):
        return json.dumps({"reply": asdict(outcome)})
    return json.dumps({"problem": [outcome.kind.name, outcome.detail, outcome.retry_after_s]})


def _from_text(text: bytes) -> Reply | Problem:
    held = json.loads(text)
    if "reply" in held:
        return Reply(**held["reply"])
    name, detail, retry_after_s = held["problem"]
    return Problem(Kind[name], detail, retry_after_s=retry_after_s, sent=True)

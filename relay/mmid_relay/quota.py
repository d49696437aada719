"""How many requests are let through: of one device, and of all."""

import logging
import time
from typing import Any

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from valkey.asyncio import BlockingConnectionPool

from mmid_relay.metrics import LIMITED, STORE_FAILURES
from mmid_relay.problems import Kind, Problem
from mmid_relay.settings import Limits

_log = logging.getLogger(__name__)


class Quota:
    """Counts requests, in memory or in the store that several relays share.

    A store that is away limits nobody: limits are there against what goes wrong in a fleet, and
    a store that is away must not become such a thing itself.

    Args:
        settings: the limits.
        pool: connections to the shared store; None for memory.
    """

    def __init__(self, settings: Limits, pool: BlockingConnectionPool | None) -> None:
        storage = _shared(settings.shared_store, pool) if pool else MemoryStorage()
        self._limiter = FixedWindowRateLimiter(storage)
        self._device = RateLimitItemPerMinute(settings.device_per_minute)
        self._total = RateLimitItemPerMinute(settings.total_per_minute)

    async def take(self, device: str) -> None:
        """Count a request of a device.

        Raises:
            Problem: it has had enough, or all together have.
        """
        try:
            await self._hit("device", self._device, device)
            await self._hit("total", self._total)
        except StorageError:
            STORE_FAILURES.inc()
            _log.error("limits.store does not answer: nobody is limited")

    async def _hit(self, which: str, item: RateLimitItemPerMinute, *names: str) -> None:
        if await self._limiter.hit(item, which, *names):
            return
        LIMITED.labels(which).inc()
        window = await self._limiter.get_window_stats(item, which, *names)
        who = "This device asks" if names else "All devices together ask"
        raise Problem(
            Kind.LIMITED,
            f"{who} more often than the relay allows ({item.amount} times a minute).",
            retry_after_s=window.reset_time - time.time(),
        )


def _shared(url: str, pool: BlockingConnectionPool) -> RedisStorage:
    # It says of its options that they are plain values, and takes the pool all the same.
    options: dict[str, Any] = {"connection_pool": pool}
    return RedisStorage(
        f"async+{url}",
        wrap_exceptions=True,
        implementation="valkey",
        key_prefix="mmid-relay",
        **options,
    )

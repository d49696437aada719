"""How many requests are let through: of one device, and of all."""

import logging
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError

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
    """

    def __init__(self, settings: Limits) -> None:
        url = settings.shared_store
        self._limiter = FixedWindowRateLimiter(
            RedisStorage(
                f"async+{url}",
                wrap_exceptions=True,
                implementation="valkey",
                key_prefix="mmid-relay",
                socket_timeout=1,
                socket_connect_timeout=1,
            )
            if url
            else MemoryStorage()
        )
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

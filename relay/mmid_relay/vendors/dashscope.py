"""Temporary keys for Qwen, made from the server's API key."""

from mmid_relay.settings import DashScope
from mmid_relay.vendors.upstream import Answer, Upstream


class KeyMint:
    """The service's call for temporary keys.

    Args:
        settings: the API key, and how long the others live.
        upstream: the way to it.
    """

    def __init__(self, settings: DashScope, upstream: Upstream) -> None:
        self.upstream = upstream
        self._url = f"{settings.url.rstrip('/')}/api/v1/tokens"
        self._life_s = settings.expire_in_seconds
        self.secrets = [settings.api_key.get_secret_value()]
        self._authorization = f"Bearer {self.secrets[0]}"

    async def mint(self, life_s: int | None = None) -> Answer:
        """Ask for one key."""
        return await self.upstream.post(
            f"{self._url}?expire_in_seconds={life_s or self._life_s}",
            headers={"authorization": self._authorization, "accept": "application/json"},
            content=b"",
        )

"""Instances of Baidu RTC's agents: made for one device, and stopped by that device only."""

import hmac
import json
import time
from typing import Any
from urllib.parse import urlsplit

from mmid_relay.settings import Baidu
from mmid_relay.vendors.bce import authorization, timestamp
from mmid_relay.vendors.upstream import Answer, Upstream

_API = "/api/v1/aiagent/"


class AgentApi:
    """generateAIAgentCall and stopAIAgentInstance.

    Args:
        settings: whose account, and what an instance is made of.
        upstream: the way to it.
    """

    def __init__(self, settings: Baidu, upstream: Upstream) -> None:
        self.upstream = upstream
        self.app_id = settings.app_id
        self._base = settings.url.rstrip("/")
        self._host = urlsplit(self._base).netloc
        self._path = urlsplit(self._base).path + _API
        self._config = settings.config()
        self._access_key = settings.access_key.get_secret_value()
        self._secret_key = settings.secret_key.get_secret_value()
        self.secrets = [self._secret_key, self._access_key]
        # A key of its own for what devices get to see.
        self._proof_key = hmac.digest(self._secret_key.encode(), b"mmid-relay stop url", "sha256")

    async def generate(self, codec: str, mode: str) -> Answer:
        """Make an instance for one connection.

        Args:
            codec: what the device's URL will say; both must be the same.
            mode: the device's work mode; push to talk has a recognition of its own, and only
                in duplex does a voice interrupt.
        """
        config = {
            "dfda": mode == "duplex",  # sooner, but some decoders cannot take it: as the file says
            **self._config,
            "audiocodec": codec,
            "asr_long_audio_mode": mode == "push2talk",
            "disable_voice_auto_int": mode != "duplex",
        }
        text = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
        return await self._call("generateAIAgentCall", {"app_id": self.app_id, "config": text})

    async def stop(self, instance: int) -> Answer:
        """Stop an instance; whether it costs anything until then, no page of Baidu's says."""
        return await self._call(
            "stopAIAgentInstance", {"app_id": self.app_id, "ai_agent_instance_id": instance}
        )

    def proof(self, device: str, instance: int) -> str:
        """Return what shows that a device was given an instance; no relay needs to remember it."""
        return hmac.digest(self._proof_key, f"{device} {instance}".encode(), "sha256").hex()

    def was_given(self, device: str, instance: int, proof: str) -> bool:
        """Return whether a proof is this device's for this instance."""
        return hmac.compare_digest(self.proof(device, instance).encode(), proof.encode())

    async def _call(self, action: str, body: dict[str, Any]) -> Answer:
        date = timestamp(time.time())
        headers = {
            "host": self._host,
            "content-type": "application/json; charset=utf-8",
            "x-bce-date": date,
        }
        headers["authorization"] = authorization(
            "POST",
            self._path + action,
            headers,
            access_key=self._access_key,
            secret_key=self._secret_key,
            date=date,
        )
        content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        url = f"{self._base}{_API}{action}"
        return await self.upstream.post(url, headers=headers, content=content)

"""What the relay does for a device, once it is known who asks; no HTTP of ours in here."""

from dataclasses import replace
from typing import TypeVar

from mmid_relay.answers import Reply
from mmid_relay.bodies import InstanceRequest, RegisterRequest, StopRequest, TokenRequest
from mmid_relay.problems import Kind, Problem
from mmid_relay.registrations import Registrations
from mmid_relay.vendors.alibaba import LicenseApi
from mmid_relay.vendors.baidu import AgentApi
from mmid_relay.vendors.dashscope import KeyMint
from mmid_relay.vendors.replies import (
    instance_of,
    instance_reply,
    key_reply,
    license_reply,
    stop_reply,
)
from mmid_relay.vendors.upstream import Upstream

_Api = TypeVar("_Api")


class Relay:
    """Asks the vendors that the settings name.

    Args:
        registrations: sends each registration once.
        licenses: Alibaba's API, if it is set.
        keys: DashScope's, if it is set.
        agents: Baidu's, if it is set.
    """

    def __init__(
        self,
        registrations: Registrations,
        licenses: LicenseApi | None,
        keys: KeyMint | None,
        agents: AgentApi | None,
    ) -> None:
        self.registrations = registrations
        self.licenses = licenses
        self.keys = keys
        self.agents = agents

    @property
    def upstreams(self) -> list[Upstream]:
        """The vendors that are offered."""
        apis = (self.licenses, self.keys, self.agents)
        return [api.upstream for api in apis if api is not None]

    async def register(self, device: str, asked: RegisterRequest) -> Reply:
        """Register a device; once for each nonce."""
        licenses = _offered(self.licenses, "Semi-managed licenses")
        fields = asked.model_dump(include=_REGISTER_FIELDS, exclude_none=True, by_alias=True)

        async def send() -> Reply:
            reply = license_reply(await licenses.register(fields), licenses.secrets)
            _check_sealed_name(device, reply)
            return reply

        return await self.registrations.once(f"{device} {asked.nonce}", send)

    async def token(self, asked: TokenRequest) -> Reply:
        """Get a token for a device."""
        licenses = _offered(self.licenses, "Semi-managed licenses")
        fields = asked.model_dump(include=_TOKEN_FIELDS, by_alias=True)
        return license_reply(await licenses.token(fields), licenses.secrets)

    async def qwen_token(self) -> Reply:
        """Make a temporary key."""
        keys = _offered(self.keys, "Temporary keys")
        return key_reply(await keys.mint(), keys.secrets)

    async def baidu_instance(self, device: str, asked: InstanceRequest, base_url: str) -> Reply:
        """Make an instance, and hand out where it is stopped."""
        agents = _offered(self.agents, "Instances")
        reply = instance_reply(await agents.generate(asked.codec, asked.mode), agents.secrets)
        instance = instance_of(reply.body)
        if instance is None or not base_url:
            return reply
        proof = agents.proof(device, instance)
        stop_url = f"{base_url}/v1/baidu/stop?proof={proof}"
        return replace(reply, body={**reply.body, "stop_url": stop_url})

    async def baidu_stop(self, device: str, asked: StopRequest, proof: str) -> Reply:
        """Stop an instance that this device was given."""
        agents = _offered(self.agents, "Instances")
        instance = int(asked.ai_agent_instance_id)
        if not agents.was_given(device, instance, proof):
            raise Problem(Kind.NOT_YOURS, "This instance was not given to this device.")
        return stop_reply(await agents.stop(instance), agents.secrets)


_REGISTER_FIELDS = {"app_id", "nonce", "request_time", "signature", "workspace_id"}
_TOKEN_FIELDS = {"app_id", "device_name", "nonce", "request_time", "signature", "token_type"}


def _check_sealed_name(device: str, reply: Reply) -> None:
    """Keep a registration from a device that sealed another's name into its request.

    The vendor alone can read that name, so it cannot be known before.
    """
    data = reply.body["data"]
    if data and str(data.get("deviceName", device)) != device:
        raise Problem(
            Kind.WRONG_NAME,
            "The sealed name in the request is not this device's: the answer is withheld.",
            sent=True,
        )


def _offered(api: _Api | None, what: str) -> _Api:
    if api is None:
        raise Problem(Kind.NOT_OFFERED, f"{what} are not offered here: no keys are set for them.")
    return api

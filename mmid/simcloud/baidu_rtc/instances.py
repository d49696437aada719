"""The agent instances of a simulated Baidu app: made by a server, each used by one connection.

A device never makes one itself (fact sheet, section 2): a server of its vendor does, signed
with the account's keys. So whoever plays such a server here, the relay's endpoint or
Baidu's own server API, makes and stops them in the one book of the cloud.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

_MOST = 1000  # instances; the oldest is forgotten


class NoInstance(Exception):
    """The service has no such instance for a client; the text says what is wrong."""


@dataclass(slots=True)
class AgentInstance:
    """One instance.

    Attributes:
        id: ``ai_agent_instance_id``, a number of 63 bits that no float can hold.
        cid: another number beside it, which opens nothing.
        token: what opens it, once.
        app_id: whose it is.
        codec: ``audiocodec`` of its config, which ``ac`` in the URL must repeat.
        long_audio: ``asr_long_audio_mode`` of its config; None: the config does not say.
        used: a connection was made with its token.
    """

    id: int
    cid: int
    token: str
    app_id: str
    codec: str
    long_audio: bool | None = None
    used: bool = False

    def reply(self) -> dict[str, Any]:
        """Return the service's answer to ``generateAIAgentCall``."""
        return {
            "ai_agent_instance_id": self.id,
            "instance_type": "VoiceChat",
            "context": {"cid": self.cid, "token": self.token},
        }


class InstanceBook:
    """All instances that were not stopped."""

    def __init__(self) -> None:
        self._instances: OrderedDict[int, AgentInstance] = OrderedDict()

    def create(self, app_id: str, codec: str, *, long_audio: bool | None = None) -> AgentInstance:
        """Make an instance, as ``generateAIAgentCall`` does."""
        instance = AgentInstance(
            # Beyond what a double holds: who parses it as one asks for another.
            id=(1 << 62) + secrets.randbits(61) * 2 + 1,
            cid=secrets.randbits(40),
            # Characters that a URL must encode.
            token=f"{secrets.token_hex(16)}+/=",
            app_id=app_id,
            codec=codec,
            long_audio=long_audio,
        )
        self._instances[instance.id] = instance
        if len(self._instances) > _MOST:
            self._instances.popitem(last=False)
        return instance

    def stop(self, instance_id: int) -> bool:
        """Stop an instance, as ``stopAIAgentInstance`` does; False: there is none."""
        return self._instances.pop(instance_id, None) is not None

    def find(self, instance_id: str) -> AgentInstance | None:
        """Return the instance of an id in decimal digits, or None."""
        return next((it for it in self._instances.values() if str(it.id) == instance_id), None)

    def use(self, app_id: str, instance_id: str, token: str, codec: str) -> AgentInstance:
        """Return the instance that the URL of a connection names; its token is then used up.

        Raises:
            NoInstance: the URL opens nothing.
        """
        instance = self.find(instance_id)
        if instance is None:
            raise NoInstance("id is of no instance")
        if instance.app_id != app_id:
            raise NoInstance("a is not the app of the instance")
        if not secrets.compare_digest(instance.token.encode(), token.encode()):
            raise NoInstance("t is not the token of the instance")
        if instance.codec != codec:
            raise NoInstance(f"ac={codec!a} but the instance has audiocodec {instance.codec!a}")
        if instance.used:
            raise NoInstance("id and t were used before")
        instance.used = True
        return instance

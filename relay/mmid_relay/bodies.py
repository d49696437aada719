"""What devices send and are answered, field by field. The OpenAPI document is made of it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from mmid_relay.settings import NAME

Name = Annotated[str, Field(pattern=NAME, description="The device's name; its own.")]
_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_Nonce = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{8,64}$")]
_Sealed = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/=_-]{1,4096}$")]


# 64 bits, as a number or as text: not every JSON parser keeps them in a number.
InstanceId = Annotated[int, Field(ge=0)] | Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class _Body(BaseModel):
    model_config = ConfigDict(
        extra="forbid", strict=True, hide_input_in_errors=True, alias_generator=to_camel
    )


class RegisterRequest(_Body):
    """A registration, as the device's SDK makes it."""

    app_id: _Word
    device_name: Name
    nonce: _Nonce
    request_time: str = Field(pattern=r"^[0-9]{13}$")
    signature: _Sealed
    sdk_version: _Word | None = None
    pay_mode: _Word | None = None
    workspace_id: _Word | None = None


class TokenRequest(_Body):
    """A request for a token, as the device's SDK makes it."""

    app_id: _Word
    device_name: Name
    nonce: _Nonce
    request_time: str = Field(pattern=r"^[0-9]{13}$")
    signature: _Sealed
    token_type: _Word
    sdk_version: _Word | None = None
    pay_mode: _Word | None = None


class QwenTokenRequest(_Body):
    """A request for a temporary key."""

    device_name: Name


class InstanceRequest(_Body):
    """A request for an instance, for one connection."""

    device_name: Name
    codec: str = Field(pattern=r"^[a-z0-9-]{1,32}$", description="What the device's URL says.")
    mode: Literal["push2talk", "tap2talk", "duplex"]


class StopRequest(_Body):
    """The end of an instance."""

    device_name: Name
    ai_agent_instance_id: InstanceId = Field(alias="ai_agent_instance_id")


class _Answer(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)


class Envelope(_Answer):
    """Alibaba's answer; ``data`` is as it came."""

    code: str | int | None
    success: bool
    message: str | None
    data: dict[str, Any] | None
    request_id: str | None


class QwenToken(BaseModel):
    """A temporary key."""

    token: str
    expires_at: int


class Instance(BaseModel):
    """Baidu's answer, and where the instance is stopped."""

    model_config = ConfigDict(extra="allow")

    ai_agent_instance_id: InstanceId = Field(alias="ai_agent_instance_id")
    stop_url: str | None = None


class Stopped(BaseModel):
    """Baidu's answer to a stop."""

    model_config = ConfigDict(extra="allow")


class ProblemDetails(_Answer):
    """What the relay itself refuses (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str

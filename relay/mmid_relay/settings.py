"""The settings: one TOML file, the environment over it, and secrets from files of their own.

``MMID_RELAY_<TABLE>__<KEY>`` in the environment wins over the file. A secret may stand in a file
that ``<key>_file`` names, as systemd and containers hand them out. What is wrong is said by the
key's name; a value is never quoted, for it may be the secret itself.
"""

import ipaddress
import json
import re
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from mmid_relay.small_file import read_file, why_unread

DEFAULT_FILE = Path("/etc/mmid-relay/relay.toml")

# Letters that need no quoting in a token, a log line or a DN.
NAME = r"^[A-Za-z0-9_-]{1,32}$"

# unix:/path, host:port or [IPv6]:port.
_LISTEN = r"^(unix:/.+|(\[[0-9A-Fa-f:.]+\]|[^:\s]+):\d{1,5})$"


def _fits_into_a_header(secret: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", secret.get_secret_value()):
        raise ValueError("it is empty, or has white space or letters that no key has")
    return secret


def _has_port(url: str) -> bool:
    """Return whether a URL, or what stands behind ``//``, has a port that can be one, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _has_host(address: str) -> str:
    url = address if "//" in address else f"//{address}"
    with suppress(UnicodeError):  # a part of the host's name is empty, or over 63 letters
        if _has_port(url) and (urlsplit(url).hostname or "").encode("idna"):
            return address
    raise ValueError("it has no host, or a host or port that cannot be")


Secret = Annotated[SecretStr, AfterValidator(_fits_into_a_header)]

Url = Annotated[str, Field(pattern=r"^https://[^/?#@\s]+(/[^?#\s]*)?$"), AfterValidator(_has_host)]


def is_name(text: str) -> bool:
    """Return whether a text can be a device's name, or a key's id."""
    return bool(re.fullmatch(NAME[1:-1], text))


class SettingsInvalid(Exception):
    """The settings cannot be used; the text names each key and what is wrong with it."""


class _Table(BaseModel):
    """A table of the file: no unknown keys, and ``<key>_file`` for what is secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    from_files: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _read_files(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for key in cls.from_files:
            path = values.pop(f"{key}_file", None)
            if path is None:
                continue
            if key in values:
                raise ValueError(f"{key} and {key}_file are both set: choose one")
            values[key] = read_file(f"{key}_file", path)
        return values


class Server(_Table):
    """Where the relay listens, and whom it believes.

    Attributes:
        listen: ``host:port``, or ``unix:/path`` for a proxy on this machine.
        tls_cert, tls_key: PEM files, where no proxy in front does TLS; one may hold both.
        client_dn_header: header in which the proxy puts the subject of a device's certificate.
        trusted_proxies: networks from which that header is believed, beside the unix socket.
        ca_file: authorities for the vendors' certificates instead of the system's.
    """

    listen: str = Field("127.0.0.1:8443", pattern=_LISTEN)
    tls_cert: str = ""
    tls_key: str = ""
    client_dn_header: str = Field("", pattern=r"^[A-Za-z0-9-]{0,64}$")
    trusted_proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    ca_file: str = ""

    @field_validator("listen")
    @classmethod
    def _can_be_listened_on(cls, listen: str) -> str:
        if not listen.startswith("unix:") and not _has_port(f"//{listen}"):
            raise ValueError("the port is 1 to 65535")
        return listen

    @property
    def unix_path(self) -> str:
        """The socket's path; empty for an address."""
        return self.listen.removeprefix("unix:") if self.listen.startswith("unix:") else ""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, if it is no unix socket."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class Devices(_Table):
    """Who may ask.

    Attributes:
        fleet_keys: key id -> 64 hex digits. Each makes tokens that are good; in a file, a line
            ``id digits`` each.
        signing_key: the id that ``device-token`` signs with.
        revoked: names that are let in no more.
        revoked_keys: ids of keys whose tokens are let in no more.
        revoked_file: the same as lines, watched: a name, or ``key:ID``.
    """

    from_files = ("fleet_keys",)

    fleet_keys: dict[str, SecretStr] = Field(default_factory=dict)
    signing_key: str = ""
    revoked: frozenset[Annotated[str, Field(pattern=NAME)]] = frozenset()
    revoked_keys: frozenset[Annotated[str, Field(pattern=NAME)]] = frozenset()
    revoked_file: str = ""

    @field_validator("fleet_keys", mode="before")
    @classmethod
    def _from_lines(cls, keys: Any) -> Any:
        if not isinstance(keys, str):
            return keys
        lines = [line.split() for line in keys.splitlines() if line.strip()]
        if any(len(words) != 2 for words in lines):
            raise ValueError("each line of fleet_keys_file must be an id and 64 hex digits")
        return {words[0]: words[1] for words in lines}

    @field_validator("fleet_keys")
    @classmethod
    def _are_keys(cls, keys: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, key in keys.items():
            if not is_name(name):
                raise ValueError("a key's id is 1 to 32 letters, digits, '-' and '_'")
            if not re.fullmatch(r"[0-9A-Fa-f]{64}", key.get_secret_value()):
                raise ValueError(f"the key {name} is not 64 hex digits")
        return keys

    @model_validator(mode="after")
    def _signs_with_a_key(self) -> "Devices":
        if self.signing_key and self.signing_key not in self.fleet_keys:
            raise ValueError("signing_key is the id of none of fleet_keys")
        if self.signing_key in self.revoked_keys:
            raise ValueError("signing_key is one of revoked_keys")
        return self


class Limits(_Table):
    """How much is let through.

    Attributes:
        device_per_minute: requests of one device.
        total_per_minute: requests of all devices.
        vendor_timeout_s: longest wait for a vendor's answer. 14 s at most: with connecting
            that makes 20, and a stop has no more for what is under way.
        store: ``memory``, or the URL of a Redis or Valkey that several relays share.
    """

    from_files = ("store",)

    device_per_minute: int = Field(60, ge=1, le=100_000)
    total_per_minute: int = Field(6000, ge=1, le=10_000_000)
    vendor_timeout_s: float = Field(12.0, ge=0.1, le=14.0)
    store: SecretStr = SecretStr("memory")

    @field_validator("store")
    @classmethod
    def _is_a_store(cls, store: SecretStr) -> SecretStr:
        url = store.get_secret_value()
        # What the store's client says of a bad one quotes it, and so a part of the password.
        if not re.match(r"^(memory$|(redis|rediss|valkey|valkeys)://.)", url) or not _has_port(url):
            raise ValueError("store is memory, or the redis:// or valkey:// URL of one")
        return store

    @property
    def shared_store(self) -> str:
        """The URL of the store; empty for memory."""
        store = self.store.get_secret_value()
        return "" if store == "memory" else store


class Alibaba(_Table):
    """The API for semi-managed licenses (BailianModelOnChip, 2024-08-16).

    Attributes:
        endpoint: host, with or without ``https://`` and a port.
        access_key_id, access_key_secret: of the account that owns the product.
        token_key: the Model Studio API key that goes into each token request.
    """

    from_files = ("access_key_id", "access_key_secret", "token_key")

    endpoint: Annotated[str, AfterValidator(_has_host)] = Field(
        "bailianmodelonchip.cn-beijing.aliyuncs.com",
        pattern=r"^(https://)?[^/?#@:\s]+(:\d{1,5})?/?$",
    )
    access_key_id: Secret
    access_key_secret: Secret
    token_key: Secret

    @property
    def host(self) -> str:
        """The endpoint as the ``host`` header has it."""
        return self.endpoint.removeprefix("https://").rstrip("/")


class DashScope(_Table):
    """Temporary keys for Qwen.

    Attributes:
        url: the service's base; the region is the key's.
        api_key: what the temporary keys are made from.
        expire_in_seconds: their life, 1 to 1800 s.
    """

    from_files = ("api_key",)

    url: Url = "https://dashscope.aliyuncs.com"
    api_key: Secret
    expire_in_seconds: int = Field(300, ge=1, le=1800)


class Baidu(_Table):
    """Instances of Baidu RTC's agents.

    Attributes:
        url: the control host.
        access_key, secret_key: AK and SK of the account.
        app_id: the application that instances are made of.
        config_file: JSON file, an object: what goes into an instance's ``config``.
    """

    from_files = ("access_key", "secret_key")

    url: Url = "https://rtc-aiagent.baidubce.com"
    access_key: Secret
    secret_key: Secret
    app_id: str = Field(min_length=1, max_length=128)
    config_file: str = ""

    def config(self) -> dict[str, Any]:
        """Read ``config_file``.

        Raises:
            SettingsInvalid: it cannot be read or is no JSON object.
        """
        if not self.config_file:
            return {}
        try:
            config = json.loads(read_file("config_file", self.config_file))
        except (ValueError, RecursionError) as error:
            raise SettingsInvalid(f"baidu.config_file: {error}") from None
        if not isinstance(config, dict):
            raise SettingsInvalid("baidu.config_file: it is no JSON object")
        return config


class Settings(BaseSettings):
    """All of it. A vendor whose table is missing is not offered."""

    model_config = SettingsConfigDict(
        env_prefix="MMID_RELAY_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    server: Server = Field(default_factory=Server)
    devices: Devices = Field(default_factory=Devices)
    limits: Limits = Field(default_factory=Limits)
    alibaba: Alibaba | None = None
    dashscope: DashScope | None = None
    baidu: Baidu | None = None


def load(path: Path) -> Settings:
    """Return the settings of a file and the environment.

    Raises:
        SettingsInvalid: they cannot be read, or something in them is wrong.
    """

    class _WithFile(Settings):
        @classmethod
        def settings_customise_sources(  # type: ignore[override]  # all are given by name
            cls, settings_cls: type[BaseSettings], **sources: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return sources["env_settings"], TomlConfigSettingsSource(settings_cls, path)

    try:
        if not path.is_file() and path != DEFAULT_FILE:
            raise SettingsInvalid(f"there is no file {path}, or it is no regular one")
        return _WithFile()
    except ValidationError as error:
        raise SettingsInvalid("\n".join(_words(error))) from None
    except SettingsError as error:
        raise SettingsInvalid(f"the environment (MMID_RELAY_...): {error}") from None
    except (OSError, tomllib.TOMLDecodeError, ValueError) as error:
        raise SettingsInvalid(f"{path} cannot be read: {why_unread(error)}") from None


def _words(error: ValidationError) -> list[str]:
    """Say what is wrong, a line each, and quote no value."""
    return [
        f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}"
        for one in error.errors(include_input=False, include_url=False, include_context=False)
    ]

"""What simcloud's license service knows and decides, without any network.

Holds the devices, the nonces and the tokens of one product, checks a request
as strictly as the real service may, and makes the sealed answer. A refusal is
a ``CloudRefused`` with a code of the service; a request that no client of the
service would send has the code ``400``.
"""

import json
import os
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmid.errors import CloudRefused, MalformedMessage, StorageFailed
from mmid.secrets import Secret
from mmid.session.license.codec import Context, Message, compact, seal, unseal
from mmid.session.license.messages import Identity, Kind, make_nonce
from mmid.session.license.protocol import TOKEN_TYPE
from mmid.simcloud.core.product import Product

BAD_REQUEST = "400"

_TIME_WINDOW_MS = 5 * 60 * 1000
# More than a test or a bench of boards can use in the time window; the oldest go first.
_NONCE_LIMIT = 10_000
_TOKEN_LIMIT = 1_000
_CLEAR = ("appId", "deviceName", "requestTime", "sdkVersion")
_FIELDS = {
    Kind.REGISTER: {*_CLEAR, "nonce", "signature"},
    Kind.TOKEN: {*_CLEAR, "nonce", "signature", "tokenType"},
}
_PAY_MODE = "LICENSE"


class LicenseBook:
    """The devices of one product, and what they may do."""

    def __init__(self, product: Product, state_file: Path | None = None) -> None:
        self.product = product
        self._state_file = state_file
        self._nonces: OrderedDict[str, None] = OrderedDict()
        self._tokens: OrderedDict[str, tuple[str, int]] = OrderedDict()
        # An empty secret: the device was activated, then reset in the console.
        self._secrets = _load(state_file) if state_file else {}

    def register(self, body: Mapping[str, Any], now_ms: int) -> dict[str, str]:
        """Return the ``data`` of the answer to a registration.

        Raises:
            CloudRefused: the device may not register.
        """
        identity = self._admit(Kind.REGISTER, body, now_ms)
        self._check_sealed(Message.REGISTER_REQUEST, identity, body, set())
        name = identity.device_name
        # A name can be registered once; only the console's reset frees it again.
        if self._secrets.get(name):
            raise CloudRefused("device already registered", "100008")
        quota = self.product.activation_quota
        if name not in self._secrets and quota is not None and len(self._secrets) >= quota:
            raise CloudRefused("no activation quota left", "100007")
        secret = Secret(os.urandom(16).hex())
        self._remember(name, secret)
        fields = {"deviceSecret": secret.reveal()}
        return self._reply(Message.REGISTER_REPLY, identity, body, fields, now_ms)

    def token(
        self, body: Mapping[str, Any], now_ms: int, client: str, *, token_key: str | None = None
    ) -> dict[str, str]:
        """Return the ``data`` of the answer to a token request.

        Args:
            body: the request.
            now_ms: the service's clock, Unix ms.
            client: the IP address it came from.
            token_key: the API key of the vendor's server that relays it; None if nobody does.

        Raises:
            CloudRefused: the device may not connect.
        """
        identity = self._admit(Kind.TOKEN, body, now_ms)
        secret = self._secrets.get(identity.device_name)
        if not secret:
            raise CloudRefused("device not registered", "100009")
        identity = replace(identity, device_secret=Secret(secret))
        # Of a relayed request the API key comes from the vendor's server, never from the device.
        knows_key = self.product.fully_managed and token_key is None
        expected = {"tokenType"} | ({"apiKey"} if knows_key else set())
        fields = self._check_sealed(Message.TOKEN_REQUEST, identity, body, expected)
        ours = self.product.api_key.reveal()
        if fields.get("apiKey", ours if token_key is None else token_key) != ours:
            raise CloudRefused("token could not be fetched: wrong apiKey", "300002")
        token = Secret(f"st-{os.urandom(16).hex()}")
        expires_ms = now_ms + round(self.product.token_life_s * 1000)
        self._tokens[token.reveal()] = identity.device_name, expires_ms
        _forget_oldest(self._tokens, _TOKEN_LIMIT)
        fields = {
            "dashToken": token.reveal(),
            "expireTime": str(expires_ms),
            "workspaceId": self.product.workspace_id,
        }
        data = self._reply(Message.TOKEN_REPLY, identity, body, fields, now_ms)
        signature = data.pop("signature")
        return data | {"requestIp": client, "signature": signature}

    def complete(self, kind: Kind, body: Mapping[str, str]) -> dict[str, str]:
        """Return a relayed request with the clear fields that a relay drops.

        They are sealed in it, and the key is found by the AppId alone, or by the
        device's name in a token request (license section 3.1).

        Raises:
            CloudRefused: it does not open.
        """
        secret = Secret(self._secrets.get(body.get("deviceName", ""), ""))
        identity = Identity(body["appId"], self.product.app_secret, "", secret)
        message = Message.REGISTER_REQUEST if kind is Kind.REGISTER else Message.TOKEN_REQUEST
        if kind is Kind.TOKEN and not secret:
            raise CloudRefused("device not registered", "100009")
        try:
            sealed = unseal(
                Context(message, identity, body["nonce"], time_ms=body["requestTime"]),
                body["signature"],
            )
        except MalformedMessage as error:
            raise CloudRefused(f"decryption failed: {error}", "500002") from None
        dropped = {name: str(sealed.get(name, "")) for name in ("deviceName", "sdkVersion")}
        return {**dropped, **body}

    def token_valid(self, token: str, now_ms: int) -> str | None:
        """Return the name of the device that holds this token, or None if it is not valid."""
        device_name, expires_ms = self._tokens.get(token, (None, 0))
        return device_name if now_ms < expires_ms else None

    def reset(self, device_name: str) -> None:
        """Do what the console's reset does: the device must, and may, register again."""
        if device_name in self._secrets:
            self._remember(device_name, Secret(""))
        for token, (holder, _) in list(self._tokens.items()):
            if holder == device_name:
                del self._tokens[token]

    def registered(self, device_name: str) -> bool:
        """Tell whether the device has a secret that is in force."""
        return bool(self._secrets.get(device_name))

    def _admit(self, kind: Kind, body: Mapping[str, Any], now_ms: int) -> Identity:
        """Check all that can be checked before anything is opened."""
        _check_shape(kind, body)
        if body["appId"] != self.product.app_id:
            raise CloudRefused("decryption failed: no such appId", "500002")
        if abs(now_ms - int(body["requestTime"])) > _TIME_WINDOW_MS:
            raise CloudRefused("requestTime is not within 5 minutes", "100010")
        # A request that was heard on the way cannot be sent again.
        if body["nonce"] in self._nonces:
            raise CloudRefused("nonce was used before", BAD_REQUEST)
        self._nonces[body["nonce"]] = None
        _forget_oldest(self._nonces, _NONCE_LIMIT)
        return Identity(body["appId"], self.product.app_secret, body["deviceName"])

    def _check_sealed(
        self, message: Message, identity: Identity, body: Mapping[str, Any], extra: set[str]
    ) -> dict[str, Any]:
        """Open the signature and compare what it carries with what stands in clear."""
        context = Context(message, identity, body["nonce"], time_ms=body["requestTime"])
        try:
            fields = unseal(context, body["signature"])
        except MalformedMessage as error:
            raise CloudRefused(f"decryption failed: {error}", "500002") from None
        expected = {*_CLEAR, "payMode"} | extra
        if fields.keys() != expected:
            wrong = ", ".join(sorted(fields.keys() ^ expected))
            raise CloudRefused(f"signature has too many or too few fields: {wrong!a}", "500001")
        if fields["payMode"] != _PAY_MODE:
            raise CloudRefused("access mode mismatch: payMode is not LICENSE", "100032")
        for name in expected & body.keys():
            if fields[name] != body[name]:
                raise CloudRefused(f"signature has another {name}", "500001")
        return fields

    def _reply(
        self,
        message: Message,
        identity: Identity,
        body: Mapping[str, Any],
        fields: Mapping[str, str],
        now_ms: int,
    ) -> dict[str, str]:
        time_ms = str(now_ms)
        named = {"appId": identity.app_id, "deviceName": identity.device_name}
        context = Context(message, identity, body["nonce"], make_nonce(), time_ms)
        sealed = {**named, "payMode": _PAY_MODE, "responseTime": time_ms, **fields}
        return {
            "nonce": context.reply_nonce,
            "responseTime": time_ms,
            **named,
            "signature": seal(context, sealed),
        }

    def _remember(self, device_name: str, secret: Secret) -> None:
        """Keep a device before it hears of it, as the real service must."""
        self._secrets[device_name] = secret.reveal()
        if self._state_file is None:
            return
        new = self._state_file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_bytes(compact({"devices": self._secrets}))
        new.replace(self._state_file)


def _load(state_file: Path) -> dict[str, str]:
    try:
        devices = json.loads(state_file.read_bytes())["devices"]
        return {str(name): str(secret) for name, secret in devices.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageFailed(
            f"simcloud's list of devices {state_file} cannot be read ({type(error).__name__}): "
            f"delete it, and the device records of the devices that registered"
        ) from None


def _check_shape(kind: Kind, body: Mapping[str, Any]) -> None:
    optional = {"workspaceId"} if kind is Kind.REGISTER else set()
    wrong = _FIELDS[kind] ^ (body.keys() - optional)
    if wrong:
        raise CloudRefused(f"missing or unknown: {', '.join(sorted(wrong))!a}", BAD_REQUEST)
    for name, value in body.items():
        if not isinstance(value, str):
            raise CloudRefused(f"{name} is not a string", BAD_REQUEST)
    if not body["signature"]:
        raise CloudRefused("signature is empty", "100011")
    if len(body["deviceName"]) > 32:
        raise CloudRefused("deviceName is longer than 32 characters", "100012")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", body["deviceName"]):
        raise CloudRefused("deviceName has characters that are not allowed", "100013")
    if not re.fullmatch(r"[0-9a-f]{26}", body["nonce"]):
        raise CloudRefused("nonce is not 26 hex characters", BAD_REQUEST)
    if not re.fullmatch(r"[0-9]{13}", body["requestTime"]):
        raise CloudRefused("requestTime is not 13 digits", BAD_REQUEST)
    if body.get("tokenType", TOKEN_TYPE) != TOKEN_TYPE:
        raise CloudRefused(f"tokenType is not {TOKEN_TYPE}", BAD_REQUEST)


def _forget_oldest(entries: OrderedDict[str, Any], limit: int) -> None:
    while len(entries) > limit:
        entries.popitem(last=False)

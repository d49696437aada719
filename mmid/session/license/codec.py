"""The sealed field of the license service's messages: how it is made and opened.

A message is clear JSON with one sealed field, ``signature``:

    base64( AES-128-CCM( key, nonce, plaintext ) + 4-byte tag )

where the nonce is 13 bytes, sent in clear as 26 hex characters, and the
plaintext is compact JSON with its keys in alphabetical order. The vendor does
not publish this. Message lengths in its logs prove the sizes (cipher without
padding, 4-byte tag, base64 with padding, which fields); what lengths cannot
prove is a named attribute of ``CodecParameters``, so that a first contact with
the real service can only ever change values there.

The only module of the license that imports cryptography, when it first seals or opens: a
vendor's codec needs none of it. It runs in the license child and in simcloud, never in the
resident daemon.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from mmid.errors import MalformedMessage
from mmid.frozen import frozen
from mmid.session.license.messages import Identity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM


class Message(StrEnum):
    """What carries a sealed field: four messages, and two parts of a dialog's first one."""

    REGISTER_REQUEST = "register request"
    REGISTER_REPLY = "register reply"
    TOKEN_REQUEST = "token request"  # noqa: S105 - a name of a message
    TOKEN_REPLY = "token reply"  # noqa: S105 - a name of a message
    TASK_LICENSE = "license_info of a task"
    TASK_DEVICE = "device_info of a task"


class KeyOwner(StrEnum):
    """Whose secret a message is sealed with."""

    PRODUCT = "AppSecret"
    DEVICE = "DeviceSecret"


@frozen
class Context:
    """All that may take part in sealing one message.

    Attributes:
        message: which of them.
        identity: whose message it is; holds both secrets.
        request_nonce: of the request, also when a reply is opened.
        reply_nonce: of the reply; empty for a request.
        time_ms: request time or response time, as the text in the message.
    """

    message: Message
    identity: Identity
    request_nonce: str
    reply_nonce: str = ""
    time_ms: str = ""

    @property
    def nonce(self) -> str:
        """The nonce that goes with this message."""
        return self.reply_nonce or self.request_nonce


def compact(document: Mapping[str, Any]) -> bytes:
    """Return JSON without a space, keys in the mapping's order: the form on the wire."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    # Half a surrogate pair, which JSON may carry and UTF-8 may not, becomes a question mark.
    return text.encode(errors="replace")


def _alphabetical(fields: Mapping[str, Any]) -> bytes:
    return compact(dict(sorted(fields.items())))


def _secret_as_it_is(secret: bytes, _context: Context) -> bytes:
    return secret


def _nonce_of_task(message: Message, task_id: str) -> str:
    """Cut 13 bytes from the task id's 16: other ones for each part, a nonce serves only once."""
    return task_id[:26] if message is Message.TASK_LICENSE else task_id[-26:]


def _no_associated_data(_context: Context) -> bytes:
    return b""


_KEYS = MappingProxyType(
    {
        Message.REGISTER_REQUEST: KeyOwner.PRODUCT,
        Message.REGISTER_REPLY: KeyOwner.PRODUCT,
        Message.TOKEN_REQUEST: KeyOwner.DEVICE,
        Message.TOKEN_REPLY: KeyOwner.DEVICE,
        Message.TASK_LICENSE: KeyOwner.DEVICE,
        Message.TASK_DEVICE: KeyOwner.DEVICE,
    }
)

_REPLY_FIELDS = MappingProxyType(
    {
        "device_secret": ("deviceSecret",),
        "token": ("dashToken", "token"),
        "expiry": ("expireTime", "expiresAt", "expireAt", "expiresIn", "expire"),
        "workspace_id": ("workspaceId", "wsId"),
    }
)


@frozen
class CodecParameters:
    """The choices that the published facts leave open, each with its natural value.

    Attributes:
        keys: whose secret seals each message. The service finds the key of a
            register request by the AppId alone, and the device has nothing
            else when it opens the reply: AppSecret is sure there. DeviceSecret
            for tokens rests on the vendor calling it the certificate of all
            later traffic.
        derive_key: makes the 16-byte key of the secret's 16 bytes. Nothing
            speaks for a derivation; nonce or time could be mixed in.
        associated_data: authenticated with the plaintext but not sent. It does
            not change lengths, so nothing shows it. Doubtful for replies: the
            vendor's phone library asks for both nonces and the time to open one.
        nonce_bytes: 13 bytes of the 26 hex characters. They could be 13
            characters of text instead.
        task_nonce: nonce of each part of a task's signature, which carries none:
            both sides know the task id, and it is new for each connection.
        plaintext: the bytes that are sealed. The order is shown by a log for
            tokens and assumed for registration.
        tag_bytes: 4, the only size that fits all logs.
        reply_fields: names to look for in an opened reply, best first. Only
            ``dashToken`` is documented.
        device_secret_shape: 32 hex characters fit the length of the logged reply.
        token_trust_s: longest time a token is trusted, whatever the reply says
            of its expiry: name and unit of that field are unknown, and 60 s is
            the default life of the vendor's other temporary keys.
        sdk_version: what we say we are. Whether the value is checked is unknown.
    """

    keys: Mapping[Message, KeyOwner] = field(default_factory=lambda: _KEYS)
    derive_key: Callable[[bytes, Context], bytes] = _secret_as_it_is
    associated_data: Callable[[Context], bytes] = _no_associated_data
    nonce_bytes: Callable[[str], bytes] = bytes.fromhex
    task_nonce: Callable[[Message, str], str] = _nonce_of_task
    plaintext: Callable[[Mapping[str, Any]], bytes] = _alphabetical
    tag_bytes: int = 4
    reply_fields: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _REPLY_FIELDS)
    device_secret_shape: str = r"[0-9A-Fa-f]{32}"  # noqa: S105 - a pattern, not a secret
    token_trust_s: int = 60
    sdk_version: str = "1.1.0"


DEFAULT = CodecParameters()


def seal(context: Context, fields: Mapping[str, Any], parameters: CodecParameters = DEFAULT) -> str:
    """Return the text of ``signature`` that carries the fields."""
    nonce = parameters.nonce_bytes(context.nonce)
    sealed = _cipher(context, parameters).encrypt(
        nonce, parameters.plaintext(fields), parameters.associated_data(context)
    )
    return base64.b64encode(sealed).decode("ascii")


def unseal(
    context: Context, signature: str, parameters: CodecParameters = DEFAULT
) -> dict[str, Any]:
    """Return the fields that a ``signature`` carries.

    Raises:
        MalformedMessage: it is cut or changed, or was sealed with another key or nonce.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

    owner = parameters.keys[context.message]
    try:
        sealed = base64.b64decode(signature, validate=True)
        nonce = parameters.nonce_bytes(context.nonce)
        cipher = _cipher(context, parameters)
        plaintext = cipher.decrypt(nonce, sealed, parameters.associated_data(context))
        fields = json.loads(plaintext)
    except binascii.Error:
        raise malformed(context, "its signature is not base64") from None
    # A wrong key passes the short tag once in 2**32 times; what it yields is no JSON.
    except (InvalidTag, ValueError, OverflowError, RecursionError):
        raise malformed(context, f"its signature does not open with our {owner}") from None
    if not isinstance(fields, dict):
        raise malformed(context, "what its signature carries is not an object")
    return fields


def _cipher(context: Context, parameters: CodecParameters) -> "AESCCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM  # noqa: PLC0415 - see above

    identity, owner = context.identity, parameters.keys[context.message]
    secret = identity.app_secret if owner is KeyOwner.PRODUCT else identity.device_secret
    try:
        key = parameters.derive_key(bytes.fromhex(secret.reveal()), context)
        return AESCCM(key, tag_length=parameters.tag_bytes)
    except ValueError:
        raise malformed(context, f"our {owner} is not 32 hex characters") from None


def malformed(context: Context, what: str) -> MalformedMessage:
    """Return the error for a message that cannot be made or understood."""
    return MalformedMessage(f"The license {context.message} is not usable: {what}")

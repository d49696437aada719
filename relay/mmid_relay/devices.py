"""Who asks: a device's token, or the certificate that the proxy in front has checked.

A token is ``<deviceName>.<key id>.<HMAC-SHA256 of the name under that fleet key, hex>``. Nothing
is stored of it: whoever has the key can tell a good one, so any number of relays can.
"""

import hmac
import ipaddress
import re
from collections.abc import Iterable, Mapping

from mmid_relay.problems import Kind, Problem
from mmid_relay.revocations import Revocations
from mmid_relay.settings import Devices, Server, is_name

_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{1,32})\.([0-9a-f]{64})")
# Compared with when the key is not ours, so that this takes as long.
_NO_KEY = bytes(32)

Headers = Iterable[tuple[bytes, bytes]]


def device_token(name: str, key_id: str, key: bytes) -> str:
    """Return the token that a device of this name proves itself by."""
    return f"{name}.{key_id}.{hmac.digest(key, name.encode(), 'sha256').hex()}"


class Doorkeeper:
    """Tells who a request is from.

    Args:
        server: which header names a certificate's subject, and from whom it is believed.
        devices: the keys.
        revocations: who is let in no more.
    """

    def __init__(self, server: Server, devices: Devices, revocations: Revocations) -> None:
        self._keys: Mapping[str, bytes] = {
            name: bytes.fromhex(key.get_secret_value()) for name, key in devices.fleet_keys.items()
        }
        self._dn_header = server.client_dn_header.lower().encode()
        self._trusted = server.trusted_proxies
        self._on_unix_socket = bool(server.unix_path)
        self._revocations = revocations

    def device(self, headers: Headers, client: str) -> str:
        """Return the name of the device that a request is from.

        Args:
            headers: of the request, names in lower case.
            client: address of the other end; empty on a unix socket.

        Raises:
            Problem: nobody we know, or no more.
        """
        authorization = [value for name, value in headers if name == b"authorization"]
        subjects = [value for name, value in headers if name == self._dn_header and value]
        if len(authorization) > 1 or len(subjects) > 1:
            raise Problem(Kind.UNKNOWN_DEVICE, "The request names its device more than once.")
        if authorization:
            return self._by_token(authorization[0].decode("latin-1"))
        if subjects and self._believes(client):
            name = common_name(subjects[0].decode("latin-1"))
            if not is_name(name):
                raise Problem(
                    Kind.UNKNOWN_DEVICE, "The client certificate's CN is not a device's name."
                )
            self._admit(name)
            return name
        raise Problem(
            Kind.UNKNOWN_DEVICE,
            "The request has no device token (Authorization: Bearer), and no client certificate.",
        )

    def _by_token(self, authorization: str) -> str:
        scheme, _, token = authorization.partition(" ")
        match = _TOKEN.fullmatch(token.strip()) if scheme.lower() == "bearer" else None
        if match is None:
            raise Problem(Kind.UNKNOWN_DEVICE, "The Authorization header holds no device token.")
        name, key_id, _ = match.groups()
        good = device_token(name, key_id, self._keys.get(key_id, _NO_KEY))
        if not hmac.compare_digest(good, match.group()) or key_id not in self._keys:
            raise Problem(
                Kind.UNKNOWN_DEVICE,
                "The device token is not valid here: it is of another fleet, or of a key that "
                "is no longer in use.",
            )
        self._admit(name, key_id)
        return name

    def _admit(self, name: str, key_id: str = "") -> None:
        if self._revocations.holds(name, key_id):
            raise Problem(Kind.REVOKED, "This device, or the key of its token, was revoked.")

    def _believes(self, client: str) -> bool:
        """Whether the one who sent this may say which certificate it has checked."""
        if self._on_unix_socket:
            return True
        try:
            address = ipaddress.ip_address(client)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def claimed_name(headers: Headers) -> str:
    """Return the name that an unproven request claims, for a log line; empty if none.

    Of a token only: what a board sends in its place by mistake may be an API key.
    """
    for name, value in headers:
        if name == b"authorization":
            match = _TOKEN.fullmatch(value[7:].decode("latin-1").strip())
            return match[1] if match else ""
    return ""


def common_name(subject: str) -> str:
    r"""Return the one CN of a certificate's subject; empty if it has none or several.

    In the form of RFC 4514, as nginx, Caddy and Apache pass it on: ``CN=radio-7,O=Example\, Inc.``.
    """
    # A value may hold an escaped separator: it must not begin another part.
    parts = re.findall(r"(?:\\.|[^\\,+;])+", subject)
    names = [
        value.strip()
        for kind, equals, value in (part.partition("=") for part in parts)
        if equals and kind.strip().upper() in {"CN", "2.5.4.3"}
    ]
    return names[0] if len(names) == 1 else ""

"""Asks the relay on this machine whether it lives: for a container's HEALTHCHECK.

    python -m mmid_relay.healthcheck [CONFIG]

It finds the relay by the same settings. Exit status 0 says that it answers, 1 that it does not.
"""

import http.client
import socket
import ssl
import sys
from pathlib import Path

from mmid_relay.settings import DEFAULT_FILE, Server, SettingsInvalid, load

_WAIT_S = 3.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is asked is this machine


def main(arguments: list[str]) -> int:
    """Ask /healthz, and return the exit status."""
    path = Path(arguments[0]) if arguments else DEFAULT_FILE
    try:
        status = _ask(load(path).server)
    except (OSError, http.client.HTTPException, SettingsInvalid) as error:
        sys.stderr.write(f"mmid-relay does not answer: {error}\n")
        return 1
    return 0 if status == http.HTTPStatus.OK else 1


def _ask(server: Server) -> int:
    connection = http.client.HTTPConnection("localhost", timeout=_WAIT_S)
    connection.sock = _connect(server)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status
    finally:
        connection.close()


def _connect(server: Server) -> socket.socket:
    if server.unix_path:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(_WAIT_S)
        try:
            plain.connect(server.unix_path)
        except OSError:
            plain.close()
            raise
        return plain
    host, port = server.address
    plain = socket.create_connection((_ANYWHERE.get(host, host), port), _WAIT_S)
    if not server.tls_cert:
        return plain
    # It asks itself, on the loopback: the name in the certificate is another.
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls.wrap_socket(plain)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

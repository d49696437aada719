"""The server: uvicorn, with what the relay wants of it."""

import logging
import signal
import socket
import ssl

import uvicorn

from mmid_relay.app import make_app
from mmid_relay.head_timeout import HeadTimeout
from mmid_relay.relay import Relay
from mmid_relay.settings import Server, Settings, SettingsInvalid
from mmid_relay.small_file import require_regular_file

_log = logging.getLogger(__name__)

_STOP_S = 20
# Longer than a proxy in front keeps its idle connections (nginx: 60 s): it closes them, and never
# sends a registration into one that we are closing.
_KEEP_ALIVE_S = 75


def serve(settings: Settings) -> int:
    """Answer devices until SIGTERM or SIGINT; what is under way then is finished, 20 s at most.

    Raises:
        SettingsInvalid: a file that the settings name cannot be used.
    """
    server = settings.server
    check_certificate(server)
    _warn_of_plain_text(server)
    host, port = ("", 0) if server.unix_path else server.address
    app = make_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        uds=server.unix_path or None,
        ssl_certfile=server.tls_cert or None,
        ssl_keyfile=server.tls_key or None,
        # Who asks is the real other end: a header may not say so.
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="on",
        http=HeadTimeout,
        ws="none",
        timeout_graceful_shutdown=_STOP_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    # uvicorn raises the signal that stopped it once more at the end: it has had its effect.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    _Server(config, app.state.relay).run()
    return 0


class _Server(uvicorn.Server):
    """uvicorn's server, which sends nothing to a vendor any more once it stops."""

    def __init__(self, config: uvicorn.Config, relay: Relay) -> None:
        super().__init__(config)
        self._relay = relay

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse what has not been sent, so that all that has been is answered in time."""
        for upstream in self._relay.upstreams:
            upstream.stop()
        await super().shutdown(sockets)


def _warn_of_plain_text(server: Server) -> None:
    """Say so if tokens cross a network that everybody can read."""
    here = server.unix_path or server.address[0] in {"127.0.0.1", "::1", "localhost"}
    if not here and not server.tls_cert:
        _log.warning(
            "server.listen is not this machine's own, and server.tls_cert is not set: devices' "
            "tokens come in plain text, unless a proxy on a network of its own is in front"
        )


def check_certificate(server: Server) -> None:
    """Try our own certificate, if there is one.

    Raises:
        SettingsInvalid: it cannot be used.
    """
    if not server.tls_cert:
        return
    try:
        for file in filter(None, (server.tls_cert, server.tls_key)):
            require_regular_file(file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.tls_cert, server.tls_key or None, password="")
    except (OSError, ValueError):
        raise SettingsInvalid(
            "server.tls_cert: it cannot be read, or tls_key is not its key"
        ) from None

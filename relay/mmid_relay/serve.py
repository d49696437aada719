"""The server: uvicorn, with what the relay wants of it."""

import uvicorn

from mmid_relay.app import make_app
from mmid_relay.settings import Settings

_STOP_S = 20


def serve(settings: Settings) -> int:
    """Answer devices until SIGTERM or SIGINT; what is under way then is finished, 20 s at most.

    Raises:
        SettingsInvalid: a file that the settings name cannot be used.
    """
    server = settings.server
    host, port = ("", 0) if server.unix_path else server.address
    config = uvicorn.Config(
        make_app(settings),
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
        ws="none",
        timeout_graceful_shutdown=_STOP_S,
    )
    uvicorn.Server(config).run()
    return 0

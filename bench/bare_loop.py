"""The floor of a resident process: a Python loop with TLS imported that waits.

    python -m bench.bare_loop

Says READY=1 as ``mmid run`` does, then waits for SIGTERM.
"""

import asyncio
import os
import socket
import ssl  # noqa: F401 - what every client of a cloud has loaded


async def main() -> None:
    """Wait."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(b"READY=1", address)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

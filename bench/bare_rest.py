"""The floor of a connection at rest: bare websockets that keeps it alive, and nothing else.

    python -m bench.bare_rest FACTS.json

FACTS as ``bench.bare_dialog`` has them. Prints a line once the cloud listens, and then lets the
cloud know that it lives as often as mmid does, until SIGTERM.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from bench.bare_clouds import connected


async def main(facts: dict[str, Any]) -> None:
    """Connect and rest."""
    context = ssl.create_default_context(cafile=facts["ca_file"])
    async with connected(facts, context) as dialog:
        print("listening", flush=True)
        await dialog.rest()


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))

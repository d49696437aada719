"""The floor of a dialog: websockets and pyalsaaudio, and nothing that makes it safe.

    python -m bench.bare_dialog FACTS.json

A client of each cloud in one page: one task reads, one writes, in chunks of 100 ms; what
comes goes to the loudspeaker as it comes, and never waits. No checks, no states, no bus,
no record, nothing is survived. It does on the wire and on the sound card what mmid does, so
what it costs nobody can save. The PCMs are those of a board, ``microphone`` and
``loudspeaker``.

FACTS has what simcloud printed, and protocol, mode and seconds, and it prints
``{"spent": ...}``, milliseconds of CPU: in push2talk of a turn in which it speaks so long, in
duplex of so many seconds with the microphone open, in which it asks for one reply. With
``counts``, a directory, it tells the millions of instructions that are counted there
(``bench.armhf``). With ``cancelling`` it calls libspeexdsp for all that it records and plays.
"""

import asyncio
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from bench.bare_clouds import connected


async def main(facts: dict[str, Any]) -> None:
    """Connect, talk, go."""
    context = ssl.create_default_context(cafile=facts["ca_file"])
    async with connected(facts, context) as dialog:
        hold = dialog.push_to_talk if facts["mode"] == "push2talk" else dialog.full_duplex
        print(json.dumps({"spent": await hold(facts["seconds"])}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))

"""``mmid`` whose sound takes no time: while an event loop of it runs, the clock is a virtual one.

    python -m tests.rig.sound_at_once CARD TOLD [ARGUMENT...]

CARD is the plug-in for alsa-lib that is its sound card; to the file TOLD go the seconds that
passed while the loop ran, by that clock. The arguments are those of ``mmid``.
"""

import asyncio
import sys
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mmid.cli.mmid.__main__ import main
from tests.rig.virtual_time import VirtualTime

_run = asyncio.run


def _run_at_once(card: Path, told: Path, work: Coroutine[Any, Any, Any]) -> Any:
    async def governed(clock: VirtualTime) -> Any:
        clock.govern(asyncio.get_running_loop())
        return await work

    with pytest.MonkeyPatch.context() as patch:
        clock, began = VirtualTime([card], patch), time.monotonic()
        result = _run(governed(clock))
        told.write_text(str(time.monotonic() - began))
    return result


if __name__ == "__main__":
    card, told = map(Path, sys.argv[1:3])
    del sys.argv[1:3]
    asyncio.run = partial(_run_at_once, card, told)
    sys.exit(main())

"""Tries inputs that nobody thought of, on one target after the other.

A target is a module ``target_NAME.py`` in this folder with two functions:

``invent(dice)``
    makes an input, bytes, of a ``random.Random``: mostly something lawful that was bent.
``async take(data)``
    gives it to the code. It may raise an error of mmid's own family: that is the answer to
    what is malformed. Anything else is a finding, and so is an exception in a log or in the
    event loop, more than a second of CPU for one input, and memory that grows.

``corpus/NAME`` has inputs that were findings once; they are tried first. Input ``n`` of a seed
is always the same one, so a seed and a number are enough to see it again.
"""

import asyncio
import importlib
import logging
import resource
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Protocol

from mmid.errors import MmidError

FOLDER = Path(__file__).parent

# The slowest honest input takes a hundredth of it here.
MOST_CPU_S = 1.0
# For what waits for something: a connection that nobody ends.
MOST_WAIT_S = 10.0
# Caches fill up, and the heap is cut up; what leaks with each input comes to more.
MOST_GROWTH_MIB = 48

_PAGE_MIB = resource.getpagesize() / 2**20

# Lengths and numbers that have gone wrong somewhere before.
_STRANGE_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]


class Target(Protocol):
    """A module of this folder."""

    def invent(self, dice: Random) -> bytes:
        """Make an input."""

    async def take(self, data: bytes) -> None:
        """Try it."""


def names() -> list[str]:
    """Return the targets there are."""
    return sorted(file.stem.removeprefix("target_") for file in FOLDER.glob("target_*.py"))


def mutated(data: bytes, dice: Random) -> bytes:
    """Return bytes with a few changes: some like a bad line's, some like an attacker's."""
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4, 16])):
        at = dice.randrange(len(changed) + 1)
        span = slice(at, at + dice.choice([1, 2, 4, 8, 64, 1024]))
        match dice.randrange(7):
            case 0:
                changed[at : at + 1] = dice.randbytes(1)
            case 1:
                size = dice.choice([1, 2, 4])
                number = dice.choice(_STRANGE_NUMBERS) & (1 << 8 * size) - 1
                changed[at : at + size] = number.to_bytes(size, dice.choice(["big", "little"]))
            case 2:
                del changed[span]
            case 3:
                changed[at:at] = changed[span] * dice.choice([1, 2, 50])
            case 4:
                changed[at:at] = dice.randbytes(dice.choice([1, 3, 40]))
            case 5:
                changed[span] = bytes(len(changed[span]))
            case _:
                del changed[at:]
    return bytes(changed)


async def fuzz(name: str, seed: int, inputs: int, seconds: float = 0.0) -> list[str]:
    """Try a target's corpus, then inputs of a seed, and return what was found.

    Args:
        name: of the target.
        seed: any number.
        inputs: how many.
        seconds: for so long, in place of ``inputs``.
    """
    target: Any = importlib.import_module(f"tests.fuzz.target_{name}")
    watch = _Watch()
    found: list[str] = []
    ends_at, tried, memory_mib = time.monotonic() + seconds, 0, 0.0
    for where, data in _inputs(target, name, seed):
        if len(found) >= 10 or (time.monotonic() >= ends_at if seconds else tried >= inputs):
            break
        last = _keep(data, f"{name}-last")  # if the process ends over it, it is here
        if why := await watch.attempt(target, data):
            last.rename(kept := last.with_name(f"{name}-{where}"))
            found.append(f"{name}, {where}: {why}; the input is in {kept}")
        tried += not where.startswith("corpus")
        if tried == 200:
            memory_mib = _memory_mib()
    if memory_mib and (grown := _memory_mib() - memory_mib) > MOST_GROWTH_MIB:
        found.append(f"{name}: {grown:.0f} MiB more memory after {tried} inputs of seed {seed}")
    return found


def _inputs(target: Target, name: str, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield each input with its name."""
    for file in sorted((FOLDER / "corpus" / name).glob("*")):
        yield f"corpus-{file.name}", file.read_bytes()
    for number in count():
        dice = Random(f"{name} {seed} {number}")  # noqa: S311 - no secret
        yield f"seed-{seed}-{number}", target.invent(dice)


def _keep(data: bytes, name: str) -> Path:
    folder = Path("build/fuzz")
    folder.mkdir(parents=True, exist_ok=True)
    (file := folder / name).write_bytes(data)
    return file


def _memory_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MIB


class _Watch(logging.Handler):
    """Sees what goes wrong where no exception reaches us."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._seen: list[str] = []
        logging.getLogger("mmid").addHandler(self)
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: self._seen.append(
                f"{context.get('exception')!r} in the loop: {context['message']}"
            )
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Note an exception that somebody caught and logged, for it was not foreseen."""
        if record.exc_info:
            self._seen.append(f"{record.exc_info[1]!r} was logged")

    async def attempt(self, target: Target, data: bytes) -> str:
        """Try one input; return what is wrong, or nothing."""
        self._seen.clear()
        began = time.process_time()
        try:
            async with asyncio.timeout(MOST_WAIT_S):
                await target.take(data)
        except MmidError:
            pass
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            self._seen.append(repr(error))
        took = time.process_time() - began
        if took > MOST_CPU_S:
            self._seen.append(f"{took:.1f} s of CPU")
        return ", ".join(self._seen)

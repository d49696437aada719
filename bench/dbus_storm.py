"""What badly behaved programs on the bus do to a dialog: nothing, or how much.

    python -m bench.dbus_storm [STORM ...] [--runs N] [--json]

A board (the tests' rig: the real daemon, a real dbus-daemon, simcloud over TLS)
has dialogs while other processes storm org.mmid1. Its sound card is the tests'
``paced`` plug-in, which runs over and under as a card does. The baseline is the
same dialog without a storm, in the same run; a storm is good if

* every turn ends as it should, and no sample is lost (overruns) or late (underruns),
* from releasing the key to the end of the reply takes as long as in the calm,
* the daemon's memory stays where it was.

``lease`` is not a storm: it prints how soon the microphone is free after its
holder was killed (SIGKILL), beside the time that the bus alone needs to tell so.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from demo.speech import write_wav
from mmid.dbus import wire
from mmid.dbus.address import socket_names
from mmid.dbus.bus import DBUS, Bus
from mmid.dbus.client import PROPERTIES
from mmid.dbus.interface import AUDIO, DIALOG, NAME, PATH
from mmid.dbus.wire import Message, MessageFlag
from tests.rig.board import Board, silence
from tests.rig.listener import Listener
from tests.rig.processes import REPOSITORY

SPEECH_S = 1.0
REPLY_S = 2.0
REPLY_HZ = 24000
LISTENERS = 200
CALLS_PER_S = 5000

# The board fills in {loudspeaker}.
_ASOUND = """\
pcm_type.paced {{ lib "PLUGIN" }}
pcm.microphone {{ type paced }}
pcm.loudspeaker {{ type paced  heard "{loudspeaker}" }}
"""


@dataclass(frozen=True)
class Figure:
    """What a storm did to the dialogs; medians of the turns.

    Attributes:
        storm: its name; ``calm`` is the baseline.
        turns: how many ended as they should, of how many.
        turn_ms: from StopSpeech to TtsEnd.
        ping_ms: round trip of a call of a well-behaved program meanwhile, median and worst.
        lost: overruns and underruns.
        memory_kib: what the daemon's peak of memory grew by.
    """

    storm: str
    turns: str
    turn_ms: float
    ping_ms: float
    ping_worst_ms: float
    lost: int
    memory_kib: int


# --- the storms, each in a process of its own ------------------------------------------------


class RawClient:
    """A connection that keeps no rules but those it was made to keep."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(socket_names(address)[0])
        identity = str(os.geteuid()).encode().hex()
        self.socket.sendall(f"\0AUTH EXTERNAL {identity}\r\nBEGIN\r\n".encode())
        while not self.socket.recv(4096).endswith(b"\r\n"):
            pass
        self.socket.sendall(call(DBUS, "/org/freedesktop/DBus", DBUS, "Hello"))
        self.socket.recv(65536)

    def drain(self) -> None:
        """Throw away what came."""
        try:
            while self.socket.recv(65536, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            return


def call(
    destination: str,
    path: str,
    interface: str,
    member: str,
    signature: str = "",
    *arguments: object,
    quiet: bool = False,
) -> bytes:
    """Return a method call's bytes."""
    flags = MessageFlag.NO_REPLY_EXPECTED if quiet else MessageFlag.NONE
    message = Message(
        destination=destination,
        path=path,
        interface=interface,
        member=member,
        signature=signature,
        body=list(arguments),
        flags=flags,
    )
    return wire.encode(message, 1)


def numbered(frame: bytes, serial: int) -> bytes:
    """Return a frame with another serial number."""
    return frame[:8] + struct.pack("<I", serial) + frame[12:]


def match(rule: str, member: str = "AddMatch") -> bytes:
    """Return the call that adds or removes a match rule."""
    return call(DBUS, "/org/freedesktop/DBus", DBUS, member, "s", rule, quiet=True)


def storm_deaf(address: str) -> Iterator[None]:
    """Listen to everything and read nothing."""
    deaf = RawClient(address)
    deaf.socket.sendall(match("type='signal'"))
    get_all = call(NAME, PATH, PROPERTIES, "GetAll", "s", "")
    for serial in range(2, 200):
        deaf.socket.sendall(numbered(get_all, serial))
    while True:
        yield
        time.sleep(0.1)


def storm_listeners(address: str) -> Iterator[None]:
    """Be 200 programs that listen."""
    clients = [RawClient(address) for _ in range(LISTENERS)]
    for client in clients:
        client.socket.sendall(match(f"type='signal',sender='{NAME}'"))
    while True:
        yield
        time.sleep(0.02)
        for client in clients:
            client.drain()


def storm_calls(address: str) -> Iterator[None]:
    """Call 5,000 times a second and read the answers."""
    return calls(address, call(NAME, PATH, PROPERTIES, "Get", "ss", DIALOG, "State"))


def storm_blind_calls(address: str) -> Iterator[None]:
    """Call 5,000 times a second and want no answer, so that nothing slows the caller."""
    return calls(address, call(NAME, PATH, DIALOG, "StopSpeech", quiet=True))


def calls(address: str, frame: bytes) -> Iterator[None]:
    """Send a call at the rate of the storm."""
    client = RawClient(address)
    serial, started = 1, time.monotonic()
    while True:
        yield
        due = int((time.monotonic() - started) * CALLS_PER_S)
        batch = b"".join(numbered(frame, number) for number in range(serial + 1, due + 2))
        client.socket.sendall(batch)
        serial = max(serial, due + 1)
        client.drain()
        time.sleep(0.005)


def storm_malformed(address: str) -> Iterator[None]:
    """Send calls that do not fit, calls of 3 MiB, and bytes that are no message."""
    misfit = call(NAME, PATH, DIALOG, "Ask", "u", 1)
    huge = call(NAME, PATH, DIALOG, "Ask", "s", "x" * (3 * 1024 * 1024))
    client = RawClient(address)
    serial = 2
    while True:
        for _ in range(100):
            serial += 1
            client.socket.sendall(numbered(misfit, serial))
        client.socket.sendall(numbered(huge, serial + 1))
        serial += 1
        garbage = RawClient(address)
        garbage.socket.sendall(os.urandom(1000))
        garbage.socket.close()
        client.drain()
        yield
        time.sleep(0.02)


def storm_matches(address: str) -> Iterator[None]:
    """Add and remove match rules without a pause."""
    client = RawClient(address)
    rules = [f"type='signal',sender='{NAME}',arg0='{number}'" for number in range(100)]
    batch = b"".join(match(rule) for rule in rules)
    batch += b"".join(match(rule, "RemoveMatch") for rule in rules)
    while True:
        yield
        client.socket.sendall(batch)
        client.drain()


STORMS: dict[str, Callable[[str], Iterator[None]]] = {
    "deaf": storm_deaf,
    "listeners": storm_listeners,
    "calls": storm_calls,
    "blind-calls": storm_blind_calls,
    "malformed": storm_malformed,
    "matches": storm_matches,
}


def rage(name: str, address: str) -> None:
    """Be a storm until we are killed; say when it has begun."""
    for count, _ in enumerate(STORMS[name](address)):
        if count == 0:
            print("raging", flush=True)


# --- the board in the storm ------------------------------------------------------------------


@asynccontextmanager
async def storm(name: str, address: str) -> AsyncIterator[None]:
    """Run a storm beside us; ``calm`` is none."""
    if name == "calm":
        yield
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.dbus_storm", "--rage", name, "--address", address),
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )
    try:
        stdout = cast("asyncio.StreamReader", process.stdout)
        async with asyncio.timeout(20):
            if await stdout.readline() != b"raging\n":
                raise RuntimeError(f"the storm {name} did not begin")
        yield
        if process.returncode is not None:
            raise RuntimeError(f"the storm {name} ended by itself")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def weather(board: Board, listener: Listener, name: str, turns: int) -> Figure:
    """Have dialogs in a storm."""
    before, peak = await lost(listener), memory_kib(board)
    pings: list[float] = []
    async with storm(name, board.bus):
        prober = asyncio.create_task(probe(board.bus, pings))
        try:
            times = [await turn(listener) for _ in range(turns)]
        finally:
            prober.cancel()
            await asyncio.gather(prober, return_exceptions=True)
    good = [time_ms for time_ms in times if time_ms]
    return Figure(
        name,
        f"{len(good)}/{turns}",
        round(statistics.median(good or [0.0]), 1),
        round(statistics.median(pings or [0.0]), 2),
        round(max(pings, default=0.0), 1),
        await lost(listener) - before,
        memory_kib(board) - peak,
    )


async def turn(listener: Listener) -> float:
    """Speak, and hear the reply; return the time from release to its end in ms, 0 if it failed."""
    start = len(listener.heard)
    try:
        await listener.call("StartSpeech")
        await asyncio.sleep(SPEECH_S)
        await listener.call("StopSpeech")
        released = time.monotonic()
        ended = await listener.wait_for("TtsEnd", after=start)
        await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))
    except Exception as error:  # noqa: BLE001 - that is what is measured
        print(f"a turn failed: {error!r}", file=sys.stderr)
        return 0.0
    return (ended.at - released) * 1000


async def probe(address: str, pings: list[float]) -> None:
    """Call now and then, as a well-behaved program does."""
    bus = await Bus.connect(address)
    try:
        while True:
            started = time.monotonic()
            await bus.call(NAME, PATH, DBUS + ".Peer", "Ping")
            pings.append((time.monotonic() - started) * 1000)
            await asyncio.sleep(0.02)
    finally:
        await bus.close()


async def lost(listener: Listener) -> int:
    """Return how often sound was lost or late so far."""
    overruns = await listener.client.get(AUDIO, "RecorderOverruns")
    underruns = await listener.client.get(AUDIO, "PlayerUnderruns")
    return int(overruns) + int(underruns)


def memory_kib(board: Board) -> int:
    """Return the most memory that the daemon ever had."""
    status = Path(f"/proc/{board.process('mmid').pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


async def lease(board: Board, listener: Listener, runs: int) -> tuple[float, float]:
    """Kill who holds the microphone; return when it is free and when the bus tells of it, ms."""
    freed, told = [], []
    witness = await Bus.connect(board.bus)
    gone: asyncio.Queue[float] = asyncio.Queue()

    def hear(message: Message) -> None:
        if message.member == "NameOwnerChanged" and not message.body[2]:
            gone.put_nowait(time.monotonic())

    witness.on_signal = hear
    await witness.ask_bus("AddMatch", "s", f"sender='{DBUS}',member='NameOwnerChanged'")
    for _ in range(runs):
        start = len(listener.heard)
        holder = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.dbus_storm", "--hold", "--address", board.bus),
            cwd=REPOSITORY,
        )
        while not (await listener.wait_for(".Talker", after=start)).values[0]:
            start += 1
        await asyncio.sleep(0.2)
        while not gone.empty():
            gone.get_nowait()
        start, killed = len(listener.heard), time.monotonic()
        holder.send_signal(signal.SIGKILL)
        free = await listener.wait_for(".Talker", "", after=start)
        freed.append((free.at - killed) * 1000)
        told.append((await gone.get() - killed) * 1000)
        await holder.wait()
    await witness.close()
    return statistics.median(freed), statistics.median(told)


def hold(address: str) -> None:
    """Take the microphone and keep it until we are killed."""
    client = RawClient(address)
    client.socket.sendall(call(NAME, PATH, DIALOG, "StartSpeech", quiet=True))
    signal.pause()


def paced_plugin(folder: Path) -> Path:
    """Compile the sound card that takes its time."""
    plugin = folder / "paced.so"
    source = REPOSITORY / "tests" / "hal_linux" / "paced_pcm.c"
    flags = ["-shared", "-fPIC", "-DPIC", "-O1"]
    subprocess.run(["cc", *flags, "-o", plugin, source, "-lasound"], check=True)
    return plugin


@asynccontextmanager
async def boards() -> AsyncIterator[tuple[Board, Listener]]:
    """Make a board with a sound card that takes its time."""
    with tempfile.TemporaryDirectory(prefix="mmid-bench-") as folder:
        plugin = paced_plugin(Path(folder))
        reply = Path(folder) / "reply.wav"
        write_wav(reply, bytes(int(REPLY_S * REPLY_HZ) * 2), REPLY_HZ)
        scenario = f'thinking_ms = 50\npace = 1.0\n[[turn]]\nreply_wav = "{reply}"\n'
        async with Board(
            Path(folder),
            microphone=silence(1),
            scenario=scenario,
            asound=_ASOUND.replace("PLUGIN", str(plugin)),
        ) as board:
            listener = await board.start()
            await listener.wait_for(".State", "listening")
            yield board, listener


async def all_weather(names: list[str], turns: int) -> AsyncIterator[Figure]:
    """Take each storm after the calm before it."""
    async with boards() as (board, listener):
        await turn(listener)  # the first one loads and opens
        for name in names:
            yield await weather(board, listener, name, turns)


async def run(options: argparse.Namespace) -> None:
    """Measure, and print."""
    names = options.storm or ["calm", *STORMS]
    if not options.json:
        print(
            f"{'storm':12} {'turns':>6} {'release..end':>13} {'ping':>9} {'worst':>9} lost  memory"
        )
    figures = []
    async for figure in all_weather(names, options.runs):
        figures.append(figure)
        if not options.json:
            print(
                f"{figure.storm:12} {figure.turns:>6} {figure.turn_ms:10.0f} ms "
                f"{figure.ping_ms:6.2f} ms {figure.ping_worst_ms:6.1f} ms {figure.lost:4} "
                f"{figure.memory_kib:+6} KiB"
            )
    async with boards() as (board, listener):
        freed, told = await lease(board, listener, max(3, options.runs))
    if options.json:
        plain = [asdict(figure) for figure in figures]
        print(json.dumps({"storms": plain, "lease_ms": freed, "bus_alone_ms": told}))
    else:
        print(
            f"microphone free {freed:.1f} ms after its holder was killed; "
            f"the bus told of it after {told:.1f} ms"
        )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="bench.dbus_storm", description=__doc__)
    parser.add_argument("storm", nargs="*", metavar="STORM", help=f"calm, {', '.join(STORMS)}")
    parser.add_argument("--runs", type=int, default=5, help="turns in each storm")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rage", choices=STORMS, help=argparse.SUPPRESS)
    parser.add_argument("--hold", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rage:
        rage(options.rage, options.address)
    elif options.hold:
        hold(options.address)
    else:
        asyncio.run(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())

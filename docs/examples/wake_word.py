#!/usr/bin/env python3
"""A wake word: whoever says "Alexa" talks to the board, without a key.

    ./wake_word.py

It hears the microphone beside mmid (OpenMicrophone) and presses when it hears the word, with the
second before that press: who asks without a pause is understood whole. The cloud hears the end of
the question, so mmid must be in the work mode tap2talk; and it must take speech at 16 kHz, as
every cloud does unless dialog.us_sample_rate says otherwise. When mmid ends it ends too: let its
unit have Restart=always and After=mmid.service.

Needs python3-dbus-next, pymicro-wakeword (PyPI), and a user in the group mmid.
"""

import asyncio
import os
import sys

from dbus_next import BusType, DBusError, Message, MessageType, Variant
from dbus_next.aio import MessageBus
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

NAME, PATH = "org.mmid1", "/org/mmid1"
DIALOG, AUDIO = "org.mmid1.Dialog", "org.mmid1.Audio"

# 100 ms of samples of 16 bits at 16 kHz.
CHUNK_BYTES = 3200
# The word is found several times in a row.
DEAF_S = 2.0
# As long as the word lasts, and what it takes to know it.
PREROLL_MS = 1000


async def call(bus: MessageBus, interface: str, member: str, kinds: str = "", *body) -> Message:
    """Call a method; what mmid does not like is said in its own words."""
    reply = await bus.call(Message(NAME, PATH, interface, member, signature=kinds, body=list(body)))
    if reply.message_type is MessageType.ERROR:
        raise DBusError(reply.error_name, reply.body[0] if reply.body else "")
    return reply


async def listen() -> int:
    """Press whenever the word is heard, until mmid closes the pipe."""
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    reply = await call(bus, AUDIO, "OpenMicrophone")
    loop = asyncio.get_running_loop()
    word = MicroWakeWord.from_builtin(Model.ALEXA)
    features = MicroWakeWordFeatures()
    deaf_until = 0.0
    # The body is the index of the pipe among the descriptors that came with the message.
    with os.fdopen(reply.unix_fds[reply.body[0]], "rb") as microphone:
        print("say Alexa", flush=True)
        # In a thread, for the bus must go on meanwhile. Who reads too late loses samples.
        while samples := await asyncio.to_thread(microphone.read, CHUNK_BYTES):
            found = [word.process_streaming(one) for one in features.process_streaming(samples)]
            if any(found) and loop.time() >= deaf_until:
                deaf_until = loop.time() + DEAF_S
                await press(bus)
    print("mmid has closed the microphone", file=sys.stderr)
    return 1


async def press(bus: MessageBus) -> None:
    """Start a speech with what was said just before; one that is refused is only told."""
    options = {"preroll_ms": Variant("u", PREROLL_MS), "reason": Variant("s", "wake-word")}
    try:
        await call(bus, DIALOG, "StartSpeechWith", "a{sv}", options)
    except DBusError as error:
        print(error, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(listen()))
    except (DBusError, OSError) as error:
        sys.exit(str(error))

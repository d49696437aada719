#!/usr/bin/env python3
"""Ask mmid a question, with or without a photo, and print the answer as it comes.

    ./ask.py "What time is it?"
    ./ask.py --image photo.jpg "What is this?"

Needs python3-dbus-next, and a user in the group mmid.
"""

import argparse
import asyncio
import mimetypes
import os
import sys
from pathlib import Path

from dbus_next import BusType, DBusError, Message, MessageType
from dbus_next.aio import MessageBus

NAME, PATH, DIALOG = "org.mmid1", "/org/mmid1", "org.mmid1.Dialog"
RULE = f"type='signal',sender='{NAME}',path='{PATH}',interface='{DIALOG}'"

# Codes of Error that take no reply's place: it goes on, or is another caller's.
REPLY_GOES_ON = {"busy", "not-talking", "tool", "network-slow"}


async def call(bus: MessageBus, member: str, signature: str, body: list, fds: list) -> None:
    """Call a method of the dialog; mmid's own words are in the error."""
    reply = await bus.call(
        Message(
            destination=NAME,
            path=PATH,
            interface=DIALOG,
            member=member,
            signature=signature,
            body=body,
            unix_fds=fds,
        )
    )
    if reply.message_type is MessageType.ERROR:
        raise DBusError(reply.error_name, reply.body[0] if reply.body else "")


async def ask(question: str, image: bytes, mime: str) -> int:
    """Ask, print what is answered, and return the exit status."""
    bus = await MessageBus(bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    events: asyncio.Queue = asyncio.Queue()

    def hear(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.interface == DIALOG:
            events.put_nowait((message.member, message.body))

    # Listen first: the answer may be quicker than the reply to the call.
    bus.add_message_handler(hear)
    await bus.call(
        Message(
            destination="org.freedesktop.DBus",
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            member="AddMatch",
            signature="s",
            body=[RULE],
        )
    )
    if image:
        # Behind a descriptor there may be a file, a pipe, or memory as here. The
        # body has its index among those that go with the message.
        memory = os.memfd_create("image")
        try:
            os.write(memory, image)
            await call(bus, "AskAboutImage", "ssh", [question, mime, 0], [memory])
        finally:
            os.close(memory)
    else:
        await call(bus, "Ask", "s", [question], [])

    shown = ""
    while True:
        event, values = await events.get()
        if event in ("LlmIncomplete", "LlmComplete"):
            # Always the whole text so far, so print what is new in it.
            print(values[0][len(shown) :], end="", flush=True)
            shown = values[0]
        if event == "LlmComplete":
            print()
        if event == "TtsEnd":
            return 0
        if event == "Error" and values[0] not in REPLY_GOES_ON:
            print(f"{values[0]}: {values[1]}", file=sys.stderr)
            return 1


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--image", type=Path, help="a JPEG or PNG file, of at most 180 KiB")
    parser.add_argument("question")
    options = parser.parse_args()
    try:
        image = options.image.read_bytes() if options.image else b""
        mime = mimetypes.guess_type(options.image or "")[0] or ""
        return asyncio.run(asyncio.wait_for(ask(options.question, image, mime), 60))
    except DBusError as error:
        print(f"{error.type}: {error.text}", file=sys.stderr)
    except (OSError, TimeoutError) as error:
        print(f"no answer: {error!r}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())

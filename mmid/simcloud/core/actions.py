"""What a cloud's protocol wants done on one connection; ``connection`` does it.

The protocol returns these in the order in which they must happen. A test reads
them as data, so every rule of the protocol is tested without a socket.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do."""


@dataclass(frozen=True, slots=True)
class SendText(Action):
    """Send a text frame; ``name`` and ``fields`` are what the journal says of it."""

    text: str
    name: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SendRaw(Action):
    """Write bytes below the WebSocket, which are no frame that an honest server sends."""

    data: bytes


@dataclass(frozen=True, slots=True)
class SendReplyAudio(Action):
    """Send a frame of a reply.

    Attributes:
        data: the audio.
        stray: it belongs to no reply.
        text: the text frame that carries the audio; empty: ``data`` goes as a binary frame.
        head: what stands before the audio in its binary frame.
    """

    data: bytes
    stray: bool = False
    text: str = ""
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class Flood(Action):
    """Send one frame so many times, as fast as the client reads; the journal has the fault only."""

    frame: SendText | SendReplyAudio
    count: int


@dataclass(frozen=True, slots=True)
class ReplyBegin(Action):
    """The audio that follows is a reply, in this format."""

    mode: str = "pcm"


@dataclass(frozen=True, slots=True)
class ReplyEnd(Action):
    """The reply is over; ``cut``: it was interrupted."""

    cut: bool


@dataclass(frozen=True, slots=True)
class Heard(Action):
    """A speech is over: all its samples, and why it ended, at monotonic time ``t``.

    ``packets``: what crossed the wire, if it was not samples.
    """

    data: bytes
    seconds: float
    how: str
    t: float
    packets: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class JournalLine(Action):
    """Write a line of the journal about something that happened at monotonic time ``t``."""

    kind: str
    t: float
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause(Action):
    """Send nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class CloseSocket(Action):
    """Close the connection with a closing handshake."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drop(Action):
    """Break the TCP connection without a word."""

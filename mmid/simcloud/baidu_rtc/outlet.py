"""What leaves a ``baidu-rtc`` connection: its messages, its audio and its own faults."""

from mmid.simcloud.core.actions import Drop, JournalLine, SendReplyAudio, SendText
from mmid.simcloud.core.faults import FaultPlan
from mmid.simcloud.core.outlet import Outlet

_KEEPALIVE_BYTES = 8
# Nine colons, as one client was seen to count them (fact sheet, section 10).
_MARKER = b"[A]:[PCM]:[RAW]:16000:1:16:0:0:0:"


class Mistake(Exception):
    """The client did what it may not do; the text says what, for the journal."""


class RtcOutlet(Outlet):
    """The outlet of one connection."""

    def __init__(self, plan: FaultPlan, now: float) -> None:
        own = {
            "say": lambda text: self.put(SendText(text, "say", {"text": text})),
            "binary": lambda size: self.no_audio(int(size)),
        }
        super().__init__(plan, now, own)

    def message(self, prefix: str, text: str | None = None) -> None:
        """Send a message; its prefix is the moment for faults, and its name in the journal."""
        told = {"text": text} if text else {}
        self.send(prefix, SendText(prefix if text is None else f"{prefix}:{text}", prefix, told))

    def audio(self, data: bytes, *, marker: bool) -> None:
        """Send a piece of a reply."""
        self.send("ReplyAudio", SendReplyAudio(data, head=_MARKER if marker else b""))

    def no_audio(self, size: int = _KEEPALIVE_BYTES) -> None:
        """Send a binary frame that is no audio."""
        self.put(SendReplyAudio(b"\xa5" * size, stray=True))

    def refuse(self, reason: str) -> None:
        """Write down what the client did wrong; the service says nothing of it."""
        self.put(JournalLine("refusal", self.now, {"reason": reason, "status": 0, "error": ""}))

    def hang_up(self, reason: str) -> None:
        """Break the connection without a word: the client sees 1006 (section 7)."""
        self.refuse(reason)
        self.put(Drop())
        self.closed = True

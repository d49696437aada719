"""Two small memories of a connection: the turn under way, and the wish for the floor."""

from dataclasses import dataclass, field
from math import inf

__all__ = ["ACCEPT_GRACE_S", "REQUEST_SPACING_S", "Floor", "Turn"]

# The service closes a connection that asks too often (449); its documents
# give no number, ours is deduced (multimodal-dialog O8).
REQUEST_SPACING_S = 0.3

# After Listening we give RequestAccepted this long before we go on without
# it: a RequestToSpeak that crossed a Listening may never be answered.
ACCEPT_GRACE_S = 0.5


@dataclass(slots=True)
class Turn:
    """One round: what was announced of it, so that every start has its end.

    Attributes:
        asr_open: AsrStart was emitted, AsrEnd was not.
        tts_open: TtsStart was emitted, TtsEnd was not.
        heard: LocalRespondingStarted was sent.
        inaudible: the loudspeaker failed; the rest of the reply is dropped.
        stale_bytes: audio that came when no reply was being played.
        commands: keys of the commands that were passed on.
    """

    asr_open: bool = False
    tts_open: bool = False
    heard: bool = False
    inaudible: bool = False
    stale_bytes: int = 0
    commands: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Floor:
    """What we asked the floor for, and how far the cloud's permission is.

    Attributes:
        speech: the microphone is (or was) open, waiting for permission.
        released: the speech is over already; StopSpeech follows it at once.
        request: type and text of a RequestToRespond to send.
        interrupted: a turn under way was cut for it.
        accepted: RequestAccepted came.
        listening: Listening came.
        sent_at: when the last RequestToSpeak was sent, kept between requests.
        due: when the next one may be sent, ``inf`` if none is to be.
    """

    speech: bool = False
    released: bool = False
    request: tuple[str, str] | None = None
    interrupted: bool = False
    accepted: bool = False
    listening: bool = False
    sent_at: float = field(default=-inf)
    due: float = inf

    @property
    def granted(self) -> bool:
        """Whether both answers came, in whichever order."""
        return self.accepted and self.listening

    def ask(self, now: float, *, interrupted: bool) -> bool:
        """Want the floor anew; return whether RequestToSpeak may be sent now."""
        self.speech = self.released = self.accepted = self.listening = False
        self.request = None
        self.interrupted = interrupted
        self.due = max(now, self.sent_at + REQUEST_SPACING_S)
        return self.due <= now

    def sent(self, now: float) -> None:
        """RequestToSpeak was sent."""
        self.sent_at = now
        self.due = inf

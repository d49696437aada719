"""Small memories of a connection: the turn under way, the wish for the floor, the pace of both."""

import json
from collections import deque
from dataclasses import dataclass, field
from math import inf

from mmid.json_text import whole

# The service closes a connection that asks for the floor or for an answer too
# often (449); its documents give no number, ours are deduced (multimodal-dialog O8).
REQUEST_SPACING_S = 0.3
_BURST = 4
_BURST_S = 2.5

# Commands whose result may still come; the oldest is forgotten first.
_RESULTS_AWAITED = 16

# So much of results goes into one message, which may have a mebibyte. A single one always fits:
# 64 KiB, of which JSON makes six times as much at worst.
_RESULTS_CHARACTERS = 768 * 1024

# After Listening we give RequestAccepted this long before we go on without
# it: a RequestToSpeak that crossed a Listening may never be answered.
ACCEPT_GRACE_S = 0.5


# A reply that is read aloud for an hour; beyond it no more is kept.
LONGEST_REPLY = 65536


class ReplyText:
    """What one round's reply says so far.

    Args:
        incremental: Start asked for ``incremental_response``: each frame has only what is new.

    Attributes:
        shown: what a screen shows of it, once it is whole; the voice may read something else.
    """

    def __init__(self, *, incremental: bool = False) -> None:
        self._incremental = incremental
        self._text = self._spoken = self.shown = ""
        self.round_id = ""

    def add(self, round_id: str, text: str, spoken: str, *, finished: bool = False) -> str:
        """Take a frame's text and what the voice reads of it; return all of it so far.

        What is read aloud is preferred, as the vendor's SDK does.
        """
        if round_id and round_id != self.round_id:
            self._text = self._spoken = ""
            self.round_id = round_id
        if self._incremental:
            self._text = text = (self._text + text)[:LONGEST_REPLY]
            self._spoken = spoken = (self._spoken + spoken)[:LONGEST_REPLY]
        self.shown = whole(text) if finished else ""
        return whole(spoken or text, goes_on=not finished)


@dataclass(slots=True)
class Turn:
    """One round: what was announced of it, so that every start has its end.

    Attributes:
        spoken: it began with a speech that nobody cancelled.
        asr_open: AsrStart was emitted, AsrEnd was not.
        voice_until: in duplex, when a voice of which nothing more is said is thought to be over.
        tts_open: TtsStart was emitted, TtsEnd was not.
        heard: LocalRespondingStarted was sent.
        inaudible: the loudspeaker failed; the rest of the reply is dropped.
        stale_bytes: audio that came when no reply was being played.
        commands: keys of the commands that were passed on.
        reply: what the reply says so far.
    """

    spoken: bool = False
    asr_open: bool = False
    voice_until: float = inf
    tts_open: bool = False
    heard: bool = False
    inaudible: bool = False
    stale_bytes: int = 0
    commands: set[str] = field(default_factory=set)
    reply: ReplyText = field(default_factory=ReplyText)

    def begin_reply(self) -> None:
        """A reply begins to arrive; a turn may have several."""
        self.tts_open, self.heard, self.inaudible = True, False, False


class Pace:
    """Keeps RequestToSpeak apart, and it and RequestToRespond from coming in a storm."""

    def __init__(self) -> None:
        self._floor_at = -inf
        self._requests: deque[float] = deque(maxlen=_BURST)

    def floor_requested(self, now: float) -> None:
        """RequestToSpeak was sent."""
        self._floor_at = now
        self.requested(now)

    def requested(self, now: float) -> None:
        """One of them was sent."""
        self._requests.append(now)

    @property
    def request_at(self) -> float:
        """When the next RequestToRespond may be sent; ``-inf`` if any time."""
        return self._requests[0] + _BURST_S if len(self._requests) == _BURST else -inf

    @property
    def floor_at(self) -> float:
        """When the next RequestToSpeak may be sent; ``-inf`` if any time."""
        return max(self._floor_at + REQUEST_SPACING_S, self.request_at)


class Results:
    """What became of commands: the cloud hears of it when it listens next."""

    def __init__(self) -> None:
        self._awaited: deque[str] = deque(maxlen=_RESULTS_AWAITED)
        self._come: dict[str, str] = {}

    def expect(self, request: str) -> None:
        """A command was told whose result has to quote this."""
        self._awaited.append(request)

    def come(self, request: str, result: str) -> bool:
        """Keep a result; return whether one was waited for."""
        if request not in self._awaited:
            return False
        self._awaited.remove(request)
        self._come[request] = result
        return True

    @property
    def there(self) -> bool:
        """Whether there are any to send."""
        return bool(self._come)

    def take(self) -> list[dict[str, str]]:
        """Return as many as fit, as RequestToRespond has them; the others stay for the next."""
        taken: list[dict[str, str]] = []
        size = 0
        for request, result in list(self._come.items()):
            told = {"command_request_id": request, "invoke_result": result}
            size += len(json.dumps(told))
            if taken and size > _RESULTS_CHARACTERS:
                break
            taken.append(told)
            del self._come[request]
        return taken


@dataclass(slots=True)
class Floor:
    """What we asked the floor for, and how far the cloud's permission is.

    Attributes:
        speech: the microphone is (or was) open, waiting for permission.
        released: the speech is over already; its end follows it at once.
        request: a RequestToRespond to send, whole.
        interrupted: a turn under way was cut for it.
        accepted: RequestAccepted came.
        listening: Listening came.
        given_up_at: when it is given up if it was not granted.
        due: when to send what is not sent yet, ``inf`` if nothing is to be.
    """

    speech: bool = False
    released: bool = False
    request: str | None = None
    interrupted: bool = False
    accepted: bool = False
    listening: bool = False
    given_up_at: float = inf
    due: float = inf

    @property
    def granted(self) -> bool:
        """Whether both answers came, in whichever order."""
        return self.accepted and self.listening

    @property
    def wanted(self) -> str:
        """What would be lost without it, in words; empty after an interruption alone."""
        if self.speech:
            return "what was said is lost"
        return "the question is lost" if self.request is not None else ""

"""A reply of the agent: which messages and audio it is made of, and when each leaves.

The order is the service's (fact sheet, section 6), with the liberties that clients have
seen it take (section 5.1).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmid.simcloud.baidu_rtc.vocabulary import RtcRules
from mmid.simcloud.core.voice import growing

TTS_BEGIN = "[E]:[TTS_BEGIN_SPEAKING]"
TTS_END = "[E]:[TTS_END_SPEAKING]"


@dataclass(frozen=True, slots=True)
class ReplyStep:
    """One part of a reply.

    Attributes:
        after_s: when, counted from the first one.
        prefix: of the message; empty for audio, and for the end of it all.
        text: of the message.
        audio: a binary frame of it.
    """

    after_s: float
    prefix: str = ""
    text: str | None = None
    audio: bytes = b""


def reply_steps(
    text: str, frames: Sequence[bytes], frame_s: float, rules: RtcRules
) -> Iterator[ReplyStep]:
    """Lay out a reply.

    Args:
        text: what is said.
        frames: its audio; none without a voice.
        frame_s: from one frame to the next; 0: as fast as the client reads.
        rules: the liberties.
    """
    said = _deltas(text) if rules.delta else growing(text)
    if rules.final == "early":
        yield ReplyStep(0.0, "[A]", text)
    if not frames:
        yield from (ReplyStep(0.0, "[A]:[M]", piece) for piece in said)
    elif rules.begin == "first":
        yield ReplyStep(0.0, TTS_BEGIN)
    for number, frame in enumerate(frames):
        at = number * frame_s
        first, last = (len(said) * n // len(frames) for n in (number, number + 1))
        yield from (ReplyStep(at, "[A]:[M]", piece) for piece in said[first:last])
        yield ReplyStep(at, audio=frame)
        if number == 0 and rules.begin == "late":
            yield ReplyStep(at, TTS_BEGIN)
    end = len(frames) * frame_s
    if rules.final == "late":
        yield ReplyStep(end, "[A]", text)
    if frames and rules.end:
        yield ReplyStep(end, TTS_END)
    yield ReplyStep(end)


def _deltas(text: str) -> list[str]:
    """Return what each piece of a growing text adds."""
    pieces = growing(text)
    befores = ("", *pieces)
    return [piece[len(before) :] for before, piece in zip(befores, pieces, strict=False)]

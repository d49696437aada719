"""What the service says in Baidu RTC: which message a text frame is (section 5.1).

A message is known by how it begins, the longest beginning first; the rest of the frame is its
payload, whatever is in it. So nothing that a person says, which comes behind ``[Q]:``, can be
taken for another message. What is not known is nothing: it is no error either.
"""

import re
from enum import StrEnum

from mmid.frozen import frozen
from mmid.json_text import read_json, written
from mmid.session.dialects.turn import LONGEST_TEXT


class Said(StrEnum):
    """What a message says; the word is what the black box has of it."""

    MUST = "must"
    PASS = "pass"  # noqa: S105 - a word of the protocol
    FAILED = "failed"
    READY = "ready"
    QUESTION = "question"
    QUESTION_SO_FAR = "question_so_far"
    QUESTION_GOES_ON = "question_goes_on"
    QUESTION_GOES_ON_SO_FAR = "question_goes_on_so_far"
    ANSWER = "answer"
    ANSWER_SO_FAR = "answer_so_far"
    HINT = "hint"
    TTS_BEGIN = "tts_begin"
    TTS_END = "tts_end"
    VOICE_COMING = "voice_coming"
    VOICE_DISAPPEAR = "voice_disappear"
    INTERRUPTED = "interrupted"
    CALL = "call"
    CONVERSATION = "conversation"
    COMMAND = "command"
    ERROR = "error"


# How a message begins -> what it says. A colon may follow, or not (the spellings vary).
_BEGINNINGS = {
    "[E]:[LIC]:[MUST]": Said.MUST,
    "[E]:[LIC]:[RES]:[PASS]": Said.PASS,
    "[E]:[LIC]:[RES]:[FAILED]": Said.FAILED,
    "[E]:[MEDIA]:[READY]": Said.READY,
    "[Q]": Said.QUESTION,
    "[Q]:[M]": Said.QUESTION_SO_FAR,
    "[Q]:[C]": Said.QUESTION_GOES_ON,
    "[Q]:[M]:[C]": Said.QUESTION_GOES_ON_SO_FAR,
    "[A]": Said.ANSWER,
    "[A]:[M]": Said.ANSWER_SO_FAR,
    "[A]:[H]": Said.HINT,
    "[E]:[TTS_BEGIN_SPEAKING]": Said.TTS_BEGIN,
    "[E]:[TTS_END_SPEAKING]": Said.TTS_END,
    "[E]:[VOICE_COMING]": Said.VOICE_COMING,
    "[E]:[VOICE_DISAPPEAR]": Said.VOICE_DISAPPEAR,
    "[E]:[INT_WORD_HIT]": Said.INTERRUPTED,
    "[F]": Said.CALL,
    "[F]:[C]": Said.CALL,
    "[E]:[CONID]": Said.CONVERSATION,
}

# What is passed on as a Command: how it begins -> the command's name and what its payload is.
COMMANDS = {
    "[E]:[UPLOAD_IMAGE]": ("upload_image", ""),
    "[E]:[PLAY_AUDIO]": ("play_audio", "url"),
    "[E]:[TAG_MSG]": ("tag", "text"),
    "[E]:[CMD]:[REMOTE_PLAYER]:[STOP]": ("remote_player_stop", ""),
    "[E]:[CMD]:[REMOTE_PLAYER]:[PAUSE]": ("remote_player_pause", ""),
    "[E]:[CMD]:[REMOTE_PLAYER]:[RESUME]": ("remote_player_resume", ""),
    "[E]:[REMOTE_PLAYER_BEGIN]": ("remote_player_begin", ""),
    "[E]:[REMOTE_PLAYER_END]": ("remote_player_end", ""),
    "[E]:[SYSTEM_PROMPT_UPDATED]": ("system_prompt_updated", "text"),
    "[E]:[DC]": ("dc", "json"),
    "[E]:[MEDIA_GENERATE_RESULT]": ("media_generate_result", "text"),
    "[E]:[CMD]:[MEETING_SUMMARY_CREATE]": ("meeting_summary_create", "json"),
    "[E]:[CMD]:[MEETING_SUMMARY_FINISH]": ("meeting_summary_finish", "text"),
    "[S]": ("status", "text"),
    "[C]": ("custom", "json"),
}

# Longest first; of several that fit, ``re`` takes the first.
_BEGINNING = re.compile(
    "|".join(map(re.escape, sorted({*_BEGINNINGS, *COMMANDS}, key=len, reverse=True)))
)

# Who spoke and in what mood, behind a transcript (section 5.1): nothing that was said.
_SPEAKER = re.compile(r"\|\|\|\[\w+\]:[^|]*\Z")

# What is passed on to programs; no side channel needs more. A text is cut there; an address or
# JSON that was cut would be none.
_LONGEST_PAYLOAD = 16384

_LONGEST_NAME = 128


@frozen
class RtcMessage:
    """One message.

    Attributes:
        said: what it says.
        text: its payload.
        command: of a ``COMMAND``, its name.
        params: of a ``COMMAND``, its parameters, as ``Command`` of the events has them.
    """

    said: Said
    text: str = ""
    command: str = ""
    params: str = "[]"


def parse(text: str) -> RtcMessage | None:
    """Return what a text frame says; None: nothing that is known, or nothing that is taken."""
    found = _BEGINNING.match(text)
    if found is None:
        return _unlisted(text)
    payload = text[found.end() :].removeprefix(":")
    if found[0] in COMMANDS:
        name, meaning = COMMANDS[found[0]]
        return _command(name, meaning, payload)
    said = _BEGINNINGS[found[0]]
    if found[0].startswith("[Q]"):
        payload = _SPEAKER.sub("", payload)
    return RtcMessage(said, payload[:LONGEST_TEXT])


def _unlisted(text: str) -> RtcMessage | None:
    """What is known by something else than how it begins (section 5.1, at the end)."""
    if text.startswith("[E]:") and "[ERROR]" in text:
        return RtcMessage(Said.ERROR, text[:LONGEST_TEXT])
    return _command("custom", "json", text) if text.startswith('{"type"') else None


def _command(name: str, meaning: str, payload: str) -> RtcMessage | None:
    if meaning in {"json", "url"} and len(payload) > _LONGEST_PAYLOAD:
        return None
    params = [{"name": meaning, "value": payload[:_LONGEST_PAYLOAD]}] if meaning else []
    return RtcMessage(Said.COMMAND, command=name, params=written(params))


@frozen
class FunctionCall:
    """A function that the model calls.

    Attributes:
        session_id: names the call; its answer quotes it.
        name: of the function.
        arguments: of the call, the JSON of an object.
    """

    session_id: str
    name: str
    arguments: str

    @property
    def params(self) -> str:
        """What ``Command`` tells of it."""
        told = {"id": self.session_id, "function": self.name, "arguments": self.arguments}
        return written([{"name": key, "value": value} for key, value in told.items()])


def parse_call(text: str) -> FunctionCall | None:
    """Return the call that a payload of ``[F]`` is, JSON within JSON; None: it is none."""
    try:
        outer = read_json(text)
        content = read_json(outer["content"])
        session_id, name = outer["session_id"], content["function_name"]
        given = content.get("parameter_list") or []
        arguments = {key: value for one in given for key, value in one.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    names = (session_id, name)
    if not all(isinstance(one, str) and 0 < len(one) <= _LONGEST_NAME for one in names):
        return None
    given_json = written(arguments)
    if len(given_json) > _LONGEST_PAYLOAD:
        return None
    return FunctionCall(session_id, name, given_json)

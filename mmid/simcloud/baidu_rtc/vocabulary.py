"""What ``baidu-rtc`` understands of a scenario file: its keys, moments and faults.

Its own table in the file, with the defaults (the fact sheet's sections in brackets). First
how an instance is handed out (2), then the licence (6), then how replies look (5.1):

    [baidu-rtc]
    wrapped = false        # the instance comes in {"data": ...}
    id_text = false        # its id is a text, not a number
    url = false            # the answer names the URL of the socket
    stop_url = true        # and where the instance is stopped
    must = "first"         # [E]:[LIC]:[MUST] before READY; or "second", "late" (after 3 s), "never"
    pass_ms = 0            # from ACTIVE to PASS or FAILED
    refuse = ""            # FAILED with this text, whoever it is
    quota = 0              # activations that there are; 0: any number
    greeting = ""          # tts_sayhi: what is said when the dialog opens
    delta = false          # [A]:[M] has only what is new, not all so far
    final = "late"         # [A] after the audio; or "early", before it; or "none"
    begin = "first"        # TTS_BEGIN_SPEAKING; or "late", after the first audio
    end = true             # TTS_END_SPEAKING comes
    interrupt_end = true   # also of a reply that is interrupted
    marker = false         # the ASCII marker [A]:[PCM]:[RAW]: before audio
    odd_audio = false      # audio is cut in the middle of samples
    keepalive_ms = 0       # a binary of 8 bytes that is no audio so often; 0: never
    old_calls = false      # functions are called by [F]:[C]:
    suffix = ""            # after every transcript: "|||[name]:1&[emotion]:calm&[score]:0.9"

and in a turn:

    [turn.baidu-rtc]
    question = "once"      # its final; or "none", or "twice": as [Q] and again as [Q]:[C]
    continued = ""         # what [Q]:[C] adds after it
    hint = ""              # [A]:[H], a filler before the reply
    picture = false        # UPLOAD_IMAGE: the reply waits for a picture, 10 s

A fault's moment is the prefix of a message, the client's or the service's, in its brackets;
``instance`` and ``stop-instance`` are the HTTPS requests. Its own faults:

    say:TEXT                       this text frame: a side channel, an [ERROR], nonsense
    binary:N                       a binary frame of N bytes that is no audio
"""

from dataclasses import dataclass
from typing import Literal

from mmid.simcloud.core.faults import Arguments, Vocabulary

_CLIENT_MESSAGES = (
    "[E]:[LIC]:[ACTIVE] [SET]:[DEVICE_INFO] [SET]:[AUTO_INT] [E]:[CMD]:[ASR_ENABLE_REALTIME] "
    "[E]:[CMD]:[ASR_DISABLE_REALTIME] [E]:[CMD]:[ASR_START_LONGTEXT_REC] "
    "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC] [B] [T] [TTS] [F] [E]:[IMG]"
)
_SERVER_MESSAGES = (
    "[E]:[LIC]:[MUST] [E]:[LIC]:[RES]:[PASS] [E]:[LIC]:[RES]:[FAILED] [E]:[MEDIA]:[READY] [Q] "
    "[Q]:[M] [Q]:[C] [A] [A]:[M] [A]:[H] [E]:[TTS_BEGIN_SPEAKING] [E]:[TTS_END_SPEAKING] "
    "[E]:[VOICE_COMING] [E]:[VOICE_DISAPPEAR] [F] [E]:[UPLOAD_IMAGE]"
)


@dataclass(frozen=True, slots=True)
class RtcRules:
    """The cloud's own table of a scenario file."""

    wrapped: bool = False
    id_text: bool = False
    url: bool = False
    stop_url: bool = True
    must: Literal["first", "second", "late", "never"] = "first"
    pass_ms: int = 0
    refuse: str = ""
    quota: int = 0
    greeting: str = ""
    delta: bool = False
    final: Literal["late", "early", "none"] = "late"
    begin: Literal["first", "late"] = "first"
    end: bool = True
    interrupt_end: bool = True
    marker: bool = False
    odd_audio: bool = False
    keepalive_ms: int = 0
    old_calls: bool = False
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class RtcTurn:
    """The cloud's own table of a turn."""

    question: Literal["once", "none", "twice"] = "once"
    continued: str = ""
    hint: str = ""
    picture: bool = False


CLIENT_MESSAGES = tuple(_CLIENT_MESSAGES.split())

VOCABULARY = Vocabulary(
    coming=CLIENT_MESSAGES,
    going=tuple(_SERVER_MESSAGES.split()),
    calls=("instance", "stop-instance"),
    faults={"say": Arguments(1, 1), "binary": Arguments(1, 1, range(1, 65_536))},
    table=RtcRules,
    turn_table=RtcTurn,
)

"""What we say in Baidu RTC (section 5.2), each message on one line.

What a program of the board wants said goes behind ``[T]:`` or ``[TTS]:`` and has no control
characters: the service takes all of it for text, whatever it looks like.
"""

import re
from base64 import b64encode
from typing import Any

from mmid.errors import InvalidArgument
from mmid.json_text import written

LISTEN_ALWAYS = "[E]:[CMD]:[ASR_ENABLE_REALTIME]"
LISTEN_WHEN_TOLD = "[E]:[CMD]:[ASR_DISABLE_REALTIME]"
START = "[E]:[CMD]:[ASR_START_LONGTEXT_REC]"
STOP = "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]"
INTERRUPT = "[B]"

# Section 5.2: third parties cap a text at 16 KiB.
LONGEST_BYTES = 16 * 1024

# One message may hold it all (section 5.2); its limit is unknown, 190 KiB is another cloud's.
_LARGEST_IMAGE_BYTES = 190 * 1024

# Line ends of any kind, and what else no text has: they could end a message, and begin one.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def active(device_id: str, user_id: str, license_key: str) -> str:
    """Answer the demand for the license (section 5.2), with exactly these keys."""
    answer = {"devId": device_id, "uId": user_id, "licKey": license_key}
    return f"[E]:[LIC]:[ACTIVE]:{written(answer)}"


def device_info(user_id: str) -> str:
    """Say what we are, once; ``asr_text_ext`` false: we do not want to know who speaks."""
    info = {"os": "linux", "soc": "", "model": "mmid", "user_id": user_id, "asr_text_ext": False}
    return f"[SET]:[DEVICE_INFO]:{written(info)}"


def voice_interrupts(yes: bool) -> str:
    """Say whether a voice interrupts a reply."""
    return f"[SET]:[AUTO_INT]:[{'TRUE' if yes else 'FALSE'}]"


def question(text: str) -> str:
    """Put a text to the model as if it had been spoken.

    Raises:
        InvalidArgument: it is empty, or too long.
    """
    return f"[T]:{_one_line(text)}"


def speak(text: str) -> str:
    """Have a text spoken as it is; raises as ``question``."""
    return f"[TTS]:{_one_line(text)}"


def picture(image: bytes) -> str:
    """Show a picture.

    Raises:
        InvalidArgument: it is too large.
    """
    if len(image) > _LARGEST_IMAGE_BYTES:
        what = f"an image of {len(image)} bytes; this cloud takes at most {_LARGEST_IMAGE_BYTES}"
        raise InvalidArgument(what)
    return f"[E]:[IMG]:{b64encode(image).decode('ascii')}"


def result(session_id: str, text: str, *, failed: bool) -> str:
    """Answer a call of a function; ``text`` is what it returned, at most ``LONGEST_BYTES``."""
    answer: dict[str, Any] = {"session_id": session_id, "result": "error" if failed else "ok"}
    if text:
        answer["message"] = text
    return f"[F]:{written(answer)}"


def _one_line(text: str) -> str:
    line = _CONTROL.sub(" ", text).strip()
    if not line:
        raise InvalidArgument("the text is empty")
    if len(line.encode()) > LONGEST_BYTES:
        raise InvalidArgument(f"a text has at most {LONGEST_BYTES} bytes")
    return line

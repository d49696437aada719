"""One connection of Baidu's RTC dialog, seen from the service.

The rules of the protocol without I/O and without a clock: frames and the time go in,
actions come out. It is strict, because a client that passes here shall pass at the real
service. Nobody knows what the real one says to a client's mistakes, so this one says
nothing: they are in the journal as a ``refusal``, and what was asked is not done.

Who calls it: ``core.connection``, with each frame, and with ``tick`` whenever ``deadline``
has passed. A tick does one step, so an interruption finds the rest of a reply still here.
"""

import base64
import binascii
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mmid.errors import SettingsInvalid
from mmid.simcloud.baidu_rtc.course import NEVER, PICTURE, RtcCourse
from mmid.simcloud.baidu_rtc.handshake import RtcHandshake
from mmid.simcloud.baidu_rtc.outlet import Mistake, RtcOutlet
from mmid.simcloud.baidu_rtc.vocabulary import CLIENT_MESSAGES, RtcRules
from mmid.simcloud.core.actions import Action, JournalLine
from mmid.simcloud.core.codecs import ReplyFormat
from mmid.simcloud.core.json_text import read_json
from mmid.simcloud.core.scenario import ScenarioRun, own_table

# At most ten texts a second (section 5.2); the network may push them together a little.
_MOST_TEXTS, _TEXTS_S = 10, 0.9
_LONGEST_TEXT = 16 * 1024
_FRAME_MS = (20, 200)  # length of a frame of samples, from and to

_DEVICE_KEYS = {"os", "soc", "model", "user_id", "asr_text_ext"}
_RESULT_KEYS = {"session_id", "result", "message", "post_function"}
_ACTIVE, _PICTURE, _DEVICE = "[E]:[LIC]:[ACTIVE]", "[E]:[IMG]", "[SET]:[DEVICE_INFO]"
_TRUTHS = {"[TRUE]": True, "[FALSE]": False}

# The longest first: "[E]:[CMD]" must not hide what stands behind it.
_PREFIXES = sorted(CLIENT_MESSAGES, key=len, reverse=True)


class RtcProtocol:
    """One connection.

    Args:
        outlet: where everything leaves.
        handshake: how it opens.
        run: the script, and what the connections share.
        form: how its audio is coded.
        long_audio: ``asr_long_audio_mode`` of the instance, True for push-to-talk; None:
            its config does not say.
    """

    def __init__(
        self,
        outlet: RtcOutlet,
        handshake: RtcHandshake,
        run: ScenarioRun,
        form: ReplyFormat,
        *,
        long_audio: bool | None = None,
    ) -> None:
        self._rules = own_table(run.scenario, RtcRules)
        self._outlet = outlet
        self._handshake = handshake
        self._form = form
        self._long_audio = long_audio
        self._course = RtcCourse(outlet, run, form)
        self._texts: deque[float] = deque(maxlen=_MOST_TEXTS)
        self._introduced = False
        self._keepalive_at = self._next_keepalive()

    @property
    def deadline(self) -> float:
        """When ``tick`` wants to be called."""
        if self._outlet.closed:
            return NEVER
        return min(self._handshake.step_at, self._course.step_at, self._keepalive_at)

    def text(self, text: str, now: float) -> list[Action]:
        """Handle a text frame."""
        return self._handle(now, lambda: self._read(text))

    def binary(self, data: bytes, now: float) -> list[Action]:
        """Handle a binary frame."""
        return self._handle(now, lambda: self._hear(data))

    def tick(self, now: float) -> list[Action]:
        """Do the one step that is due."""
        return self._handle(now, self._step)

    def lost(self, now: float) -> list[Action]:
        """The connection is gone: return what the journal should know."""
        self._outlet.now = now
        self._handshake.leave()
        self._course.hearing.drop("lost")
        self._outlet.closed = True
        return self._outlet.take()

    def _handle(self, now: float, work: Callable[[], None]) -> list[Action]:
        self._outlet.now = now
        if self._outlet.closed:
            return []
        try:
            work()
        except Mistake as mistake:
            self._outlet.refuse(str(mistake))
        except SettingsInvalid as error:  # of the scenario: a WAV file that cannot be read
            self._outlet.message("[E]:[ERROR]", str(error))
        return self._outlet.take()

    def _step(self) -> None:
        now = self._outlet.now
        if now >= self._handshake.step_at:
            self._handshake.step()
        elif now >= self._course.step_at:
            self._course.step()
        elif now >= self._keepalive_at:
            self._keepalive_at = self._next_keepalive()
            self._outlet.no_audio()

    def _next_keepalive(self) -> float:
        pause_s = self._rules.keepalive_ms / 1000
        return self._outlet.now + pause_s if pause_s else NEVER

    def _read(self, text: str) -> None:
        prefix = next((it for it in _PREFIXES if text == it or text.startswith(f"{it}:")), None)
        if prefix is None:
            raise Mistake(f"no message of the protocol begins like {text[:24]!a}")
        self._check_text(prefix, text)
        body = text[len(prefix) + 1 :]
        facts = {} if prefix in (_ACTIVE, _PICTURE) or not body else {"text": body}
        self._outlet.put(JournalLine("directive", self._outlet.now, {"name": prefix, **facts}))
        if not self._outlet.strike(prefix):
            return
        if prefix == _ACTIVE:
            self._handshake.activate(body)
            return
        self._handshake.check_open()
        if not self._introduced and prefix != _DEVICE:
            raise Mistake(f"{prefix} before {_DEVICE}")
        self._HANDLERS[prefix](self, body)

    def _check_text(self, prefix: str, text: str) -> None:
        now, texts = self._outlet.now, self._texts
        if len(texts) == _MOST_TEXTS and now - texts[0] < _TEXTS_S:
            self._outlet.refuse(f"more than {_MOST_TEXTS} messages a second")
        texts.append(now)
        if any(ord(character) < 0x20 for character in text):
            raise Mistake(f"{prefix} with control characters")
        if prefix != _PICTURE and len(text.encode()) > _LONGEST_TEXT:
            raise Mistake(f"{prefix} with more than {_LONGEST_TEXT} bytes")

    def _hear(self, data: bytes) -> None:
        hearing = self._course.hearing
        self._handshake.check_open()
        if not self._introduced:
            raise Mistake(f"audio before {_DEVICE}")
        if hearing.push_to_talk and not hearing.recording:
            raise Mistake("audio, but nobody presses")
        if self._long_audio and not hearing.push_to_talk:
            raise Mistake("continuous audio, but the instance is for push-to-talk")
        if self._form.mode == "pcm":
            least, most = (self._form.rate_hz * 2 * ms // 1000 for ms in _FRAME_MS)
            if len(data) % 2 or not least <= len(data) <= most:
                raise Mistake(f"a binary frame of {len(data)} bytes; samples of 20 to 200 ms")
        self._course.hear(data)

    def _introduce(self, body: str) -> None:
        _read_json(body, _DEVICE_KEYS)
        if self._introduced:
            raise Mistake(f"a second {_DEVICE}")
        self._introduced = True
        if self._rules.greeting:
            self._course.say(self._rules.greeting)

    def _set_push_to_talk(self, *, wanted: bool) -> None:
        self._course.hearing.drop("mode")
        self._course.hearing.push_to_talk = wanted

    def _press(self) -> None:
        hearing = self._course.hearing
        if not hearing.push_to_talk:
            raise Mistake("a press, but recognition is continuous")
        if hearing.recording:
            raise Mistake("a press in a press")
        if self._long_audio is False:
            raise Mistake("a press, but the instance has asr_long_audio_mode false")
        if self._course.replying:
            raise Mistake("a press into a reply, without [B] before it")
        hearing.listen()

    def _release(self) -> None:
        if not self._course.hearing.recording:
            raise Mistake("a release, but nobody presses")
        self._course.release()

    def _interrupt(self, _: str) -> None:
        if not self._course.replying and not self._course.hearing.push_to_talk:
            self._course.hearing.drop("interrupted")
        self._course.interrupt()

    def _set_auto_interrupt(self, body: str) -> None:
        if body not in _TRUTHS:
            raise Mistake("[SET]:[AUTO_INT] takes [TRUE] or [FALSE]")
        self._course.auto_interrupt = _TRUTHS[body]

    def _ask(self, body: str) -> None:
        if not body:
            raise Mistake("[T] without a text")
        self._course.ask()

    def _say(self, body: str) -> None:
        if not body:
            raise Mistake("[TTS] without a text")
        self._course.say(body)

    def _take_result(self, body: str) -> None:
        result = _read_json(body, _RESULT_KEYS)
        call_id = result.get("session_id")
        if result.get("result") not in ("ok", "error"):
            raise Mistake("[F] needs a result: ok or error")
        if not isinstance(call_id, str) or call_id not in self._course.awaited:
            raise Mistake("[F] with a session_id that waits for no answer")
        self._course.take_result(call_id, result)

    def _take_picture(self, body: str) -> None:
        if PICTURE not in self._course.awaited:
            raise Mistake("a picture, but UPLOAD_IMAGE asked for none")
        try:
            picture = base64.b64decode(body, validate=True)
        except (ValueError, binascii.Error) as error:
            raise Mistake("a picture that is no base64") from error
        self._course.take_picture(len(picture))

    _HANDLERS: ClassVar[Mapping[str, Callable[..., None]]] = {
        _DEVICE: _introduce,
        "[SET]:[AUTO_INT]": _set_auto_interrupt,
        "[E]:[CMD]:[ASR_ENABLE_REALTIME]": lambda self, _: self._set_push_to_talk(wanted=False),
        "[E]:[CMD]:[ASR_DISABLE_REALTIME]": lambda self, _: self._set_push_to_talk(wanted=True),
        "[E]:[CMD]:[ASR_START_LONGTEXT_REC]": lambda self, _: self._press(),
        "[E]:[CMD]:[ASR_STOP_LONGTEXT_REC]": lambda self, _: self._release(),
        "[B]": _interrupt,
        "[T]": _ask,
        "[TTS]": _say,
        "[F]": _take_result,
        _PICTURE: _take_picture,
    }


def _read_json(body: str, keys: set[str]) -> dict[str, Any]:
    """Return an object of known keys.

    Raises:
        Mistake: it is none.
    """
    try:
        told = read_json(body)
    except ValueError as error:
        raise Mistake(f"{body[:24]!a} is not JSON") from error
    if not isinstance(told, dict) or not told.keys() <= keys:
        raise Mistake(f"an object here has only the keys {', '.join(sorted(keys))}")
    return told

"""A Baidu dialect at hand, and what comes of what the cloud says to it, as words."""

from collections.abc import Iterable
from typing import Any

from mmid.secrets import Secret
from mmid.session.clouds import with_own_rates
from mmid.session.dialects.baidu_rtc.activation import ActivationIdentity
from mmid.session.dialects.baidu_rtc.rtc import BaiduRtc
from mmid.session.effects import (
    Authorized,
    Close,
    Effect,
    Emit,
    FinishPlayer,
    Play,
    Send,
    SendAudio,
    SpeechDropped,
    StartPlayer,
    StartRecorder,
    StopRecorder,
    ToolCall,
)
from mmid.settings import Cloud, Dialog, Settings

MODES = ("push2talk", "tap2talk", "duplex")
DEVICE, KEY = "kitchen-0001", "lic-key-of-this-product"
SPEECH = b"\1\0" * 1600  # 0.1 s
SOUND = b"\3\0" * 160

READY, MUST = "[E]:[MEDIA]:[READY]:1", "[E]:[LIC]:[MUST]:"
PASS, FAILED = "[E]:[LIC]:[RES]:[PASS]:", "[E]:[LIC]:[RES]:[FAILED]:"
BEGIN, END = "[E]:[TTS_BEGIN_SPEAKING]", "[E]:[TTS_END_SPEAKING]"
COMING, GONE = "[E]:[VOICE_COMING]", "[E]:[VOICE_DISAPPEAR]"

# Effects that are a word in a trace; those of the board that follow from others are left out.
_WORDS: dict[type[Effect], str] = {
    SendAudio: "audio",
    Play: "play",
    Authorized: "authorized",
    StartPlayer: "start player",
    FinishPlayer: "finish player",
    StartRecorder: "start recorder",
    StopRecorder: "stop recorder",
}


def connection(
    mode: str = "push2talk", *, made_for: str = "", again: bool = False, **dialog: Any
) -> BaiduRtc:
    """Return a dialect at the time 0 that has begun."""
    settings = Settings(
        cloud=Cloud(protocol="baidu-rtc"),
        dialog=Dialog(work_mode=mode, **dialog),  # type: ignore[arg-type]
    )
    dialect = BaiduRtc(
        ActivationIdentity(DEVICE, "user-7", Secret(KEY)),
        with_own_rates(settings).dialog,
        work_mode=mode,  # type: ignore[arg-type]
        made_for=made_for or mode,  # type: ignore[arg-type]
        again=again,
        ready_by=15.0,
    )
    if not made_for:
        dialect.begin(0.0)
    return dialect


def opened(mode: str = "push2talk", **dialog: Any) -> BaiduRtc:
    """Return a dialect that is licensed and listens, at the time 0."""
    dialect = connection(mode, **dialog)
    for text in (MUST, READY, PASS):
        dialect.receive_text(text, 0.0)
    assert dialect.reached_listening
    return dialect


def sent(effects: Iterable[Effect]) -> list[str]:
    """Return the texts that are sent."""
    return [effect.text for effect in effects if isinstance(effect, Send)]


def told(effects: Iterable[Effect]) -> list[Any]:
    """Return the events that are told; of a call that of a board without such a tool."""
    events = [effect.told if isinstance(effect, ToolCall) else effect for effect in effects]
    return [
        getattr(one, "event", one)
        for one in events
        if not isinstance(one, Effect) or isinstance(one, Emit)
    ]


def words(effects: Iterable[Effect]) -> list[str]:
    """Return what is to be done, in words: a trace's right side."""
    found = [_word(effect) for effect in effects]
    return [word for word in found if word]


def _word(effect: Effect) -> str:
    word = _WORDS.get(type(effect), "")
    match effect:
        case Send(text):
            word = text.partition(":{")[0]
        case SpeechDropped(count):
            word = f"dropped {count}"
        case Close(error, following):
            word = f"close {following.value}" + (f" {error.code}" if error else "")
        case Emit(event):
            values = [str(getattr(event, name)) for name in getattr(event, "__match_args__", ())]
            word = " ".join([type(event).__name__, *values])
    return word

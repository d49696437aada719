"""A cloud that nobody sells, as its newcomer would write it: all that mmid needs to speak to it.

Its protocol: the cloud says ``ready``; what is spoken comes in binary frames, then ``over``;
it answers with ``audio``, frames that are the same speech, and ``done``.
"""

from collections.abc import Iterator
from math import inf
from typing import Any

from mmid.events import LlmComplete, SpeechPrepare, SpeechReady, State
from mmid.secrets import Secret
from mmid.session.access import Access, Credential
from mmid.session.clouds import Cloud, CloudAudio, Contradiction
from mmid.session.effects import (
    Close,
    Effect,
    Emit,
    FinishPlayer,
    Next,
    Play,
    Send,
    SendAudio,
    Show,
    StartPlayer,
)
from mmid.session.endpoint import Endpoint, LinkClosed
from mmid.settings import Settings
from mmid.status import LicenseState

# Most of what a dialect is told means nothing to a parrot.
# ruff: noqa: ARG002, ARG005


class ParrotAccess(Access):
    """A seed that everybody knows."""

    def __init__(self, settings: Settings, **parts: Any) -> None:
        self._status = parts["status"]

    def show(self) -> None:
        self._status.update(license_mode="seed", license_state=LicenseState.AUTHORIZED)

    async def credential(self) -> Credential:
        return Credential(Secret("sunflower-seed"))

    def use(self, settings: Settings) -> None:
        """There is one seed."""

    def describe(self) -> str:
        return ""


class ParrotDialect:
    """One connection to the parrot."""

    deadline = inf
    reached_listening = in_turn = False

    def __init__(self, name: str) -> None:
        self.name = name

    def begin(self, now: float) -> list[Effect]:
        return [Send(f"hello {self.name}")]

    def receive_text(self, text: str, now: float) -> list[Effect]:
        if text == "ready":
            self.reached_listening = True
            return [Show(State.LISTENING), Emit(SpeechReady()), Emit(SpeechPrepare())]
        if text == "audio":
            return [Show(State.RESPONDING), StartPlayer()]
        return [FinishPlayer(), Emit(LlmComplete("Polly wants a cracker")), Show(State.LISTENING)]

    def receive_binary(self, data: bytes, now: float) -> list[Effect]:
        return [Play(data)]

    def record(self, data: bytes, now: float) -> list[Effect]:
        return [SendAudio(data)]

    def speech_frame(self, data: bytes) -> bytes:
        return data

    def stop_speech(self, now: float) -> list[Effect]:
        return [Send("over"), Show(State.THINKING)]

    def end(self, now: float, why: str = "") -> list[Effect]:
        return [Close(None, Next.RETRY)]

    def closed(self, code: int | None, reason: str, now: float) -> list[Effect]:
        return [Close(LinkClosed(code, reason), Next.RETRY)]

    def _nothing(self, *_: Any, **__: Any) -> list[Effect]:
        return []

    tick = pong = start_speech = cancel_speech = interrupt = ask = say = update_info = _nothing
    tool_result = offer_functions = _nothing
    recorder_failed = playback_started = playback_finished = playback_failed = _nothing

    def check_speech(self) -> None:
        """One may always talk to it."""

    def trace(self, text: str) -> str:
        return text


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    if settings.dialog.video:
        yield Contradiction("dialog.video", "a parrot has no use for it")


CLOUD = Cloud(
    protocol="parrot",
    audio=CloudAudio(("pcm",), ("pcm",), (16000,), (24000,), frame_ms=40),
    modules=(),
    access=ParrotAccess,
    endpoint=lambda settings, credential: Endpoint(
        settings.cloud.ws_url,
        settings.cloud.ws_url,
        {"X-Seed": credential.token.reveal()},
        ping_s=0.05,
    ),
    dialect=lambda opening: ParrotDialect(opening.settings.license.device_name),
    contradictions=lambda settings: iter(
        [Contradiction("dialog.video", "a parrot has no use for it")]
        if settings.dialog.video
        else []
    ),
    addresses=lambda settings: {"cloud.ws_url": settings.cloud.ws_url},
    registers=lambda settings: False,
    proof=lambda settings: "a seed",
)

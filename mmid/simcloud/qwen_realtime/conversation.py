"""The conversation on one connection: its items, and the responses of the model.

``protocol`` reads the client's events; this module knows what each leads to. What comes
of sound and pictures is in ``hearing``, the course of a response in ``response``.
"""

from typing import Any

from mmid.simcloud.core.actions import JournalLine, ReplyBegin, ReplyEnd
from mmid.simcloud.core.scenario import ScenarioRun, ScriptedTurn, own_table
from mmid.simcloud.qwen_realtime import usage
from mmid.simcloud.qwen_realtime.hearing import AudioBuffer
from mmid.simcloud.qwen_realtime.outlet import RealtimeOutlet
from mmid.simcloud.qwen_realtime.response import (
    ModelResponse,
    ResponseStep,
    call_steps,
    reply_steps,
)
from mmid.simcloud.qwen_realtime.session import (
    MODALITIES,
    InvalidRequest,
    Session,
    is_3_8,
    rate_hz,
)
from mmid.simcloud.qwen_realtime.vocabulary import RealtimeRules, RealtimeTurn

NEVER = float("inf")

_WRITTEN = "input_text"


class RealtimeConversation:
    """The conversation of one session.

    Args:
        outlet: where the events go.
        run: the script.
        session: what the session is.

    Attributes:
        session: what the session is; the protocol replaces it when it is updated.
        hearing: the audio buffer.
        spoken: the model has spoken.
        response: the one that is active, or None.
        quiet_since: since when the model has said nothing.
    """

    def __init__(self, outlet: RealtimeOutlet, run: ScenarioRun, session: Session) -> None:
        self._outlet = outlet
        self._run = run
        self._rules = own_table(run.scenario, RealtimeRules)
        # What every response is billed for again: the whole window.
        self._texts = ""
        self._new_input = False
        # The calls of the latest response that called: answered or not.
        self._calls: dict[str, bool] = {}
        self.session = session
        self.hearing = AudioBuffer(outlet, run)
        self.spoken = False
        self.response: ModelResponse | None = None
        self.quiet_since = outlet.now

    @property
    def step_at(self) -> float:
        """When the next part of the response is due."""
        return self.response.plan[0][0] if self.response and self.response.plan else NEVER

    @property
    def unprompted_at(self) -> float:
        """When the model speaks although nobody asked (``idle_timeout_ms``)."""
        detection = self.session["turn_detection"] or {}
        timeout_ms = detection.get("idle_timeout_ms")
        if timeout_ms is None or detection["type"] != "server_vad":
            return NEVER
        if self.response or self.hearing.talking:
            return NEVER
        return self.quiet_since + float(timeout_ms) / 1000

    def append(self, data: bytes) -> None:
        """Take audio."""
        hearing = self.hearing
        if hearing.append(data, self.session):
            hearing.begin_item(next(self._run.turns))
            where = {"item_id": hearing.item_id, "audio_start_ms": 0}
            self._outlet.event("input_audio_buffer.speech_started", **where)
            if self.response is not None and self.session["turn_detection"]["interrupt_response"]:
                self.cancel("turn_detected")
        if hearing.talking:
            hearing.preview()
        if hearing.ended:
            where = {"item_id": hearing.item_id, "audio_end_ms": 0}
            self._outlet.event("input_audio_buffer.speech_stopped", **where)
            hearing.end("silence", self.session)
            self.respond(hearing.script)

    def commit(self) -> None:
        """The client says that its speech is over."""
        if self.session["turn_detection"]:
            raise InvalidRequest("Internal service error: null", "COMMON_ERROR")
        self.hearing.check_commit()
        self.hearing.begin_item(next(self._run.turns))
        self.hearing.end("commit", self.session)
        self._new_input = True

    def clear(self) -> None:
        """The client drops what it appended."""
        self.hearing.drop("cleared", voiced=bool(self.session["turn_detection"]))
        self._outlet.event("input_audio_buffer.cleared")

    def add_item(self, item: Any) -> None:
        """Take a user's text, or what a function of the client returned."""
        kind = item.get("type") if isinstance(item, dict) else None
        if kind is not None and not isinstance(item.get("id", ""), str):
            raise InvalidRequest("item.id must be a text", param="item.id")
        if kind == "function_call_output":
            self._take_output(item.get("call_id"), item.get("output"))
        elif kind == "message" and not is_3_8(self.session["model"]):
            self._texts += _text_of(item)
            self.hearing.script = next(self._run.turns)
        else:
            raise InvalidRequest("item.type must be message or function_call_output")
        self._new_input = True
        created = {"object": "realtime.item", **item, "id": item.get("id", self._new_id("item"))}
        self._outlet.event("conversation.item.created", item=created)

    def _take_output(self, call_id: Any, output: Any) -> None:
        known = isinstance(call_id, str) and call_id in self._calls
        if not isinstance(output, str) or not known:
            raise InvalidRequest("function_call_output needs a call_id of a call, and a text")
        if self._calls[call_id]:
            raise InvalidRequest("This call has been answered", param="item.call_id")
        self._calls[call_id] = True
        facts = {"id": call_id, "output": output}
        self._outlet.put(JournalLine("tool-result", self._outlet.now, facts))

    def create_response(self, options: Any) -> None:
        """The client asks for a response."""
        options = {} if options is None else options
        if not isinstance(options, dict) or not {*options} <= {"instructions", "modalities"}:
            raise InvalidRequest("response has instructions and modalities", param="response")
        said = options.get("instructions")
        if not isinstance(said, str | None):
            raise InvalidRequest("instructions must be a text", param="response.instructions")
        if "modalities" in options and not MODALITIES(options["modalities"]):
            raise InvalidRequest("Invalid value for modalities", param="response.modalities")
        if self.response is not None:
            raise InvalidRequest("Conversation already has an active response", harmless=True)
        if not self._new_input and not said:
            raise InvalidRequest("Conversation has no new input")
        script = ScriptedTurn(reply=said) if said else self.hearing.script
        self.respond(script, options.get("modalities"))

    def respond(self, script: ScriptedTurn, modalities: list[str] | None = None) -> None:
        """Begin a response to what was heard."""
        self._new_input = False
        wanted = list(modalities or self.session["modalities"])
        response = ModelResponse(self._new_id("resp"), self._new_id("item"), wanted)
        response.status = own_table(script, RealtimeTurn).status
        self.response = response
        calls = {call.get("id", self._new_id("call")): call for call in self._called_by(script)}
        response.calls = calls
        if not script.spoken:
            response.modalities = ["text"]
        described = response.describe(self.session, "in_progress")
        self._outlet.event("response.created", response=described)
        if self._run.scenario.stray_audio:
            self._outlet.dead_audio()
        thinking_s = self._run.scenario.thinking_ms / 1000
        steps = call_steps(response) if calls else self._reply(response, script)
        began = self._outlet.now + thinking_s
        response.plan.extend((began + step.after_s, step) for step in steps)
        if calls:
            self._calls = dict.fromkeys(calls, False)

    def respond_unprompted(self) -> None:
        """Nobody has said anything for so long that the model does."""
        self.respond(next(self._run.turns))

    def step(self) -> None:
        """Do the next part of the response."""
        if self.response is None:
            return
        _, step = self.response.plan.popleft()
        if step.audio:
            self._speak(self.response, step.audio)
        elif step.kind == "response.done":
            self._finish(self.response.status)
        else:
            if step.kind.endswith((".text.delta", "transcript.delta")):
                self.response.said += step.fields["delta"]
            self._outlet.event(step.kind, **step.fields)

    def cancel(self, reason: str = "client_cancelled") -> None:
        """End the active response."""
        response = self.response
        if response is None:
            raise InvalidRequest("Conversation has none active response", harmless=True)
        if response.spoken_s:
            if self._run.scenario.stale_audio:
                self._outlet.stray_audio(b"\x01\x00" * 320, **response.where)
            self._outlet.event("response.audio.done", **response.where)
        response.plan.clear()
        if self._rules.cancel_done:
            self._finish("cancelled", status_details={"type": "cancelled", "reason": reason})
        else:
            self._end_reply(response, cut=True)

    def _called_by(self, script: ScriptedTurn) -> list[Any]:
        """Return the calls of a turn; a model knows only the functions that are declared."""
        if self._calls and all(self._calls.values()):
            return []  # they were made, and are answered
        declared = {tool["function"]["name"] for tool in self.session["tools"]}
        return [call for call in script.tool_calls if call["name"] in declared]

    def _reply(self, response: ModelResponse, script: ScriptedTurn) -> list[ResponseStep]:
        self._calls = {}
        rate, pace = rate_hz(self.session, "output"), self._run.scenario.pace
        spoken = "audio" in response.modalities
        samples = self._run.voice(script, rate) if spoken else b""
        odd = self._rules.odd_deltas
        steps = list(reply_steps(response, script, samples, rate * 2 * pace, odd=odd))
        late = self.hearing.late_transcript()
        # After the first part of the reply, where the real service was seen to be late.
        first = next((n for n, step in enumerate(steps) if step.audio), 3) + 1
        steps[first:first] = [
            ResponseStep(steps[first - 1].after_s, kind, told) for kind, told in late
        ]
        return steps

    def _speak(self, response: ModelResponse, audio: bytes) -> None:
        if not response.spoken_s:
            self._outlet.put(ReplyBegin())
        response.spoken_s += len(audio) / (2 * rate_hz(self.session, "output"))
        self.spoken = True
        self._outlet.audio(audio, **response.where)

    def _finish(self, status: str, **details: Any) -> None:
        """End the active response with ``response.done``."""
        response = self.response
        if response is None:
            return
        self._end_reply(response, cut=status == "cancelled")
        model = self.session["model"]
        reply_tokens = usage.audio_tokens(model, response.spoken_s, spoken=True)
        told = usage.told(self._texts, self.hearing.tokens, response.said, reply_tokens)
        self._texts += response.said
        described = response.describe(self.session, status, usage=told, **details)
        self._outlet.event("response.done", response=described)

    def _end_reply(self, response: ModelResponse, *, cut: bool) -> None:
        if response.spoken_s:
            self._outlet.put(ReplyEnd(cut=cut))
        self.response = None
        self.quiet_since = self._outlet.now

    def _new_id(self, kind: str) -> str:
        return f"{kind}_{self._run.new_id()}"


def _text_of(item: Any) -> str:
    """Return what the user says in writing (section 4)."""
    content = item.get("content")
    parts: list[Any] = content if isinstance(content, list) else []
    written = [part for part in parts if isinstance(part, dict) and part.get("type") == _WRITTEN]
    texts = [text for part in written if isinstance(text := part.get("text"), str) and text]
    if item.get("role") != "user":
        raise InvalidRequest("item.role must be user", param="item.role")
    if not texts or len(texts) < len(parts):
        raise InvalidRequest("item.content must be input_text parts", param="item.content")
    return "".join(texts)

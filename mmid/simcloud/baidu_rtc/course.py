"""The course of a dialog: what comes of a speech or a text, and how a reply is given.

``protocol`` decides whether the client may do something; this module knows what follows.
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from mmid.simcloud.baidu_rtc.hearing import RtcHearing
from mmid.simcloud.baidu_rtc.outlet import RtcOutlet
from mmid.simcloud.baidu_rtc.reply import TTS_END, ReplyStep, reply_steps
from mmid.simcloud.baidu_rtc.vocabulary import RtcRules, RtcTurn
from mmid.simcloud.core.actions import JournalLine, ReplyBegin, ReplyEnd, SendReplyAudio
from mmid.simcloud.core.codecs import ReplyFormat, encode
from mmid.simcloud.core.scenario import ScenarioRun, ScriptedTurn, own_table

NEVER = float("inf")

# What a reply may wait for, beside the answers to calls, which have ids.
PICTURE = "a picture"

# How long a reply waits for what was asked of the device.
_PICTURE_S, _CALLS_S = 10.0, 40.0
_ODD = 333  # bytes that are not there at the end of an odd frame: no whole sample


class RtcCourse:
    """The course of one connection's dialog, from the moment it is open.

    Args:
        outlet: where the actions go.
        run: the script.
        form: how replies are sent; the client speaks in the same form.

    Attributes:
        hearing: the ear.
        auto_interrupt: a voice interrupts a reply.
        awaited: what the device was asked for and has not sent.
    """

    def __init__(self, outlet: RtcOutlet, run: ScenarioRun, form: ReplyFormat) -> None:
        self._outlet = outlet
        self._run = run
        self._rules = own_table(run.scenario, RtcRules)
        self._form = form
        self._plan: deque[tuple[float, ReplyStep]] = deque()
        self._reply_at = NEVER
        self._speaking = False
        self.hearing = RtcHearing(outlet, run, form.rate_hz, opus=form.mode == "raw-opus")
        self.auto_interrupt = True
        self.awaited: set[str] = set()

    @property
    def replying(self) -> bool:
        """A reply is thought of, or given."""
        return self.step_at < NEVER

    @property
    def step_at(self) -> float:
        """When the next part of a reply is due."""
        return self._plan[0][0] if self._plan else self._reply_at

    def release(self) -> None:
        """The client says that its speech is over."""
        if self.hearing.understandable:
            self.hearing.understand("stop")
            self._think()
        else:
            self.hearing.drop("too short")  # nothing is understood, and nothing is said of it

    def hear(self, data: bytes) -> None:
        """Take a frame of audio."""
        detect = not self.hearing.push_to_talk
        if detect and self.replying and not self.auto_interrupt:
            return  # nobody listens meanwhile
        if self.hearing.add(data) and detect:
            self._outlet.message("[E]:[VOICE_COMING]")
            self.interrupt()
        self.hearing.tell_interim()
        if detect and self.hearing.ended:
            self._outlet.message("[E]:[VOICE_DISAPPEAR]")
            self.hearing.understand("silence")
            self._think()

    def interrupt(self) -> None:
        """End the reply, or the thinking of it."""
        rest = [step.audio for _, step in self._plan if step.audio]
        self._begin_at(NEVER)
        self.awaited.clear()
        if self._speaking:
            for frame in rest[:2] if self._run.scenario.stale_audio else ():
                self._outlet.put(SendReplyAudio(frame, stray=True))
            if self._rules.interrupt_end:
                self._outlet.message(TTS_END)
            self._end_reply(cut=True)

    def ask(self) -> None:
        """The user has typed something: the next turn of the script."""
        self.interrupt()
        self.hearing.script = next(self._run.turns)
        self._think()

    def say(self, text: str) -> None:
        """Speak a text, without the model."""
        self.interrupt()
        self.hearing.script = ScriptedTurn(reply=text)
        self._think()

    def take_picture(self, size: int) -> None:
        """The picture that was asked for is there."""
        self._outlet.put(JournalLine("image", self._outlet.now, {"bytes": size}))
        self._has_come(PICTURE)

    def take_result(self, call_id: str, result: Mapping[str, Any]) -> None:
        """A function of the device has returned."""
        told = {"id": call_id, "output": json.dumps(result, ensure_ascii=False)}
        self._outlet.put(JournalLine("tool-result", self._outlet.now, told))
        self._has_come(call_id)

    def step(self) -> None:
        """Do what is due: begin the reply, or give the next part of it."""
        if not self._plan:
            self._lay_out()
            return
        _, step = self._plan.popleft()
        if step.audio:
            if not self._speaking:
                self._speaking = True
                self._outlet.put(ReplyBegin(self._form.mode))
            self._outlet.audio(step.audio, marker=self._rules.marker)
        elif step.prefix:
            self._outlet.message(step.prefix, step.text)
        elif self._speaking:
            self._end_reply(cut=False)

    def _think(self) -> None:
        """Ask the device for what the answer needs, or begin it after a while."""
        now, script = self._outlet.now, self.hearing.script
        self._begin_at(now + self._run.scenario.thinking_ms / 1000)
        if own_table(script, RtcTurn).picture:
            self.awaited.add(PICTURE)
            self._begin_at(now + _PICTURE_S)
            self._outlet.message("[E]:[UPLOAD_IMAGE]")
        for call in script.tool_calls:
            self._begin_at(now + _CALLS_S)
            self._call(call)

    def _call(self, call: Mapping[str, Any]) -> None:
        call_id = str(call.get("id", self._run.new_id()))
        self.awaited.add(call_id)
        parameters = [{name: value} for name, value in call.get("arguments", {}).items()]
        content = {"function_name": call["name"], "parameter_list": parameters}
        asked = {"session_id": call_id, "content": json.dumps(content, ensure_ascii=False)}
        text = json.dumps(asked, ensure_ascii=False)
        self._outlet.message("[F]", f"[C]:{text}" if self._rules.old_calls else text)

    def _has_come(self, awaited: str) -> None:
        self.awaited.remove(awaited)
        if not self.awaited:
            self._begin_at(self._outlet.now)

    def _begin_at(self, at: float) -> None:
        self._plan.clear()
        self._reply_at = at

    def _lay_out(self) -> None:
        """Lay out the reply in time."""
        self._begin_at(NEVER)
        self.awaited.clear()
        script, pace = self.hearing.script, self._run.scenario.pace
        hint = own_table(script, RtcTurn).hint
        if hint:
            self._outlet.message("[A]:[H]", hint)
        frames = self._frames(script) if script.spoken else []
        frame_s = self._form.frame_ms / 1000 / pace if pace else 0.0
        steps = reply_steps(script.reply, frames, frame_s, self._rules)
        self._plan.extend((self._outlet.now + step.after_s, step) for step in steps)

    def _frames(self, script: ScriptedTurn) -> list[bytes]:
        samples = self._run.voice(script, self._form.rate_hz)
        if self._form.mode == "raw-opus":
            return list(encode(samples, self._form))
        size = self._form.rate_hz * self._form.frame_ms // 1000 * 2
        size -= _ODD if self._rules.odd_audio else 0
        return [samples[at : at + size] for at in range(0, len(samples), size)]

    def _end_reply(self, *, cut: bool) -> None:
        self._speaking = False
        self._outlet.put(ReplyEnd(cut=cut))

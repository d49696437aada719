"""The stage and the turn, and the moves that every cloud has which always takes speech.

A move changes the stage and returns the effects that go with it. Each such cloud has a
machine of its own, made of this one, with what only it remembers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import inf

from mmid.errors import Busy, MmidError, NotReady, Unsupported
from mmid.events import Error, SpeechPrepare, State
from mmid.session.dialects.stages import (
    FREE_STAGES,
    TURN_STAGES,
    WORK_MODES,
    StageFacts,
    TurnStage,
)
from mmid.session.dialects.turn import Recognition, Reply
from mmid.session.effects import Close, Effects, Emit, Moved, Next, Show, StopRecorder
from mmid.settings import Dialog


class TurnMachine(ABC):
    """What one connection remembers.

    Args:
        stages: how long each stage lasts, and what ends it.
        settings: how one talks.
        work_mode: push2talk, tap2talk or duplex.
        ready_by: monotonic time by which the cloud must take speech.

    Attributes:
        hearing: what is understood of the speech.
        reply: what is heard and read of the reply.
        cause: the input that is being obeyed, in a word, for the black box.
        ready: the cloud took speech at least once.
    """

    hearing: Recognition
    reply: Reply

    def __init__(
        self,
        stages: Mapping[TurnStage, StageFacts],
        settings: Dialog,
        work_mode: str,
        *,
        ready_by: float,
    ) -> None:
        self.stages, self.settings, self.mode = stages, settings, WORK_MODES[work_mode]
        self.stage, self.stage_deadline = TurnStage.STARTING, ready_by
        self.cause = ""
        self.ready = False
        self._shown = stages[TurnStage.STARTING].state

    def enter(self, stage: TurnStage, now: float) -> Effects:
        """Go to a stage: its deadline begins, its state is shown if it is another."""
        before, self.stage = self.stage, stage
        self.stay(now)
        if stage is before:
            return []
        moved: Effects = [Moved(stage.value, self.cause)]
        state: State | None = self.stages[stage].state
        if state is None or state is self._shown:
            return moved
        self._shown = state
        return [*moved, Show(state)]

    def stay(self, now: float) -> None:
        """Let the stage's deadline begin anew."""
        longest_s = self.stages[self.stage].deadline_s
        if self.stage is TurnStage.TALKING:
            longest_s = self.settings.max_speech_s
        self.stage_deadline = now + (longest_s or inf)

    def listen(self, now: float) -> Effects:
        """The turn is over: be ready for the next."""
        ended = self.hearing.end()
        return [*ended, *self.enter(TurnStage.LISTENING, now), Emit(SpeechPrepare())]

    @abstractmethod
    def cut_turn(self, now: float) -> Effects:
        """Leave the turn under way: silence, ends, and no more of its reply."""

    def close_microphone(self) -> Effects:
        """The cloud wants no more of this speech; in duplex the microphone stays open."""
        return [StopRecorder()] if self.mode.pressed else []

    # --- what may be done now -------------------------------------------------------------

    def check_ready(self) -> None:
        """Raise if the cloud takes nothing."""
        if not self.ready or self.stage is TurnStage.CLOSED:
            raise NotReady("the dialog is not connected and listening yet")

    def check_free(self) -> None:
        """Raise if the cloud takes nothing, or somebody talks."""
        self.check_ready()
        talks = self.stage in FREE_STAGES and self.hearing.open  # duplex
        if self.stage is TurnStage.TALKING or talks:
            raise Busy("somebody is talking already")

    def check_speech(self) -> None:
        """Raise if no speech can begin now."""
        if not self.mode.pressed:
            raise Unsupported("in duplex the microphone is always open; just talk")
        self.check_free()

    # --- the end --------------------------------------------------------------------------

    @property
    def loss(self) -> str:
        """What somebody would miss if the connection ended now, in words; may be empty."""
        if self.stage in {TurnStage.RESPONDING, TurnStage.PLAYING}:
            return "the rest of the reply is lost"
        if self.stage in TURN_STAGES:
            return "the answer is lost"
        talks = self.stage is TurnStage.TALKING or self.hearing.open
        return "what was said is lost" if talks else ""

    def shut(self, now: float, why: str = "") -> Effects:
        """Close what is open; if there is a reason to tell, tell whoever loses something by it."""
        if self.stage is TurnStage.CLOSED:
            return []
        loss = self.loss if why else ""
        effects: Effects = [StopRecorder(), *self.hearing.end(), *self.reply.cut()]
        if loss:
            effects.append(Emit(Error("connection-lost", f"{why}: {loss}")))
        return effects + self.enter(TurnStage.CLOSED, now)

    def fail(self, error: MmidError, following: Next, now: float, why: str = "") -> Effects:
        """Give this connection up."""
        return [*self.shut(now, why), Close(error, following)]

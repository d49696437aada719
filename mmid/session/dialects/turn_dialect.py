"""What the board does and what time brings, for every cloud that always takes speech.

The part of ``Dialect`` that does not depend on the protocol. It has no word of any cloud.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from math import inf

from mmid.errors import ConnectionLost
from mmid.events import Error, Heartbeat
from mmid.session.dialects.open_microphone import OpenMicrophone
from mmid.session.dialects.stages import Exit, TurnStage
from mmid.session.dialects.turn_machine import TurnMachine
from mmid.session.effects import Effects, Emit, Next, StartRecorder

# When something is due, and what is done then.
Timer = tuple[float, Callable[[float], Effects]]


class TurnDialect(ABC):
    """One connection; ``Dialect`` says what each of these methods is for.

    Attributes:
        machine: what the connection remembers.
    """

    machine: TurnMachine

    def __init__(self) -> None:
        self._microphone = OpenMicrophone()

    @property
    def reached_listening(self) -> bool:
        return self.machine.ready

    @property
    def in_turn(self) -> bool:
        return bool(self.machine.loss)

    def pong(self, _now: float) -> Effects:
        return [Emit(Heartbeat())]

    # --- time -----------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        if self.machine.stage is TurnStage.CLOSED:
            return inf
        return min([due for due, _ in self._timers()], default=inf)

    def tick(self, now: float) -> Effects:
        self.machine.cause = "deadline"
        effects: Effects = []
        for due, act in self._timers():
            if now >= due and self.machine.stage is not TurnStage.CLOSED:
                effects += act(now)
        return effects

    @abstractmethod
    def _timers(self) -> Iterator[Timer]:
        """Yield when each timer is due and what it does; one may move what comes after it."""

    def _leave_stage(self, now: float) -> Effects:
        """The stage lasted too long: take the exit that its table has, and say so."""
        machine = self.machine
        facts = machine.stages[machine.stage]
        message = f"waited in vain for {facts.waits_for}"
        match facts.exit:
            case Exit.RECONNECT:
                return machine.fail(ConnectionLost(message), Next.RETRY, now)
            case Exit.END_SPEECH:
                limit_s = machine.settings.max_speech_s
                closed = f"the microphone was closed after {limit_s:.0f} s"
                stopped = [*machine.close_microphone(), *self.stop_speech(now)]
                return [*stopped, Emit(Error("not-talking", closed))]
            case Exit.GIVE_UP:
                cut = machine.cut_turn(now)
                return [Emit(Error("cloud", message)), *cut, *machine.listen(now)]
        return []

    # --- what the board does --------------------------------------------------------------

    @abstractmethod
    def stop_speech(self, now: float) -> Effects: ...

    @abstractmethod
    def cancel_speech(self, now: float) -> Effects: ...

    def recorder_failed(self, now: float) -> Effects:
        self.machine.cause = "recorder_failed"
        if self.machine.mode.pressed:
            return self.cancel_speech(now)
        self._microphone.failed(now)
        return []

    def _records(self) -> bool:
        """Whether what is recorded now is meant for the cloud."""
        machine = self.machine
        if machine.mode.pressed:
            return machine.stage is TurnStage.TALKING
        return machine.stage not in {TurnStage.STARTING, TurnStage.CLOSED}

    def _open_microphone(self, _now: float) -> Effects:
        self._microphone.due = inf
        return [StartRecorder()]

    def playback_started(self, _now: float) -> Effects:
        return []

    def playback_finished(self, now: float) -> Effects:
        self.machine.cause = "playback_finished"
        return self._played(now)

    def playback_failed(self, now: float) -> Effects:
        self.machine.cause = "playback_failed"
        self.machine.reply.inaudible = True
        return self._played(now)

    def _played(self, now: float) -> Effects:
        """The loudspeaker has no more of the reply."""
        self.machine.reply.playing = False
        return self.machine.listen(now) if self.machine.stage is TurnStage.PLAYING else []

    def check_speech(self) -> None:
        self.machine.check_speech()

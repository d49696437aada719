"""The realtime dialect and simcloud's side of it, watched by the witness."""

from itertools import count
from typing import Any

from mmid.session.dialects.qwen_realtime.realtime import QwenRealtime
from mmid.session.dialects.qwen_realtime.session import session_of
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Effect
from mmid.settings import Settings
from mmid.settings.dialog import Dialog
from mmid.settings.qwen import Qwen
from mmid.simcloud.core import actions
from mmid.simcloud.core.scenario import Scenario, ScenarioRun
from mmid.simcloud.qwen_realtime.protocol import RealtimeProtocol
from mmid.simcloud.qwen_realtime.vocabulary import VOCABULARY
from tests.session.dialects import pair
from tests.session.dialects.qwen_realtime.witness import Witness

MODEL = "qwen3-omni-flash-realtime"
MODES = ("push2talk", "tap2talk", "duplex")
_REPLY = bytes(range(240)) * 300  # 1.5 s


def realtime(mode: str, tools: list[Any] | None = None, **qwen: Any) -> QwenRealtime:
    """Return a dialect at the time 0."""
    video = Dialog(work_mode=mode, video=True)  # type: ignore[arg-type]
    settings = Settings(dialog=video, qwen=Qwen(**qwen))
    session = session_of(settings, mode, tools or [])
    return QwenRealtime(settings, MODEL, work_mode=mode, session=session, ready_by=15.0)


class Pair(pair.Pair):
    """A connection, its cloud, and the board.

    Args:
        mode: the work mode.
        delay_s: how long a frame is on its way.
        scenario: what the service says.
        tools: the functions that are declared.
        model: the one that the URL names.
        qwen: settings of its table.

    Attributes:
        refusals: what the service did not like.
    """

    def __init__(
        self,
        mode: str,
        *,
        delay_s: float = 0.0,
        scenario: Scenario | None = None,
        tools: list[Any] | None = None,
        model: str = MODEL,
        **qwen: Any,
    ) -> None:
        self.witness = Witness(mode)
        self.refusals: list[str] = []
        numbers = count(1)
        run = ScenarioRun(
            scenario or Scenario(pace=4.0),
            VOCABULARY,
            lambda _turn, _rate: _REPLY,
            lambda: f"{next(numbers):032d}",
        )
        ours = realtime(mode, tools, **qwen)
        self.machine = ours.machine
        super().__init__(ours, RealtimeProtocol(model, run, 0.0), delay_s=delay_s)

    @property
    def ended(self) -> bool:
        """Whether the connection was closed."""
        return self.closed is not None

    def rests(self) -> bool:
        """Whether nobody talks, and no turn is under way."""
        return self.machine.stage is TurnStage.LISTENING

    def see(self, effect: Effect) -> None:
        if self.witness.mode != "duplex":
            self.witness.microphone = self.pressed
        self.witness.spoken = self.recorded
        self.witness.see(effect)

    def hear(self, action: actions.Action) -> None:
        if isinstance(action, actions.JournalLine) and action.kind == "refusal":
            self.refusals.append(str(action.fields["reason"]))

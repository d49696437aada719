"""The dialect and simcloud's side of ``multimodal-dialog``, watched by the witness."""

from itertools import count

from mmid.session.dialects.multimodal_dialog.stages import Stage
from mmid.session.effects import Effect
from mmid.simcloud.core import actions
from mmid.simcloud.core.scenario import Scenario, ScenarioRun
from mmid.simcloud.multimodal_dialog.protocol import Account, DialogProtocol
from mmid.simcloud.multimodal_dialog.vocabulary import VOCABULARY
from tests.rig.dialog_settings import dialog_settings
from tests.session.dialects import pair
from tests.session.dialects.multimodal_dialog.trace import dialect
from tests.session.dialects.multimodal_dialog.witness import Witness

_REPLY = bytes(range(250)) * 288  # 1.5 s


class Pair(pair.Pair):
    """A connection, its cloud, and the board.

    Args:
        mode: the work mode.
        delay_s: how long a frame is on its way.
        scenario: what the cloud says.
    """

    def __init__(
        self, mode: str, *, delay_s: float = 0.0, scenario: Scenario | None = None
    ) -> None:
        self.witness = Witness(mode)
        ours = dialect(
            dialog_settings(work_mode=mode),
            workspace_id="llm-1",
        )
        numbers = count(1)
        run = ScenarioRun(
            scenario or Scenario(),
            VOCABULARY,
            lambda _turn, _rate: _REPLY,
            lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
        )
        # With a delay the witness would know too early what the cloud said.
        self._watched = delay_s == 0
        self._machine = ours.machine
        cloud = DialogProtocol(Account("mm_0123", "llm-1"), run, 0.0)
        super().__init__(ours, cloud, delay_s=delay_s)

    def rests(self) -> bool:
        """Whether the cloud listens and nobody talks."""
        return self._machine.stage is Stage.LISTENING

    def see(self, effect: Effect) -> None:
        if self._watched:
            if not self.witness.streams:
                self.witness.microphone = self.pressed
            self.witness.spoken = self.recorded
            self.witness.see(effect, self.now)

    def hear(self, action: actions.Action) -> None:
        assert not isinstance(action, actions.CloseSocket), f"the cloud refused: {action}"
        if self._watched and isinstance(action, actions.SendText):
            state = action.fields.get("state")
            told = f"state {state}" if action.name == "DialogStateChanged" else action.name
            self.witness.hear(told, self.now)

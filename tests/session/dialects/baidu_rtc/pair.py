"""The Baidu dialect and simcloud's side of it, watched by the witness."""

from collections import deque
from dataclasses import replace
from itertools import count
from typing import Any

from mmid.secrets import Secret
from mmid.session.dialects.stages import TurnStage
from mmid.session.effects import Effect
from mmid.simcloud.baidu_rtc.activations import ActivationBook
from mmid.simcloud.baidu_rtc.handshake import RtcHandshake
from mmid.simcloud.baidu_rtc.outlet import RtcOutlet
from mmid.simcloud.baidu_rtc.protocol import RtcProtocol
from mmid.simcloud.baidu_rtc.vocabulary import VOCABULARY, RtcRules
from mmid.simcloud.core import actions
from mmid.simcloud.core.codecs import ReplyFormat
from mmid.simcloud.core.scenario import Scenario, ScenarioRun
from tests.session.dialects import pair
from tests.session.dialects.baidu_rtc.connection import KEY, connection
from tests.session.dialects.baidu_rtc.witness import Witness

_REPLY = bytes(range(240)) * 200  # 1.5 s


class Pair(pair.Pair):
    """A connection, its cloud, and the board.

    Args:
        mode: the work mode.
        delay_s: how long a frame is on its way.
        scenario: what the service says.
        rules: the liberties it takes.

    Attributes:
        refusals: what the service did not like.
        book: who was activated.
    """

    def __init__(
        self,
        mode: str,
        *,
        delay_s: float = 0.0,
        scenario: Scenario | None = None,
        **rules: Any,
    ) -> None:
        self.witness = Witness(mode)
        self.refusals: list[str] = []
        numbers = count(1)
        table = RtcRules(**rules)
        run = ScenarioRun(
            replace(scenario or Scenario(pace=4.0), tables=(table,)),
            VOCABULARY,
            lambda _turn, _rate: _REPLY,
            lambda: f"call_{next(numbers)}",
        )
        self.book = ActivationBook(Secret(KEY), "app-1", quota=table.quota, refusal=table.refuse)
        outlet = RtcOutlet(run.plan, 0.0)
        cloud = RtcProtocol(
            outlet,
            RtcHandshake(outlet, self.book, table),
            run,
            ReplyFormat("pcm", 16_000, 100, 0),
            long_audio=mode == "push2talk",
        )
        ours = connection(mode)
        self.machine = ours.machine
        super().__init__(ours, cloud, delay_s=delay_s, reply_bytes_per_s=32000)

    def rests(self) -> bool:
        """Whether nobody talks, and no turn is under way."""
        return self.machine.stage is TurnStage.LISTENING

    def see(self, effect: Effect) -> None:
        self.witness.now = self.now
        if self.witness.mode != "duplex":
            self.witness.microphone = self.pressed
        self.witness.presses = deque([bytearray(self.recorded)])
        self.witness.see(effect)

    def hear(self, action: actions.Action) -> None:
        if isinstance(action, actions.JournalLine) and action.kind == "refusal":
            self.refusals.append(str(action.fields["reason"]))

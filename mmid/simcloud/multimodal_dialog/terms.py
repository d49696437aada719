"""What a dialog service gives to each of its connections: the account and the script."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle

from mmid.simcloud.core.scenario import Scenario, Turn
from mmid.simcloud.multimodal_dialog.outlet import FaultPlan

Voice = Callable[[Turn, int], bytes]


@dataclass(frozen=True, slots=True)
class Account:
    """Who may use a connection: what its Start must name.

    ``licensed``: the credential was a license token, which implies the workspace.
    """

    app_id: str
    workspace_id: str
    licensed: bool = False


@dataclass(slots=True)
class Conversation:
    """What the connections of one service share.

    Attributes:
        scenario: the script.
        voice: makes the samples of a turn's reply at a rate in Hz.
        new_id: makes a UUID.
        plan: which faults are due; counted over all connections.
        turns: the turns still to come, for ever.
    """

    scenario: Scenario
    voice: Voice
    new_id: Callable[[], str]
    plan: FaultPlan = field(init=False)
    turns: Iterator[Turn] = field(init=False)

    def __post_init__(self) -> None:
        self.plan = FaultPlan(self.scenario.faults)
        self.turns = cycle(self.scenario.turns)

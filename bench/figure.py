"""What every benchmark yields, and how hard it is to try."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure.

    Attributes:
        runs: how often each figure is taken; the median counts.
        scale: factor for how long a run lasts and how many things it does. The tests
            take a small one, which shows that a benchmark works and proves nothing else.
    """

    runs: int = 5
    scale: float = 1.0

    def seconds(self, whole: float, *, least: float = 0.2) -> float:
        """Return how long something of ``whole`` seconds is to last."""
        return max(least, whole * self.scale)

    def times(self, whole: int, *, least: int = 1) -> int:
        """Return how often something that is done ``whole`` times is to be done."""
        return max(least, round(whole * self.scale))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        unit: of both columns of values.
        ours: the measured values, one a run.
        floor: what the baseline is, in a few words.
        baseline: its values in the same runs; or one value, where it is fixed.
        goal: the highest ratio that is good; None: told, and not judged.
    """

    name: str
    unit: str
    ours: Sequence[float]
    floor: str
    baseline: Sequence[float]
    goal: float | None = None

    @property
    def value(self) -> float:
        """The median of our values."""
        return statistics.median(self.ours)

    @property
    def floor_value(self) -> float:
        """The median of the baseline."""
        return statistics.median(self.baseline)

    @property
    def ratio(self) -> float:
        """The median of the runs' ratios: each run is compared with its own baseline."""
        if len(self.baseline) == 1:
            return self.value / self.floor_value
        pairs = zip(self.ours, self.baseline, strict=True)
        return statistics.median(ours / baseline for ours, baseline in pairs)

    @property
    def verdict(self) -> str:
        """``ok``, ``missed``, or a dash where there is no goal."""
        if self.goal is None:
            return "-"
        return "ok" if self.ratio <= self.goal else "missed"

    def plain(self) -> dict[str, object]:
        """Return all of it as JSON takes it."""
        return {
            "figure": self.name,
            "unit": self.unit,
            "value": round(self.value, 4),
            "floor": self.floor,
            "floor_value": round(self.floor_value, 4),
            "ratio": round(self.ratio, 3),
            "goal": self.goal,
            "verdict": self.verdict,
            "ours": [round(value, 4) for value in self.ours],
            "baseline": [round(value, 4) for value in self.baseline],
        }

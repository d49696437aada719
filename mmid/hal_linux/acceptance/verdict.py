"""What a check of the acceptance test found."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check.

    Attributes:
        check: what was checked, in a word.
        passed: whether it may go to a customer.
        detail: why not; or, when it passed, what was found.
        measured: the numbers behind it, for the factory's statistics; a unit
            is part of a name.
    """

    check: str
    passed: bool
    detail: str
    measured: Mapping[str, int | float | str] = field(default_factory=dict)

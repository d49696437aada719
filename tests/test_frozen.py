"""What ``frozen`` makes, against what the standard decorator makes of the same class."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.frozen import frozen


class Base:
    """A base without fields."""

    kind: ClassVar[str] = "base"


def made_by(decorator: Callable[[Any], Any]) -> Any:
    """Return the same class, made by a decorator."""

    class Point(Base):
        """A point."""

        x: int
        y: int = 2
        notes: list[str] = field(default_factory=list)
        hidden: str = field(default="", repr=False)

        @property
        def sum(self) -> int:
            return self.x + self.y

    return decorator(Point)


def pair_made_by(decorator: Callable[[Any], Any]) -> Any:
    """Return a class of two fields, which ``frozen`` makes by a shorter way."""

    class Pair:
        x: int
        y: int = 2

    return decorator(Pair)


def bare_pair_made_by(decorator: Callable[[Any], Any]) -> Any:
    """Return one without a default."""

    class BarePair:
        x: int
        y: int

    return decorator(BarePair)


OURS, THEIRS = made_by(frozen), made_by(dataclass(frozen=True, slots=True))


@frozen
class Named:
    name: str


class Plain(Named):
    __slots__ = ()


@frozen
class Aged(Named):
    age: int = 0


@pytest.mark.parametrize("made", [made_by, pair_made_by, bare_pair_made_by])
@given(
    values=st.lists(st.integers(), max_size=6),
    named=st.dictionaries(st.sampled_from("xyz"), st.integers()),
)
def test_arguments_are_taken_as_the_standard_decorator_takes_them(
    made: Callable[[Any], Any], values: list[Any], named: dict[str, int]
) -> None:
    def outcome(kind: Any) -> object:
        try:
            return asdict(kind(*values, **named))
        except TypeError:
            return TypeError

    assert outcome(made(frozen)) == outcome(made(dataclass(frozen=True, slots=True)))


def test_it_prints_as_the_standard_one() -> None:
    assert repr(OURS(1, notes=["a"])) == repr(THEIRS(1, notes=["a"]))


def test_it_is_a_dataclass_to_all_that_asks() -> None:
    assert [one.name for one in fields(OURS)] == [one.name for one in fields(THEIRS)]
    assert asdict(replace(OURS(1), y=5)) == {"x": 1, "y": 5, "notes": [], "hidden": ""}
    match OURS(1, 4):
        case OURS(x, y):
            assert (x, y) == (1, 4)
    assert OURS(1, 4).sum == 5
    assert OURS.kind == "base"


def test_equal_is_what_has_the_same_class_and_values() -> None:
    assert Aged("a", 1) == Aged("a", 1)
    assert Aged("a", 1) != Aged("a", 2)
    assert Named("a") != Plain("a")
    assert Plain("a") == Plain("a")
    assert len({Aged("a"), Aged("a"), Named("a"), Plain("a")}) == 3


def test_nothing_of_it_can_be_changed() -> None:
    for one in (Named("a"), Plain("a"), Aged("a")):
        with pytest.raises(FrozenInstanceError):
            one.name = "b"  # type: ignore[misc]
        with pytest.raises(FrozenInstanceError):
            del one.name
        with pytest.raises(AttributeError):
            one.other = 1  # type: ignore[attr-defined]
        assert one.name == "a"


def test_a_default_that_is_made_is_made_for_each() -> None:
    assert OURS(1).notes is not OURS(1).notes


def test_a_class_without_fields_of_its_own_is_made_as_its_base() -> None:
    assert repr(Plain("a")) == "Plain(name='a')"
    assert repr(Aged("a")) == "Aged(name='a', age=0)"


def test_a_method_of_the_class_itself_stays() -> None:
    @frozen
    class Masked:
        secret: str

        def __repr__(self) -> str:
            return "***"

    assert repr(Masked("s")) == "***"


@pytest.mark.parametrize(
    ("values", "named", "complaint"),
    [
        ((), {}, "name is not given"),
        (("a", 1, 2), {}, "Aged has 2 fields, 3 were given"),
        (("a",), {"name": "b"}, "given twice: name"),
        (("a",), {"size": 1}, "no such field, or given twice: size"),
    ],
    ids=["missing", "too many", "twice", "unknown"],
)
def test_wrong_arguments_are_named(
    values: tuple[Any, ...], named: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(TypeError, match=complaint):
        Aged(*values, **named)

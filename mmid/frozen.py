"""Small immutable records: as ``@dataclass(frozen=True, slots=True)``, and made in no time.

The standard decorator writes six functions for each class as text and compiles
them: a third of a millisecond and 14 KiB, at every start. For the sixty of the
daemon that was a fifth of its start and a twentieth of its memory. Here they are
written once. All else is ``dataclasses``' own work: a class made here is a dataclass
to ``fields``, ``replace``, ``asdict``, ``match`` and the type checker.
"""

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

_Kind = TypeVar("_Kind", bound=type)
_Store = Callable[[Any, Any], None]


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(kind: _Kind) -> _Kind:
    """Make a class an immutable record of its annotated fields and those of its base.

    A class that adds no field needs no decorator: it is made, compares and prints as its
    base does. A method that the class has itself stays.
    """
    for method in (_repr, _eq, _hash, _setattr, _delattr):
        name = f"__{method.__name__[1:]}__"
        if name not in vars(kind):
            setattr(kind, name, method)
    made: Any = dataclass(init=False, repr=False, eq=False, slots=True)(kind)
    made.__init__ = _initializer(made)
    return made  # type: ignore[no-any-return]


def _initializer(kind: Any) -> Callable[..., None]:
    """Return the ``__init__`` of a class whose fields are known."""
    known = fields(kind)
    count, put = len(known), [getattr(kind, one.name).__set__ for one in known]
    # From ``least`` on every field has a default that is always the same.
    defaults = [one.default for one in known]
    least = max((place for place in range(count) if defaults[place] is MISSING), default=-1) + 1

    def __init__(self: Any, *given: Any, **named: Any) -> None:  # noqa: N807
        number = len(given)
        if named or not least <= number <= count:
            given = _bound(kind, known, given, named)
        elif number < count:
            given = (*given, *defaults[number:])
        for store, value in zip(put, given):  # noqa: B905 - as many; to see that costs a tenth
            store(self, value)

    def of_one_field(self: Any, *given: Any, **named: Any) -> None:
        if named or len(given) != 1:
            __init__(self, *given, **named)
        else:
            store_only(self, given[0])

    # Nearly all that is made while somebody talks has one field or two: it takes half as long.
    if count == 1:
        (store_only,) = put
        return of_one_field
    if count == 2:
        return _of_two_fields(put[0], put[1], defaults[1], __init__)
    return __init__ if count else object.__init__


def _of_two_fields(
    store_first: _Store, store_second: _Store, default: Any, any_way: Callable[..., None]
) -> Callable[..., None]:
    """Return an ``__init__`` that is quick if both values are known by their places."""

    def __init__(  # noqa: N807
        self: Any, first: Any = MISSING, second: Any = MISSING, /, *more: Any, **named: Any
    ) -> None:
        last = default if second is MISSING else second
        if first is MISSING or last is MISSING or more or named:
            given = [one for one in (first, second, *more) if one is not MISSING]
            any_way(self, *given, **named)
        else:
            store_first(self, first)
            store_second(self, last)

    return __init__


def _bound(
    kind: Any, known: tuple[Any, ...], given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, ...]:
    """Return the values of all fields in order, as any function takes its arguments."""
    if len(given) > len(known):
        raise TypeError(f"{kind.__qualname__} has {len(known)} fields, {len(given)} were given")
    values = {one.name: one.default for one in known[len(given) :]}
    if wrong := named.keys() - values.keys():
        raise TypeError(f"{kind.__qualname__}: no such field, or given twice: {', '.join(wrong)}")
    values.update(named)
    if MISSING in values.values():
        for one in known:
            if values.get(one.name) is MISSING:
                values[one.name] = _made(one)
    return (*given, *values.values())


def _made(one: Any) -> Any:
    if one.default_factory is MISSING:
        raise TypeError(f"{one.name} is not given")
    return one.default_factory()


def _repr(self: Any) -> str:
    shown = [one.name for one in fields(self) if one.repr]
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
    return f"{type(self).__qualname__}({values})"


def _eq(self: Any, other: Any) -> bool:
    if type(other) is not type(self):
        return NotImplemented  # type: ignore[no-any-return]
    return all(getattr(self, name) == getattr(other, name) for name in self.__match_args__)


def _hash(self: Any) -> int:
    return hash((type(self), *(getattr(self, name) for name in self.__match_args__)))


def _setattr(self: Any, name: str, value: object) -> NoReturn:  # noqa: ARG001
    raise FrozenInstanceError(f"{type(self).__qualname__}.{name} cannot be set")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__qualname__}.{name} cannot be deleted")

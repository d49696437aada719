"""Secrets that cannot be printed by accident.

Two fences: a secret value is carried in a ``Secret``, whose text is a mask;
and ``redact`` (the log's filter and every text for D-Bus go through it) masks
the value of every secret ever made, wherever a text came from.
"""

import re
from collections import OrderedDict

__all__ = ["MASK", "Secret", "redact"]

MASK = "***"

# Tokens are fetched anew every few minutes; the set must not grow for years.
# 64 keeps hours of old tokens, long after they can be replayed.
_KNOWN_LIMIT = 64
_known: OrderedDict[str, None] = OrderedDict()

# What is secret by its shape, even if nobody declared it: a bearer credential,
# and the API keys of the cloud (license section 1.4: ``sk-`` and its kind).
_SHAPES = re.compile(r"(Bearer\s+)[^\s\"',]+|\b((?:sk|st)-)[0-9A-Za-z_-]{8,}")

# A shorter value would mask innocent words; no real secret is that short.
_SHORTEST = 6


class Secret:
    """A value that prints as a mask. ``reveal`` is the one way to its text."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _SHORTEST:
            _known[value] = None
            _known.move_to_end(value)
            while len(_known) > _KNOWN_LIMIT:
                _known.popitem(last=False)

    def reveal(self) -> str:
        """The secret text, for the wire or the store and nothing else."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return f"Secret({MASK if self._value else ''})"

    __str__ = __repr__


def redact(text: str) -> str:
    """Return the text with every known secret, and all that looks like one, masked."""
    for value in _known:
        if value in text:
            text = text.replace(value, MASK)
    return _SHAPES.sub(lambda match: (match[1] or match[2]) + MASK, text)

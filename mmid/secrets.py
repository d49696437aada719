"""Secrets that cannot be printed by accident.

Two fences: a secret value is carried in a ``Secret``, whose text is a mask;
and ``redact`` (the log's last step, and every text for D-Bus goes through it)
masks the value of every secret, wherever a text came from.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from weakref import WeakValueDictionary

MASK = "***"

# A shorter value would mask innocent words; no real secret is that short.
_SHORTEST = 6

# What is written as %XX in the query of a URL; secrets are ASCII.
_NOT_IN_URLS = re.compile(r"[^0-9A-Za-z_.~-]")

# Of a URL, a user with a password (as proxies have) and the query: both may be secret. A match
# takes the whole URL, so a text of nothing but URLs is still read once.
_URL = re.compile(
    r"""\b((?:https?|wss?|socks\w*)://) ([^\s"'<>/?#]*@)? ([^\s"'<>?]*) (\?[^\s"'<>]*)?""",
    re.VERBOSE,
)

# What is secret by its shape, even if nobody declared it: a bearer credential,
# the API keys and tokens of the cloud (license section 1.4: ``sk-``, ``st-``),
# the quoted value of a key that is secret by its name, in JSON (also inside a
# JSON string) and in TOML, the user of a proxy that is no URL, and what a systemd
# unit gives away of our settings.
_SHAPES = re.compile(
    r"""
    (?P<bearer> Bearer\s+ ) [^\s"',]+
    | \b(?P<prefix> (?:sk|st)- ) [0-9A-Za-z_-]{8,}
    | (?P<key> (?i:app_?secret|device_?secret|api_?key|dash_?token|token_?key|signature)
        (?:\\?["'])? \s* [:=] \s* \\?["'] ) [^"'\\\s]+
    | (?P<unit> \b MMID_[A-Z]+__(?:[A-Z]+_)*(?:SECRET|KEY|HEADERS)= ["']?
        | \b SetCredential \s*=\s* \w+: )
        [^"'\r\n]+
    | (?P<proxy> (?i:_proxy) ["']? \s* [:=] \s* ["']? ) [^\s"'/]{1,200} (?=@)
    """,
    re.VERBOSE,
)


# Each of these shapes, and a URL, has one of these. What people say mostly has none, and to look
# for the shapes takes ten times as long: half a press's CPU for the texts of a turn.
_SUSPICIOUS = re.compile(r"[:=]|Bearer|s[kt]-")


class Secret:
    """A value that prints as a mask. ``reveal`` is the one way to its text."""

    __slots__ = ("__weakref__", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        if len(value) >= _SHORTEST:
            _living[id(self)] = self
            _recent.append(value)
            _state[0] = object()  # last: who sees it sees the secret, too

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


# A secret is known for as long as somebody holds it. Tokens are fetched anew
# every few minutes and let go: 64 of those keep hours of old ones, long after
# they can be replayed, and the set does not grow for years.
_living: WeakValueDictionary[int, Secret] = WeakValueDictionary()
_recent: deque[str] = deque(maxlen=64)
# Another one whenever there is a secret more.
_state = [object()]


def redact(text: str) -> str:
    """Return the text with every known secret, and all that looks like one, masked."""
    for value in _known(_state[0]):
        if value in text:
            text = text.replace(value, MASK)
    if _SUSPICIOUS.search(text) is None:
        return text
    return _SHAPES.sub(_mask, shown_url(text))


def shown_url(text: str) -> str:
    """Return a URL as it may be told, or a text with all its URLs so: no user, no query."""
    return _URL.sub(_mask_url, text)


@lru_cache(maxsize=1)
def _known(_: object) -> list[str]:
    """All values known in a state, longest first: one may be a part of another.

    One that nobody holds any more stays until the next is made. The copies are taken
    in one step each, because any thread may log.
    """
    living = [ref() for ref in _living.valuerefs()]
    values = {secret.reveal() for secret in living if secret is not None}
    forms = {form for value in values.union(tuple(_recent)) for form in _forms(value)}
    return sorted(forms, key=len, reverse=True)


def _forms(value: str) -> Iterator[str]:
    """A value as texts may have it: itself, in Python's and JSON's quotes, in a URL.

    Of several lines (HTTP headers) each is looked for by itself, what it gives its name, and
    of that the last word: the key of an ``Authorization`` without its scheme.
    """
    lines = value.splitlines()
    given = [line.partition(":")[2].strip() for line in lines]
    parts = [value, *lines, *given, *(one.rpartition(" ")[2] for one in given)]
    for part in parts:
        if len(part) >= _SHORTEST:
            yield part
            yield repr(part)[1:-1]
            yield json.dumps(part)[1:-1]
            yield _NOT_IN_URLS.sub(lambda match: f"%{ord(match[0]):02X}", part)


def _mask(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{MASK}"


def _mask_url(match: re.Match[str]) -> str:
    scheme, user, place, query = match.groups()
    return f"{scheme}{MASK + '@' if user else ''}{place}{'?' + MASK if query else ''}"


def masked(name: str) -> str:
    """Return a name as a log may have it: enough to tell two boards apart, not to be one."""
    return f"{name[:2]}{MASK}{name[-2:]}" if len(name) >= _SHORTEST else MASK


# What must not reach a terminal or forge a line: control characters but tab and newline. And the
# half characters that stand for bytes of a file's name which are no UTF-8: nothing can write them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_LONGEST_TEXT = 16384  # characters; a message of the cloud can be 1 MiB


def clean(text: str) -> str:
    """The text without secrets and control characters, and not endless.

    Secrets first: an escape in the middle of one would hide it from the search.
    """
    text = _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", redact(text))
    if len(text) > _LONGEST_TEXT:
        text = f"{text[:_LONGEST_TEXT]}... ({len(text)} characters)"
    return text

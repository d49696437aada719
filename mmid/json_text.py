"""The JSON of others, read and passed on so that nothing further on can stumble over it.

Of clouds, of relays, and of programs on D-Bus.
"""

import json
from math import isfinite
from typing import Any, NoReturn

# Deeper than any message of any cloud. Python 3.11 reads what is nested almost as deep as
# its own limit, and then fails to write it or to print it.
_DEEPEST = 32
_NESTS = (dict, list)
_LONG = 4096  # characters


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(number: str) -> float:
    value = float(number)
    if not isfinite(value):
        raise ValueError(f"{number[:20]} is no number")
    return value


# Python reads and writes NaN, Infinity and 1e999; whoever gets our JSON need not.
_DECODER = json.JSONDecoder(parse_constant=_no_json, parse_float=_finite)


def read_json(text: str) -> Any:
    """Return what a JSON text says.

    Raises:
        ValueError: it is not JSON, or is nested deeper than anything that a cloud means.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    # Few brackets cannot be deep: that saves most messages the walk. In a long one, which is
    # mostly base64, to count them would take longer.
    few = len(text) < _LONG and text.count("{") + text.count("[") <= _DEEPEST
    if not few and _deeper(value, _DEEPEST):
        raise ValueError("it is nested too deep")
    return value


def _deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, _NESTS):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(one, levels - 1) for one in inner)


def written(value: Any) -> str:
    """Return the JSON of a value, as short as it can be, in whole characters."""
    return whole(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def whole(text: str, *, goes_on: bool = False) -> str:
    """Join the halves of a character, and put U+FFFD for one that stays alone.

    JSON writes an emoji as two halves (a surrogate pair of UTF-16), and a cloud that cuts
    texts may send one without the other. D-Bus, the journal and files take neither.

    Args:
        text: what the cloud said.
        goes_on: more of it will come: a first half at the end is left out, the second may follow.
    """
    if text.isascii():
        return text
    if goes_on and "\ud800" <= text[-1:] <= "\udbff":
        text = text[:-1]
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text

"""JSON as clients send it: what no server could read, or send on, is none."""

import json
from typing import Any


def read_json(text: str | bytes) -> Any:
    """Return what a client's JSON says.

    Python reads half a surrogate pair, which is nothing in UTF-8: the journal could not be
    written then, nor an answer that repeats it.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or has a text that is no Unicode.
    """
    try:
        told = json.loads(text)
        json.dumps(told, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return told

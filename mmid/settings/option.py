"""How a key of the settings is declared, and the shapes that several keys have."""

from dataclasses import field
from typing import Any

__all__ = ["HEADERS", "HTTPS", "HTTPS_OR_EMPTY", "WSS", "option"]


def option(
    default: Any,
    help: str,  # noqa: A002 - it is the help text
    *,
    form: str = "",
    **limits: Any,
) -> Any:
    """Declare one key.

    Args:
        default: the value when no source sets the key.
        help: what it does, as mmid.toml(5) prints it.
        form: what the value must look like, in words; it goes with ``pattern``.
        limits: ``ge``, ``le``, ``max_length`` or ``pattern``, as pydantic names them.
    """
    return field(default=default, metadata={"help": help, "form": form, "limits": limits})


WSS = r"^wss://[^\s/]+(/\S*)?$"
HTTPS = r"^https://[^\s/]+(/\S*)?$"
# RFC 9110 section 5: a token, a colon, visible characters; a line each.
HEADERS = r"^((^|\n)[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ -~]*)*\n?$"
HTTPS_OR_EMPTY = r"^(https://[^\s/]+(/\S*)?)?$"

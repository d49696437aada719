"""What is known of one request while it is answered: audit line and metrics are made of it."""

import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]


@dataclass
class Trace:
    """One request.

    Attributes:
        request_id: ours; the device's log has it too.
        device: who asked, proven.
        claimed: who it says it is, by a token that is not good.
        result: ``ok``, ``refused`` by the vendor, or the name of a problem; ``cut-off`` by a stop.
        vendor_code: the vendor's code, if it gave one.
    """

    request_id: str = field(default_factory=lambda: secrets.token_hex(12))
    device: str = ""
    claimed: str = ""
    result: str = "ok"
    vendor_code: str = ""


def trace_of(scope: Scope) -> Trace:
    """Return the trace that ``Audit`` put into a request's scope."""
    trace: Trace = scope["state"]["trace"]
    return trace

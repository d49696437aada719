"""Asks a relay, the vendor's own server, for what a board must not make itself: JSON for JSON.

A short-lived child does it, which is this module run as a program: the resident daemon need
not hold an HTTP client. Question and answer go through pipes, because a command line is
readable by all and both hold secrets. An ``Access`` calls it, and knows what it asks for.
"""

import json
import math
import signal
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from mmid.child import Child, from_plain, python, to_plain
from mmid.errors import TABLE, CloudRefused, ConnectionLost, HttpFailed, MmidError
from mmid.json_text import read_json
from mmid.secrets import redact, shown_url
from mmid.session.license.messages import HttpsEndpoint
from mmid.session.license.reply_body import as_text, printable

# The child's start on the slowest board, and the network's time-outs.
_ANSWER_S = 30.0

# Time after its deadline at which the child ends even if its parent died.
_GRACE_S = 5

_ADVICE = "Check the relay's address in the settings, what its log says, and any proxy before it."

# Where a relay says in words what it did not like: a problem document, or the vendor's envelope.
_WORDS = ("detail", "title", "message")


# A clock that is off by more spoils what is good for minutes: a signature, a temporary key.
_SKEW_REFUSED_MS = 60_000

# However long a relay asks us to stay away, it is asked again after so long.
_LONGEST_RETRY_AFTER_S = 3600.0


class RelayRefused(CloudRefused):
    """The relay answered 401 or 403: it does not let this board in.

    Attributes:
        clock: its clock and ours are so far apart that this may be why.
    """

    clock = False


class RelayBusy(HttpFailed):
    """The relay says when to ask again (``Retry-After``).

    Attributes:
        wait_s: how long to wait, in seconds; at least 1, at most an hour.
    """

    wait_s = 1.0


class AskRelay(Protocol):
    """One question to a relay; see ``ask_relay``."""

    async def __call__(
        self, endpoint: HttpsEndpoint, body: Mapping[str, str | int]
    ) -> dict[str, Any]:
        """Send it and return the answer."""


async def ask_relay(
    endpoint: HttpsEndpoint, body: Mapping[str, str | int], *, timeout_s: float = _ANSWER_S
) -> dict[str, Any]:
    """Post JSON to a relay and return the object that it answers: bare, or in ``data``.

    An answer without a body is an empty object.

    Args:
        endpoint: the relay's, with what this board proves itself by.
        body: what it is asked.
        timeout_s: longest time for all of it, the child's start included.

    Raises:
        RelayRefused: it does not let this board in.
        RelayBusy: it wants to be asked later.
        ConnectionLost: no connection, or no answer in time.
        TlsFailed: its certificate or TLS is not acceptable.
        HttpFailed: its answer is no success, or no JSON object of at most 64 KiB.
        SettingsInvalid: our certificate, its key, the CA file or a proxy cannot be used.
    """
    where = f"The relay at {shown_url(endpoint.url)}"
    question = {"endpoint": to_plain(endpoint), "body": dict(body), "timeout_s": timeout_s}
    try:
        child = Child.run(python("-m", "mmid.session.relay"), json.dumps(question).encode())
    except OSError as error:  # memory or processes are short: that may pass
        raise HttpFailed(f"{where} could not be asked: {error.strerror}") from None
    ended = await child.finished(timeout_s)
    if ended.status is None:
        raise ConnectionLost(f"{where} gave no answer within {timeout_s:g} s")
    if ended.status:  # a broken installation or a killed process
        said = f"its process ended with status {ended.status}: {ended.last_words or 'no message'}"
        raise HttpFailed(f"{where} could not be asked, {said}")
    heard = json.loads(ended.output)
    if "failure" in heard:
        kind = next(kind for kind, facts in TABLE.items() if facts.code == heard["failure"])
        advice = heard["advice"] or (_ADVICE if kind is HttpFailed else "")
        raise kind(redact(heard["message"]), advice=advice)
    return judged(where, heard)


def judged(where: str, heard: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an answer holds, if it is a success; raise what it means if not.

    Args:
        where: the relay, as a sentence begins.
        heard: ``status``, ``text``, ``skew_ms`` (its clock minus ours; None: not told) and
            ``retry_after_s`` (None: not told) of the answer.
    """
    status: int = heard["status"]
    try:
        # No body (204): nothing more is to be said.
        held = read_json(heard["text"].removeprefix("\ufeff") or "{}")
    except ValueError:
        held = None
    answer = held if isinstance(held, dict) else {}
    words = next((answer[key] for key in _WORDS if isinstance(answer.get(key), str)), "")
    # A server may quote what it was sent, and with it a secret, which ``printable`` masks.
    told = f"HTTP {status}" + (f": {printable(words)}" if words else "")
    if status in {401, 403}:
        raise _refused(where, status, told, heard["skew_ms"] or 0)
    if not 200 <= status < 300 or held is not answer:
        what = "" if held is answer else ", and no JSON object"
        wait_s = heard["retry_after_s"]
        failed = (HttpFailed if wait_s is None else RelayBusy)(
            f"{where} answered {told}{what}", advice=_ADVICE
        )
        if isinstance(failed, RelayBusy):
            failed.wait_s = min(max(1.0, wait_s), _LONGEST_RETRY_AFTER_S)
        raise failed
    data = answer.get("data")
    return data if isinstance(data, dict) else answer


def _refused(where: str, status: int, told: str, skew_ms: int) -> RelayRefused:
    clock = abs(skew_ms) > _SKEW_REFUSED_MS
    off = f"; its clock is {skew_ms / 1000:+.0f} s from ours" if clock else ""
    advice = (
        "Check license.headers, or license.client_cert, and that the relay knows this board by "
        "its name."
    )
    if clock:
        advice = "Give the board its time (NTP or an RTC): mmid tries again when it was set."
    refused = RelayRefused(
        f"{where} does not let this board in ({told}{off})", str(status), advice=advice
    )
    refused.clock = clock
    return refused


def main() -> int:
    """Be the child: read the question from standard input, print what came of it."""
    from mmid.session.license.https_post import post  # noqa: PLC0415 - the daemon has none of it

    question = json.load(sys.stdin)
    endpoint, timeout_s = (
        from_plain(HttpsEndpoint, question["endpoint"]),
        float(question["timeout_s"]),
    )
    signal.alarm(math.ceil(timeout_s) + _GRACE_S)
    heard: dict[str, Any]
    try:
        response = post(endpoint, json.dumps(question["body"]).encode(), timeout_s)
        if response.cut is not None:
            raise response.cut
        heard = {
            "status": response.status,
            "text": as_text(response.body),
            "skew_ms": response.clock_skew_ms,
            "retry_after_s": response.retry_after_s,
        }
    except MmidError as error:
        heard = {"failure": error.facts.code, "message": str(error), "advice": error.advice}
    json.dump(heard, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

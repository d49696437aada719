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
from mmid.secrets import redact, shown_url
from mmid.session.dialects.json_text import read_json
from mmid.session.license.messages import Way
from mmid.session.license.reply_body import as_text, printable

# The child's start on the slowest board, and the network's time-outs.
_ANSWER_S = 30.0

# Time after its deadline at which the child ends even if its parent died.
_GRACE_S = 5

_ADVICE = "Check the relay's address in the settings, what its log says, and any proxy before it."

# Where a relay says in words what it did not like: a problem document, or the vendor's envelope.
_WORDS = ("detail", "title", "message")


class RelayRefused(CloudRefused):
    """The relay answered 401 or 403: it does not let this board in."""


class AskRelay(Protocol):
    """One question to a relay; see ``ask_relay``."""

    async def __call__(self, way: Way, body: Mapping[str, str]) -> dict[str, Any]:
        """Send it and return the answer."""


async def ask_relay(
    way: Way, body: Mapping[str, str], *, timeout_s: float = _ANSWER_S
) -> dict[str, Any]:
    """Post JSON to a relay and return the object that it answers: bare, or in ``data``.

    Args:
        way: to the relay, with what this board proves itself by.
        body: what it is asked.
        timeout_s: longest time for all of it, the child's start included.

    Raises:
        RelayRefused: it does not let this board in.
        ConnectionLost: no connection, or no answer in time.
        TlsFailed: its certificate or TLS is not acceptable.
        HttpFailed: its answer is no success, or no JSON object of at most 64 KiB.
        SettingsInvalid: our certificate, its key, the CA file or a proxy cannot be used.
    """
    where = f"The relay at {shown_url(way.url)}"
    question = {"way": to_plain(way), "body": dict(body), "timeout_s": timeout_s}
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
    return _judged(where, heard["status"], heard["text"])


def _judged(where: str, status: int, text: str) -> dict[str, Any]:
    """Return what an answer holds, if it is a success; raise what it means if not."""
    try:
        held = read_json(text.removeprefix("\ufeff"))
    except ValueError:
        held = None
    answer = held if isinstance(held, dict) else {}
    words = next((answer[key] for key in _WORDS if isinstance(answer.get(key), str)), "")
    # A server may quote what it was sent, and with it what must stay secret.
    told = f"HTTP {status}" + (f": {redact(printable(words))}" if words else "")
    if status in {401, 403}:
        raise RelayRefused(
            f"{where} does not let this board in ({told})",
            str(status),
            advice="Check license.headers, or license.client_cert, and that the relay knows "
            "this board by its name.",
        )
    if not 200 <= status < 300 or held is not answer:
        what = "" if held is answer else ", and no JSON object"
        raise HttpFailed(f"{where} answered {told}{what}", advice=_ADVICE)
    data = answer.get("data")
    return data if isinstance(data, dict) else answer


def main() -> int:
    """Be the child: read the question from standard input, print what came of it."""
    from mmid.session.license.https_post import post  # noqa: PLC0415 - the daemon has none of it

    question = json.load(sys.stdin)
    way, timeout_s = from_plain(Way, question["way"]), float(question["timeout_s"])
    signal.alarm(math.ceil(timeout_s) + _GRACE_S)
    heard: dict[str, Any]
    try:
        response = post(way, json.dumps(question["body"]).encode(), timeout_s)
        if response.cut is not None:
            raise response.cut
        heard = {"status": response.status, "text": as_text(response.body)}
    except MmidError as error:
        heard = {"failure": error.facts.code, "message": str(error), "advice": error.advice}
    json.dump(heard, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

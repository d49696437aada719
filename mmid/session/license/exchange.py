"""One request to the license service, done by a short-lived child process.

A device asks for a token a few times a day at most; for that the resident
daemon must not hold cryptography and an HTTP client (18 MiB on a board with
64). So a child, ``exchange_child``, is started for each request: one JSON
object in, one out, through pipes, because a command line is readable by all.
It is also a fence: a vendor's codec that crashes or hangs takes only the child
with it, and what the service answered before is not lost.
"""

import json
import signal
from typing import Any

from mmid.child import Child, Ended, python
from mmid.errors import (
    TABLE,
    ConnectionLost,
    HttpFailed,
    LicenseCodecFailed,
    MalformedMessage,
    MmidError,
    SettingsInvalid,
    TlsFailed,
)
from mmid.secrets import redact
from mmid.session.license.messages import (
    BUILT_IN,
    ExchangeReply,
    ExchangeRequest,
    ReplyNotOpened,
    ReplyNotUnderstood,
    Unopened,
    reply_from_plain,
)

_CHILD = "mmid.session.license.exchange_child"
_FAILURES: dict[str, type[MmidError]] = {
    TABLE[kind].code: kind
    for kind in (
        ConnectionLost,
        HttpFailed,
        LicenseCodecFailed,
        MalformedMessage,
        SettingsInvalid,
        TlsFailed,
    )
}
# What a program dies of that does what it must not; SIGKILL is the kernel short of memory.
_CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})


class _Heard:
    """What a child has printed; it counts even if the child did not end well."""

    def __init__(self, child: Ended) -> None:
        self.child = child
        # What follows the last line's end did not come whole.
        lines = child.output.split(b"\n")[:-1]
        self._lines: list[dict[str, Any]] = [json.loads(line) for line in lines]

    @property
    def stage(self) -> str:
        """What the child was at when it was heard last."""
        return next((str(line["stage"]) for line in reversed(self._lines) if "stage" in line), "")

    @property
    def answer(self) -> dict[str, Any] | None:
        """What came of it, if the child came so far."""
        return next((line for line in self._lines if line.keys() & {"reply", "failure"}), None)

    @property
    def unopened(self) -> Unopened | None:
        """The service's answer, if it came and is one that comes only once."""
        plain = next((line["unopened"] for line in self._lines if line.get("unopened")), None)
        return plain and Unopened.from_plain(plain)


async def exchange(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
    """Send one request to the license service and return what it answered.

    A refusal is an answer. After any error but a refusal it is not known
    whether the service carried the request out.

    Args:
        request: what to ask; its nonce must not have been sent before.
        timeout_s: longest time for all of it, the child's start included.

    Raises:
        ConnectionLost: no connection, or no answer in time.
        TlsFailed: the server's certificate or TLS is not acceptable.
        HttpFailed: the answer is not one of a license service (``ReplyNotUnderstood`` if it
            may be the one of a registration all the same).
        ReplyNotOpened: the answer is for somebody else or cannot be opened.
        LicenseCodecFailed: the vendor's codec crashed, hung or gave nonsense.
        SettingsInvalid: there is no codec, certificate or key where the settings say.
    """
    question = {"request": request.to_plain(), "timeout_s": timeout_s}
    try:
        # The question goes through a pipe: it holds the AppSecret and the API key.
        child = Child.run(python("-m", _CHILD), json.dumps(question).encode())
    except OSError as error:  # memory or processes are short: that may pass
        raise HttpFailed(f"The license request could not be made: {error}") from None
    heard = _Heard(await child.finished(timeout_s))
    if heard.child.status is None:
        raise _timed_out(request, heard, timeout_s)
    if heard.child.status or heard.answer is None:
        raise _crashed(request, heard)
    return _understand(heard.answer, heard.unopened)


def _timed_out(request: ExchangeRequest, heard: _Heard, timeout_s: float) -> MmidError:
    within = f"within {timeout_s:g} s"
    if heard.unopened is not None and request.codec == BUILT_IN:
        return ReplyNotOpened(f"the service's answer was not read {within}", heard.unopened)
    if heard.stage == "asking" or request.codec == BUILT_IN:
        return ConnectionLost(
            f"The license service gave no answer to the {request.kind} request {within}"
        )
    return _codec_failed(request, heard, f"did not end {within}")


def _crashed(request: ExchangeRequest, heard: _Heard) -> MmidError:
    """Return the error for a child that did not end well."""
    status = heard.child.status or 0
    if request.codec != BUILT_IN and (-status in _CRASHES or not status):
        how = f"crashed ({signal.Signals(-status).name})" if status else "ended the process"
        return _codec_failed(request, heard, how)
    # Not the service's fault, but a broken installation or a killed process.
    said = f"its process ended with status {status}: {heard.child.last_words or 'no message'}"
    if heard.unopened is not None:
        return ReplyNotOpened(said, heard.unopened)
    return HttpFailed(f"The license request could not be made, {said}")


def _codec_failed(request: ExchangeRequest, heard: _Heard, how: str) -> MmidError:
    """Return the error for a vendor's codec; an answer that comes only once goes with it."""
    if heard.unopened is not None:
        said = f"the license codec {request.codec} {how} over the service's answer"
        return ReplyNotOpened(said, heard.unopened)
    sent = "" if heard.stage == "opening" else "; nothing was sent"
    return LicenseCodecFailed(
        f"the license codec {request.codec} {how} over the {request.kind} request{sent}"
    )


def _understand(answer: dict[str, Any], unopened: Unopened | None) -> ExchangeReply:
    if "failure" not in answer:
        return reply_from_plain(answer)
    kind = _FAILURES.get(answer["failure"], HttpFailed)
    message = redact(answer["message"])
    if unopened is not None and kind is HttpFailed:
        raise ReplyNotUnderstood(message, unopened)
    opening = unopened is not None and kind not in {ConnectionLost, TlsFailed}
    if opening or kind is MalformedMessage:
        raise ReplyNotOpened(message, unopened)
    raise kind(message)

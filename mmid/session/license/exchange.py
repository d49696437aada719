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
from contextlib import suppress
from typing import Any

from mmid.child import Child, Ended, from_plain, python, to_plain
from mmid.errors import (
    TABLE,
    ConnectionLost,
    HttpFailed,
    LicenseCodecFailed,
    MalformedMessage,
    MmidError,
    TlsFailed,
)
from mmid.secrets import redact
from mmid.session.license.messages import (
    BUILT_IN,
    REPLIES,
    ExchangeReply,
    ExchangeRequest,
    ReplyNotOpened,
    ReplyNotUnderstood,
    Unopened,
)

_CHILD = "mmid.session.license.exchange_child"
# What a program dies of that does what it must not; SIGKILL is the kernel short of memory.
_CRASHES = frozenset({signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV})


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
    question = {"request": to_plain(request), "timeout_s": timeout_s}
    try:
        # The question goes through a pipe: it holds the AppSecret and the API key.
        child = Child.run(python("-m", _CHILD), json.dumps(question).encode())
    except OSError as error:  # memory or processes are short: that may pass
        raise HttpFailed(f"The license request could not be made: {error.strerror}") from None
    ended = await child.finished(timeout_s)
    heard = _heard(ended.output)
    unopened: Unopened | None = from_plain(Unopened, heard.get("unopened"))
    if ended.status is None:
        raise _timed_out(request, heard.get("stage", ""), unopened, timeout_s)
    if ended.status or not heard.keys() & {"reply", "failure"}:
        raise _crashed(request, heard.get("stage", ""), unopened, ended)
    if "failure" in heard:
        message, advice = redact(heard["message"]), heard.get("advice", "")
        raise _failed(heard["failure"], message, advice, unopened)
    reply: ExchangeReply = from_plain(REPLIES[heard["kind"]], heard["reply"])
    return reply


def _heard(output: bytes) -> dict[str, Any]:
    """Return what a child told, which counts even if it did not end well: each line adds to it.

    A vendor's library may write to whichever descriptor it finds open, ours too: what is no
    line of ours is passed over, and what follows the last line's end did not come whole.
    """
    heard: dict[str, Any] = {}
    for line in output.split(b"\n")[:-1]:
        with suppress(ValueError, RecursionError):
            told = json.loads(line)
            heard |= told if isinstance(told, dict) else {}
    return heard


def _timed_out(
    request: ExchangeRequest, stage: str, unopened: Unopened | None, timeout_s: float
) -> MmidError:
    within = f"within {timeout_s:g} s"
    if unopened is not None and request.codec == BUILT_IN:
        return ReplyNotOpened(f"the service's answer was not read {within}", unopened)
    if stage == "asking" or request.codec == BUILT_IN:
        return ConnectionLost(
            f"The license service gave no answer to the {request.kind} request {within}"
        )
    return _codec_failed(request, stage, unopened, f"did not end {within}")


def _crashed(
    request: ExchangeRequest, stage: str, unopened: Unopened | None, ended: Ended
) -> MmidError:
    """Return the error for a child that did not end well."""
    status = ended.status or 0
    if request.codec != BUILT_IN and (-status in _CRASHES or not status):
        how = f"crashed ({signal.Signals(-status).name})" if status else "ended the process"
        return _codec_failed(request, stage, unopened, how)
    # Not the service's fault, but a broken installation or a killed process.
    said = f"its process ended with status {status}: {ended.last_words or 'no message'}"
    if unopened is not None:
        return ReplyNotOpened(said, unopened)
    return HttpFailed(f"The license request could not be made, {said}")


def _codec_failed(
    request: ExchangeRequest, stage: str, unopened: Unopened | None, how: str
) -> MmidError:
    """Return the error for a vendor's codec; an answer that comes only once goes with it."""
    if unopened is not None:
        said = f"the license codec {request.codec} {how} over the service's answer"
        return ReplyNotOpened(said, unopened)
    over = {
        # A library may have threads of its own, so it can fail while we are on the network.
        "asking": f"beside the {request.kind} request, which may have been sent",
        "opening": f"over the answer to the {request.kind} request",
    }.get(stage, f"over the {request.kind} request; nothing was sent")
    return LicenseCodecFailed(f"the license codec {request.codec} {how} {over}")


def _failed(code: str, message: str, advice: str, unopened: Unopened | None) -> MmidError:
    """Return the error that the child met."""
    kind = next(kind for kind, facts in TABLE.items() if facts.code == code)
    if unopened is not None and kind is HttpFailed:
        return ReplyNotUnderstood(message, unopened)
    opening = unopened is not None and kind not in {ConnectionLost, TlsFailed}
    if opening or kind is MalformedMessage:
        return ReplyNotOpened(message, unopened)
    return kind(message, advice=advice)

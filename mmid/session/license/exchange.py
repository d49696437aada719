"""One request to the license service, done by a short-lived child process.

A device asks for a token a few times a day at most; for that the resident
daemon must not hold cryptography and an HTTP client (18 MiB on a board with
64). So a child, ``exchange_child``, is started for each request: one JSON
object in, one out, through pipes, because a command line is readable by all.
"""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import mmid
from mmid.errors import (
    TABLE,
    CloudError,
    ConnectionLost,
    HttpFailed,
    MalformedMessage,
    TlsFailed,
)
from mmid.redaction import redact
from mmid.session.license.messages import ExchangeReply, ExchangeRequest, reply_from_plain

__all__ = ["exchange"]

_CHILD = "mmid.session.license.exchange_child"
# Where the child is started, and so finds the same mmid as runs here.
_ROOT = Path(mmid.__file__).parents[1]
_FAILURES: dict[str, type[CloudError]] = {
    TABLE[kind].code: kind for kind in (ConnectionLost, HttpFailed, MalformedMessage, TlsFailed)
}


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
        HttpFailed: the answer is not one of a license service.
        MalformedMessage: the answer is for somebody else or cannot be opened.
    """
    question = {"request": request.to_plain(), "timeout_s": timeout_s}
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _ask_child(json.dumps(question).encode())
    except TimeoutError:
        raise ConnectionLost(
            f"The license service gave no answer to the {request.kind} request "
            f"within {timeout_s:g} s"
        ) from None
    return _understand(answer)


async def _ask_child(question: bytes) -> bytes:
    """Return what the child printed; it is dead and reaped when this ends, however it ends."""
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", _CHILD, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd=_ROOT
        )
    except OSError as error:  # memory or processes are short: that may pass
        raise HttpFailed(f"The license request could not be made: {error}") from None
    try:
        answer, complaint = await child.communicate(question)
    finally:
        await _end(child)
    if child.returncode:
        # Not the service's fault, but a broken installation or a killed process.
        last_line = (complaint.decode(errors="replace").strip() or "no message").splitlines()[-1]
        raise HttpFailed(
            f"The license request could not be made, its process ended with status "
            f"{child.returncode}: {redact(last_line)}"
        )
    return answer


async def _end(child: Process) -> None:
    if child.returncode is None:
        child.kill()
        await child.wait()


def _understand(answer: bytes) -> ExchangeReply:
    plain = json.loads(answer)
    if "failure" in plain:
        raise _FAILURES[plain["failure"]](redact(plain["message"]))
    return reply_from_plain(plain)

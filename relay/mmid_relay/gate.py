"""Before a request for a vendor is read by the application: who asks, how often, and how much.

Nothing of a body is looked at before its device has proven who it is, and one that has not
uses up nobody's limit.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmid_relay.audit import problem_response
from mmid_relay.devices import Doorkeeper, claimed_name
from mmid_relay.problems import Kind, Problem
from mmid_relay.quota import Quota
from mmid_relay.trace import Trace, trace_of

BODY_LIMIT = 16 * 1024
_BODY_S = 10.0
_MOST_BRACKETS = 16


class Gate:
    """ASGI middleware for what is under ``/v1/``.

    Args:
        app: what answers.
        doorkeeper: tells who asks.
        quota: counts it.
        paths: what there is under ``/v1/``.
    """

    def __init__(
        self, app: ASGIApp, *, doorkeeper: Doorkeeper, quota: Quota, paths: frozenset[str]
    ) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._quota = quota
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer why not."""
        guarded = scope["type"] == "http" and scope["path"].startswith("/v1/")
        # The router refuses another method, before it reads a body.
        if not guarded or (scope["method"] != "POST" and scope["path"] in self._paths):
            await self._app(scope, receive, send)
            return
        trace = trace_of(scope)
        try:
            self._check_path(scope["path"])
            await self._prove(scope, trace)
            _check_type(scope)
            body = await _read(receive)
            _check_depth(body)
        except Problem as problem:
            await problem_response(problem, trace)(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _check_path(self, path: str) -> None:
        """Refuse what is none of ours: the router takes one with a line feed after it, too."""
        if path not in self._paths:
            raise Problem(Kind.NOT_FOUND, "There is nothing at this path.")

    async def _prove(self, scope: Scope, trace: Trace) -> None:
        client = scope.get("client") or ("", 0)
        try:
            trace.device = self._doorkeeper.device(scope["headers"], client[0])
        except Problem:
            trace.claimed = claimed_name(scope["headers"])
            raise
        await self._quota.take(trace.device)


def _check_type(scope: Scope) -> None:
    headers = dict(scope["headers"])
    kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if kind != b"application/json":
        raise Problem(Kind.WRONG_TYPE, "The body's content type must be application/json.")
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise Problem(Kind.WRONG_TYPE, "The body must not be compressed.")


def _check_depth(body: bytes) -> None:
    """Refuse what is nested: each body is one flat object, and no value of it has a bracket."""
    if body.count(b"{") + body.count(b"[") > _MOST_BRACKETS:
        raise Problem(Kind.TOO_DEEP, "The body nests too deep: it must be one flat object.")


async def _read(receive: Receive) -> bytes:
    """Return the whole body."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(Kind.BAD_REQUEST, "The body ended too early.")
                body += message.get("body", b"")
                if len(body) > BODY_LIMIT:
                    raise Problem(Kind.TOO_LARGE, "The body is longer than 16 KiB.")
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise Problem(Kind.TOO_SLOW, "The body did not come within 10 s.") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that gives the body which was read, and then what comes after it."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again

"""Around all else: gives a request its id, answers what failed, counts it, writes its line."""

import asyncio
import json
import logging
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmid_relay.metrics import REQUESTS, code_label
from mmid_relay.problems import MEDIA_TYPE, Kind, Problem
from mmid_relay.trace import Trace

_log = logging.getLogger(__name__)

# Looked at by machines, all day.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


def problem_response(problem: Problem, trace: Trace) -> JSONResponse:
    """Return the answer to a request that is refused, and note it."""
    trace.result = problem.kind.slug
    return JSONResponse(
        problem.document(trace.request_id),
        problem.kind.status,
        problem.headers(),
        media_type=MEDIA_TYPE,
    )


class Audit:
    """ASGI middleware.

    Args:
        app: what answers.
        paths: the ones that are counted by their names; all others together.
        write: takes an audit line; standard output by default.
    """

    def __init__(
        self, app: ASGIApp, *, paths: frozenset[str], write: Callable[[str], object] | None = None
    ) -> None:
        self._app = app
        self._paths = paths
        self._write = write or _to_stdout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace, began, status = Trace(), time.monotonic(), 0
        scope.setdefault("state", {})["trace"] = trace

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", trace.request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except asyncio.CancelledError:
            trace.result = "cut-off"
            raise
        except Exception as error:  # noqa: BLE001 - the last place that can answer
            # Where, not what: an exception's text may quote a secret.
            place = "".join(traceback.format_tb(error.__traceback__))
            _log.error("request %s: %s\n%s", trace.request_id, type(error).__name__, place)
            failed = Problem(Kind.INTERNAL, "The relay failed; its log says where.")
            response = problem_response(failed, trace)
            if not status:
                await response(scope, receive, watch)
        finally:
            self._note(scope["path"], trace, status, time.monotonic() - began)

    def _note(self, path: str, trace: Trace, status: int, took_s: float) -> None:
        path = path if path in self._paths else "other"
        code = code_label(trace.vendor_code) if trace.vendor_code else ""
        REQUESTS.labels(path, trace.result, code).inc()
        if path in _QUIET:
            return
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "request_id": trace.request_id,
            "device": trace.device,
            "path": path,
            "status": status,
            "result": trace.result,
            "vendor_code": trace.vendor_code,
            "ms": round(took_s * 1000),
        }
        if trace.claimed:
            line["claimed"] = trace.claimed
        self._write(json.dumps(line))


def _to_stdout(line: str) -> None:
    try:
        print(line, flush=True)  # noqa: T201 - the audit log is standard output
    except OSError as error:
        sys.stderr.write(f"the audit log cannot be written: {type(error).__name__}\n")

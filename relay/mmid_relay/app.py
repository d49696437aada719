"""The application: puts the parts together, and decides in which order a request meets them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from mmid_relay import __version__, health, routes
from mmid_relay.answers import MemoryAnswers, SharedAnswers, connect
from mmid_relay.audit import Audit, problem_response
from mmid_relay.devices import Doorkeeper
from mmid_relay.gate import Gate
from mmid_relay.problems import Kind, Problem
from mmid_relay.quota import Quota
from mmid_relay.registrations import Registrations
from mmid_relay.relay import Relay
from mmid_relay.revocations import Revocations
from mmid_relay.settings import Settings
from mmid_relay.trace import trace_of
from mmid_relay.vendors.alibaba import LicenseApi
from mmid_relay.vendors.baidu import AgentApi
from mmid_relay.vendors.dashscope import KeyMint
from mmid_relay.vendors.upstream import Connections, Upstream

# A registration that still runs then has this long to keep what came of it.
_LAST_S = 1.0

_PATHS = routes.PATHS | health.PATHS | {"/openapi.json"}


def make_app(settings: Settings, *, audit: Callable[[str], object] | None = None) -> FastAPI:
    """Return the application.

    Args:
        settings: all of it.
        audit: takes an audit line; standard output by default.

    Raises:
        SettingsInvalid: a file that the settings name cannot be used.
    """
    connections = Connections(settings.server.ca_file)
    wait_s = settings.limits.vendor_timeout_s
    pool = connect(settings.limits.shared_store) if settings.limits.shared_store else None
    answers = SharedAnswers(pool, wait_s) if pool else MemoryAnswers()
    registrations = Registrations(answers)
    relay = Relay(registrations, *_vendors(settings, connections))
    doorkeeper = Doorkeeper(settings.server, settings.devices, Revocations(settings.devices))

    quota = Quota(settings.limits, pool)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        # The server has waited for all requests; this is for what it had to cut off after 20 s.
        await registrations.finish(_LAST_S)
        await connections.aclose()
        if pool:
            await pool.aclose()

    app = FastAPI(
        title="mmid-relay",
        description="Asks the clouds for what a voice device must not ask itself.",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(Audit, paths=_PATHS, write=audit),
            Middleware(Gate, doorkeeper=doorkeeper, quota=quota, paths=routes.PATHS),
        ],
    )
    app.exception_handler(Problem)(_answer_problem)
    app.exception_handler(HTTPException)(_answer_http)
    app.exception_handler(RequestValidationError)(_answer_invalid)
    app.state.relay = relay
    app.state.answers = answers
    app.include_router(routes.router)
    app.include_router(health.router)
    return app


def _vendors(
    settings: Settings, connections: Connections
) -> tuple[LicenseApi | None, KeyMint | None, AgentApi | None]:
    """Return the vendors that the settings name."""

    def upstream(name: str) -> Upstream:
        return Upstream(name, connections, settings.limits.vendor_timeout_s)

    alibaba, dashscope, baidu = settings.alibaba, settings.dashscope, settings.baidu
    return (
        LicenseApi(alibaba, upstream("alibaba")) if alibaba else None,
        KeyMint(dashscope, upstream("dashscope")) if dashscope else None,
        AgentApi(baidu, upstream("baidu")) if baidu else None,
    )


async def _answer_problem(request: Request, error: Problem) -> JSONResponse:
    return problem_response(error, trace_of(request.scope))


async def _answer_http(request: Request, error: HTTPException) -> JSONResponse:
    """Answer what the framework refuses."""
    if error.status_code == 404:
        problem = Problem(Kind.NOT_FOUND, "There is nothing at this path.")
    elif error.status_code == 405:
        problem = Problem(Kind.WRONG_METHOD, "This path is not asked with this method.")
    else:
        problem = Problem(Kind.NOT_JSON, "The body is no JSON.")
    response = problem_response(problem, trace_of(request.scope))
    response.headers.update(error.headers or {})
    return response


async def _answer_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    errors = error.errors()
    if any(one["type"] == "json_invalid" for one in errors):
        problem = Problem(Kind.NOT_JSON, "The body is no JSON.")
    else:
        problem = Problem(Kind.WRONG_FIELDS, _wrong_fields(errors))
    return problem_response(problem, trace_of(request.scope))


def _wrong_fields(errors: Any) -> str:
    """Say which fields are wrong, in a sentence; their values are not repeated."""
    words = []
    for one in errors[:5]:
        where = ".".join(str(part) for part in one["loc"][1:]) or "the body"
        words.append(f"{ascii(where[:40])[1:-1]}: {one['msg'][:120]}")
    return "; ".join(words) + "."

"""The paths that devices ask."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from mmid_relay.answers import Reply
from mmid_relay.bodies import (
    Envelope,
    Instance,
    InstanceRequest,
    QwenToken,
    QwenTokenRequest,
    RegisterRequest,
    Stopped,
    StopRequest,
    TokenRequest,
)
from mmid_relay.problems import MEDIA_TYPE, Kind, Problem
from mmid_relay.relay import Relay
from mmid_relay.trace import trace_of

_HOST = re.compile(r"[A-Za-z0-9.\-:\[\]]{1,255}")

router = APIRouter(prefix="/v1")


def _statuses(*vendors: int) -> dict[int | str, dict[str, Any]]:
    """Return what else a path may answer, for the OpenAPI document."""
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    envelope = {"application/json": {"schema": {"$ref": "#/components/schemas/Envelope"}}}
    statuses: dict[int | str, dict[str, Any]] = {}
    for kind in Kind:
        described = statuses.setdefault(int(kind.status), {"content": dict(problem)})
        names = described.get("description")
        described["description"] = f"{names}, {kind.slug}" if names else kind.slug
    for status in vendors:
        described = statuses.setdefault(status, {"description": "refused", "content": {}})
        described["content"] |= envelope
    return statuses


@router.post("/register", response_model=Envelope, responses=_statuses(400, 404, 429, 502, 503))
async def register(request: Request, asked: RegisterRequest) -> Response:
    """Register a device with Alibaba; once for each nonce."""
    device = _own(request, asked.device_name)
    return _answer(request, await _relay(request).register(device, asked))


@router.post("/token", response_model=Envelope, responses=_statuses(400, 404, 429, 502, 503))
async def token(request: Request, asked: TokenRequest) -> Response:
    """Get a token for one connection of a registered device."""
    _own(request, asked.device_name)
    return _answer(request, await _relay(request).token(asked))


@router.post("/qwen/token", response_model=QwenToken, responses=_statuses(502, 503))
async def qwen_token(request: Request, asked: QwenTokenRequest) -> Response:
    """Make a temporary key for one connection."""
    _own(request, asked.device_name)
    return _answer(request, await _relay(request).qwen_token())


@router.post("/baidu/instance", response_model=Instance, responses=_statuses(502, 503))
async def baidu_instance(request: Request, asked: InstanceRequest) -> Response:
    """Make an instance for one connection."""
    device = _own(request, asked.device_name)
    host = request.headers.get("host", "")
    # Devices ask over https, whatever the proxy in front makes of it.
    base_url = f"https://{host}" if _HOST.fullmatch(host) else ""
    return _answer(request, await _relay(request).baidu_instance(device, asked, base_url))


@router.post("/baidu/stop", response_model=Stopped, responses=_statuses(502, 503))
async def baidu_stop(
    request: Request,
    asked: StopRequest,
    proof: Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")],
) -> Response:
    """Stop an instance; ``stop_url`` of the answer that gave it holds the proof."""
    device = _own(request, asked.device_name)
    return _answer(request, await _relay(request).baidu_stop(device, asked, proof))


PATHS = frozenset(route.path for route in router.routes if isinstance(route, APIRoute))


def _relay(request: Request) -> Relay:
    relay: Relay = request.app.state.relay
    return relay


def _own(request: Request, name: str) -> str:
    """Return the device that asks; it speaks for nobody else."""
    device = trace_of(request.scope).device
    if name != device:
        raise Problem(Kind.WRONG_NAME, "A device may ask for itself only: deviceName is another's.")
    return device


def _answer(request: Request, reply: Reply) -> Response:
    trace = trace_of(request.scope)
    trace.result, trace.vendor_code = reply.result, reply.code
    headers = {"retry-after": str(reply.retry_after_s)} if reply.retry_after_s else None
    return JSONResponse(reply.body, reply.status, headers)

"""The paths that machines watch: health, readiness, metrics."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mmid_relay.answers import SharedAnswers
from mmid_relay.relay import Relay

router = APIRouter()

PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Tell that the process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "there is nobody to ask"}})
async def readyz(request: Request) -> Response:
    """Tell whether requests can be answered, and which vendor is away.

    One vendor that is away takes nothing from the others' devices: so the answer is 503 only
    if all are, or if the shared store is. A vendor is away until the next attempt is due.
    """
    relay: Relay = request.app.state.relay
    answers = request.app.state.answers
    vendors = {up.name: "away" if up.circuit.wait_s else "ok" for up in relay.upstreams}
    states: dict[str, Any] = {"vendors": vendors}
    store_ok = True
    if isinstance(answers, SharedAnswers):
        store_ok = await answers.ping()
        states["store"] = "ok" if store_ok else "away"
    ready = store_ok and "ok" in vendors.values()
    return JSONResponse({"ready": ready, **states}, 200 if ready else 503)


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Give Prometheus its numbers."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

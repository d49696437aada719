"""The child process of ``exchange``: does one HTTPS request and ends.

Reads one JSON object from standard input; prints what it is at, a line of JSON
each, and in the last line what came of it. Everything heavy is imported here, by the
request that needs it, and is gone with the process.
"""

import json
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mmid.child import from_plain, to_plain
from mmid.errors import HttpFailed, MalformedMessage, MmidError
from mmid.secrets import shown_url
from mmid.session.license.codec import compact
from mmid.session.license.messages import (
    BUILT_IN,
    ExchangeReply,
    ExchangeRequest,
    Kind,
    Refusal,
    Registration,
    TaskSignature,
    Token,
    Unopened,
)
from mmid.session.license.protocol import (
    envelope_data,
    open_reply,
    request_body,
    task_signature,
)
from mmid.session.license.reply_body import as_bytes, as_text, document, printable

if TYPE_CHECKING:
    from mmid.session.license.https_post import Response
    from mmid.session.license.vendor_codec import VendorCodec

# What of its time the network may take. An answer that is there is understood in the rest, also
# one whose end the server never sends: of a registration there is no other.
_NETWORK_SHARE = 0.75

# Time after its deadline at which the child ends even if its parent died.
_GRACE_S = 5

Tell = Callable[[Mapping[str, Any]], None]


class BuiltInCodec:
    """Our own reading of the license's messages; ``VendorCodec`` has the same methods."""

    def __init__(self, request: ExchangeRequest) -> None:
        self._request = request

    def request_body(self) -> bytes:
        """Return the request's JSON."""
        return compact(request_body(self._request))

    def unopened(self, body: bytes) -> Unopened:
        """Return an answer's body with all that is needed to open it in another process."""
        request = self._request
        return Unopened(
            request.identity.device_name,
            request.nonce,
            request.request_time_ms,
            as_text(body),
        )

    def open_reply(self, data: Mapping[str, Any]) -> Registration | Token:
        """Open and check the answer."""
        return open_reply(self._request, data)

    def task_signature(self) -> TaskSignature:
        """Return what goes into a dialog's first message."""
        return task_signature(self._request)


def main() -> int:
    """Read the request, print what came of it, and return the exit status."""
    question = json.load(sys.stdin)
    timeout_s = float(question["timeout_s"])
    # A vendor's library may hang where no Python code runs any more: the kernel ends it.
    signal.alarm(math.ceil(timeout_s) + _GRACE_S)
    tell = _private_output()
    try:
        request = from_plain(ExchangeRequest, question["request"])
        reply = answer(request, timeout_s * _NETWORK_SHARE, tell)
        tell({"kind": type(reply).__name__, "reply": to_plain(reply)})
    except MmidError as error:
        tell({"failure": error.facts.code, "message": str(error), "advice": error.advice})
    except Exception as error:  # noqa: BLE001 - a traceback would quote what we were asked
        message = f"The license request could not be made ({type(error).__name__})"
        tell({"failure": HttpFailed("").facts.code, "message": message})
    return 0


def answer(
    request: ExchangeRequest, timeout_s: float, tell: Tell = lambda _: None
) -> ExchangeReply:
    """Ask the license service, and understand what it says.

    Args:
        request: what to ask.
        timeout_s: of the network, as ``post`` takes it.
        tell: hears what is being done, and the answer before it is opened.

    Raises:
        ConnectionLost: no connection, or no answer in time.
        TlsFailed: the server's certificate or TLS is not acceptable.
        HttpFailed: the answer is not one of a license service.
        MalformedMessage: the answer is for somebody else or cannot be opened.
        LicenseCodecFailed: the vendor's codec failed or gave nonsense.
        SettingsInvalid: there is no codec, certificate or key where the settings say.
    """
    tell({"stage": "building"})
    codec = _codec(request)
    if request.kind is Kind.SIGN:
        return codec.task_signature()
    if request.unopened is not None:
        tell({"stage": "opening", "unopened": to_plain(request.unopened)})
        return _open(codec, partial(_kept_data, request.unopened))
    from mmid.session.license.https_post import post  # noqa: PLC0415 - to sign, nobody is asked

    body = codec.request_body()
    tell({"stage": "asking"})
    response = post(request.endpoint, body, timeout_s)
    # The answer to a registration comes once: the parent has it before anybody judges it.
    once = to_plain(codec.unopened(response.body)) if request.kind is Kind.REGISTER else None
    tell({"stage": "opening", "unopened": once})
    reply = _open(codec, partial(_data, request, response))
    return replace(reply, clock_skew_ms=response.clock_skew_ms)


def _codec(request: ExchangeRequest) -> "BuiltInCodec | VendorCodec":
    if request.codec == BUILT_IN:
        return BuiltInCodec(request)
    from mmid.session.license.vendor_codec import VendorCodec  # noqa: PLC0415 - only who names it

    return VendorCodec(request)


def _open(
    codec: "BuiltInCodec | VendorCodec", read: Callable[[], dict[str, Any] | Refusal]
) -> Registration | Token | Refusal:
    """Open what came; whatever it does to our own code, that is malformed input."""
    try:
        data = read()
        return data if isinstance(data, Refusal) else codec.open_reply(data)
    except MmidError:
        raise
    except Exception as error:  # noqa: BLE001 - the answer must not be lost in a traceback
        # Only the kind: the text of a library's exception may quote the answer.
        raise MalformedMessage(
            f"The license reply cannot be read ({type(error).__name__})"
        ) from None


def _kept_data(kept: Unopened) -> dict[str, Any]:
    """Return the answer in a body that an earlier process could not open."""
    try:
        data = envelope_data(document(as_bytes(kept.data)))
    except (ValueError, RecursionError, MalformedMessage):
        raise HttpFailed("The kept answer to the registration is not understood") from None
    if isinstance(data, Refusal):
        raise HttpFailed(f"The kept answer to the registration is a refusal, {data.code}")
    return data


def _data(request: ExchangeRequest, response: "Response") -> dict[str, Any] | Refusal:
    """Return the answer in a response, or the service's refusal."""
    where = (
        f"The license service at {shown_url(request.endpoint.url)} answered HTTP {response.status}"
    )
    try:
        data = envelope_data(document(response.body, response.charset))
    except (ValueError, RecursionError):
        if response.cut is not None:
            raise response.cut from None
        raise HttpFailed(f"{where} with a body that is not JSON") from None
    except MalformedMessage as error:
        raise HttpFailed(f"{where}: {error}") from None
    if isinstance(data, Refusal) and _from_service(response, data):
        request_id = data.request_id or printable(response.headers.get("x-request-id", ""))
        return replace(data, request_id=request_id)
    if isinstance(data, Refusal):
        raise HttpFailed(f"{where}: {data.code} {data.message}")
    if not response.succeeded:
        raise HttpFailed(where)
    return data


def _from_service(response: "Response", refusal: Refusal) -> bool:
    """Tell a refusal from a gateway's words of the same shape: its codes have not 6 digits."""
    return response.succeeded or bool(re.fullmatch(r"[0-9]{6}", refusal.code))


def _private_output() -> Tell:
    """Keep standard output for us: a vendor's library prints secrets to both outputs."""
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    complaints = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(complaints, "w", encoding="utf-8", buffering=1)

    def tell(news: Mapping[str, Any]) -> None:
        with suppress(BrokenPipeError):  # nobody listens any more: we end soon
            print(json.dumps(news), file=ours, flush=True)

    return tell


if __name__ == "__main__":
    # At once: a vendor's library may have destructors, and what they do is nobody's wish.
    os._exit(main())

"""A relay that is asked over TLS, by the child: what it answers, and what that means."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import ConnectionLost, HttpFailed, SettingsInvalid, TlsFailed
from mmid.secrets import Secret
from mmid.session.license.messages import BODY_LIMIT, HttpsEndpoint
from mmid.session.relay import RelayBusy, RelayRefused, ask_relay, judged
from mmid.simcloud.core.certificates import Certificates
from tests.rig.client_certificate import make_client_certificate
from tests.session.doubles import peer

WHERE = "The relay at https://relay.example/"
QUESTION = {"deviceName": "kitchen"}
HEADERS = Secret("Authorization: Bearer kitchen.1.0123456789abcdef")


class Relay:
    """Answers every request alike, and keeps its head and body."""

    def __init__(self, status: int = 200, body: bytes = b"{}", *, head: str = "") -> None:
        lines = [f"HTTP/1.1 {status} So", f"Content-Length: {len(body)}", *head.split("\n")]
        self._answer = "\r\n".join(filter(None, lines)).encode() + b"\r\n\r\n" + body
        self.heads: list[str] = []
        self.bodies: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        self.bodies.append(await reader.readexactly(len(json.dumps(QUESTION))))
        writer.write(self._answer)


@asynccontextmanager
async def https_endpoint(relay: Relay, certificates: Certificates) -> AsyncIterator[HttpsEndpoint]:
    async with peer(relay.serve, certificates.server_context()) as port:
        url = f"https://localhost:{port}/v1/key?tenant=4711"
        yield HttpsEndpoint(url, str(certificates.ca_file), HEADERS, whose="relay")


def heard(status: int, text: str = "{}", **more: Any) -> dict[str, Any]:
    """Return what the child prints of an answer."""
    return {"status": status, "text": text, "skew_ms": None, "retry_after_s": None, **more}


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "st-1", "expires_at": 7}',
        '{"code": 200, "data": {"token": "st-1", "expires_at": 7}}',
        '\ufeff{"token": "st-1", "expires_at": 7, "data": null}',
    ],
)
def test_the_object_in_the_answer_comes_back_bare(text: str) -> None:
    answer = judged(WHERE, heard(200, text))
    assert (answer["token"], answer["expires_at"]) == ("st-1", 7)


def test_a_success_without_a_body_is_an_answer_that_says_no_more() -> None:
    assert judged(WHERE, heard(204, "")) == {}


async def test_a_question_goes_as_json_with_what_the_board_proves_itself_by(
    certificates: Certificates,
) -> None:
    relay = Relay(200, b'\xef\xbb\xbf{"token": "st-1"}')
    async with https_endpoint(relay, certificates) as endpoint:
        assert await ask_relay(endpoint, QUESTION) == {"token": "st-1"}
    assert json.loads(relay.bodies[0]) == QUESTION
    (head,) = relay.heads
    assert head.startswith("POST /v1/key?tenant=4711 HTTP/1.1\r\n")
    assert HEADERS.reveal() in head
    assert "Content-Type: application/json" in head


async def test_a_board_that_is_not_let_in_is_refused_in_the_relays_words_without_secrets(
    certificates: Certificates,
) -> None:
    body = {"title": "Forbidden", "detail": f"I do not know\n{HEADERS.reveal()}"}
    async with https_endpoint(Relay(403, json.dumps(body).encode()), certificates) as endpoint:
        with pytest.raises(RelayRefused, match="HTTP 403: I do not know ") as caught:
            await ask_relay(endpoint, QUESTION)
    assert caught.value.code == "403"
    assert "license.headers" in caught.value.remedy
    for secret in ("0123456789abcdef", "4711"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("skew_ms", "clock"), [(None, False), (59_000, False), (-59_000, False), (-7_200_000, True)]
)
def test_a_refusal_says_whether_the_clocks_are_far_apart(
    status: int, skew_ms: int | None, *, clock: bool
) -> None:
    with pytest.raises(RelayRefused) as caught:
        judged(WHERE, heard(status, skew_ms=skew_ms))
    assert caught.value.clock is clock
    assert ("-7200 s from ours" in str(caught.value)) is clock
    assert ("NTP" in caught.value.remedy) is clock


def test_a_secret_that_is_cut_in_two_is_masked_all_the_same() -> None:
    key = Secret("swordfish-0815")
    words = json.dumps({"detail": "so " * 97 + key.reveal()})
    with pytest.raises(RelayRefused) as caught:
        judged(WHERE, heard(403, words))
    assert "so ***)" in str(caught.value)


@pytest.mark.parametrize(
    ("status", "text", "told"),
    [
        (500, "{}", "HTTP 500"),
        (429, '{"message": "slowly"}', "HTTP 429: slowly"),
        (200, "<html>", "no JSON object"),
        (200, "[1]", "no JSON object"),
        (200, '{"expires_at": NaN}', "no JSON object"),
        (200, "[" * 50_000, "no JSON object"),
        (200, '{"data":' * 900 + "1" + "}" * 900, "no JSON object"),
        (200, "base64://57", "no JSON object"),  # bytes that are no text
    ],
)
def test_any_other_answer_is_told_as_one_outside_the_protocol(
    status: int, text: str, told: str
) -> None:
    with pytest.raises(HttpFailed, match=told) as caught:
        judged(WHERE, heard(status, text))
    assert not isinstance(caught.value, RelayBusy)
    assert str(caught.value).startswith(WHERE)
    assert "relay's address" in caught.value.remedy


@pytest.mark.parametrize(("asked_s", "waited_s"), [(0, 1), (7, 7), (1e9, 3600)])
def test_a_relay_that_wants_to_be_asked_later_is_within_reason(
    asked_s: float, waited_s: float
) -> None:
    with pytest.raises(RelayBusy, match="HTTP 503") as caught:
        judged(WHERE, heard(503, retry_after_s=asked_s))
    assert caught.value.wait_s == waited_s


@pytest.mark.parametrize(
    ("relay", "told"),
    [
        (Relay(302, head="Location: https://elsewhere.example/"), "HTTP 302"),
        (Relay(200, b"\xff\xfe{"), "no JSON object"),
        (Relay(200, b" " * (BODY_LIMIT + 1)), f"more than {BODY_LIMIT} bytes"),
        (Relay(429, head="Retry-After: 7"), "HTTP 429"),
    ],
)
async def test_an_odd_answer_comes_through_the_child(
    certificates: Certificates, relay: Relay, told: str
) -> None:
    async with https_endpoint(relay, certificates) as endpoint:
        with pytest.raises(HttpFailed, match=told) as caught:
            await ask_relay(endpoint, QUESTION)
    assert str(caught.value).startswith("The relay at https://localhost:")
    assert len(relay.heads) == 1  # a redirect is not followed
    assert isinstance(caught.value, RelayBusy) is (told == "HTTP 429")


async def test_a_relay_that_says_nothing_is_given_up_in_time(certificates: Certificates) -> None:
    gone = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        gone.set()

    async with peer(wait, certificates.server_context()) as port:
        endpoint = HttpsEndpoint(
            f"https://localhost:{port}/", str(certificates.ca_file), whose="relay"
        )
        with pytest.raises(ConnectionLost, match=r"relay.*(within|timed out)"):
            await ask_relay(endpoint, QUESTION, timeout_s=1.5)
        await asyncio.wait_for(gone.wait(), 10)  # no child is left behind


async def test_who_is_cancelled_leaves_no_child_behind(certificates: Certificates) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def wait(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        try:
            await reader.read(-1)
        finally:
            gone.set()

    async with peer(wait, certificates.server_context()) as port:
        endpoint = HttpsEndpoint(
            f"https://localhost:{port}/", str(certificates.ca_file), whose="relay"
        )
        asking = asyncio.create_task(ask_relay(endpoint, QUESTION))
        await asyncio.wait_for(asked.wait(), 20)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(gone.wait(), 10)


async def test_the_way_there_may_fail_in_ways_that_are_told_apart(
    certificates: Certificates,
) -> None:
    async with https_endpoint(Relay(), certificates) as endpoint:
        with pytest.raises(TlsFailed, match="The relay at"):
            await ask_relay(HttpsEndpoint(endpoint.url, whose="relay"), QUESTION)
        lost = HttpsEndpoint(
            endpoint.url, endpoint.ca_file, client_cert="/nowhere/board.pem", whose="relay"
        )
        with pytest.raises(SettingsInvalid, match="client_cert"):
            await ask_relay(lost, QUESTION)
    with pytest.raises(ConnectionLost, match="The relay at"):
        await ask_relay(endpoint, QUESTION)


async def test_a_client_certificate_is_shown(certificates: Certificates, tmp_path: Path) -> None:
    device = make_client_certificate(tmp_path)
    context = certificates.server_context()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(device.certificate_file)
    relay = Relay(200, b'{"token": "st-1"}')
    async with peer(relay.serve, context) as port:
        endpoint = HttpsEndpoint(
            f"https://localhost:{port}/",
            str(certificates.ca_file),
            client_cert=str(device.certificate_file),
            client_key=str(device.key_file),
            whose="relay",
        )
        assert await ask_relay(endpoint, QUESTION) == {"token": "st-1"}

"""The answer to a registration comes once: what a relay makes of it is understood, or kept."""

import gzip
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from mmid.errors import ConnectionLost, HttpFailed
from mmid.secrets import Secret
from mmid.session.license.codec import Context, Message, seal
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    Registration,
    ReplyNotOpened,
    ReplyNotUnderstood,
    Unopened,
)
from mmid.session.license.reply_body import as_bytes, as_text
from mmid.simcloud.core.certificates import Certificates, make_certificates
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import PENDING, boot, stored
from tests.session.license.test_exchange import AMPLE_S, DEVICE, request, says, server

SECRET = "0f" * 16
REPLY_NONCE = "ab" * 13
TIME_MS = "1795132800000"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


def answer_to(asked: ExchangeRequest, time_ms: str = TIME_MS, **further: str) -> bytes:
    """Return the envelope that the service answers a registration with."""
    context = Context(
        Message.REGISTER_REPLY, DEVICE, asked.nonce, reply_nonce=REPLY_NONCE, time_ms=time_ms
    )
    named = {"appId": DEVICE.app_id, "deviceName": DEVICE.device_name}
    signature = seal(context, {**named, "deviceSecret": SECRET})
    data = {**named, "nonce": REPLY_NONCE, "responseTime": time_ms, "signature": signature}
    return json.dumps({"success": True, "code": "200", "data": {**data, **further}}).encode()


def http(body: bytes, head: str = "", status: str = "200 OK", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{head}\r\n".encode() + body


async def told(certificates: Certificates, asked: ExchangeRequest, answer: bytes) -> ExchangeReply:
    """Return what comes of this answer."""
    async with server(says(answer), certificates) as address:
        endpoint = request(f"https://{address}", certificates.ca_file).endpoint
        return await exchange(replace(asked, endpoint=endpoint), timeout_s=AMPLE_S)


@pytest.fixture
def asked() -> ExchangeRequest:
    return request("https://127.0.0.1", "")


def chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + f"{len(body):x}\r\n".encode() + body + b"\r\n"


GZIPPED = "Content-Encoding: gzip\r\n"
ODD: dict[str, Callable[[bytes], bytes]] = {
    "201": lambda body: http(body, status="201 Created"),
    "gzip": lambda body: http(gzip.compress(body), GZIPPED),
    "gzip that nobody names": lambda body: http(gzip.compress(body)),
    "gzip without its end": lambda body: http(gzip.compress(body)[:-8], GZIPPED),
    "deflate": lambda body: http(zlib.compress(body), "Content-Encoding: deflate\r\n"),
    "encoded twice": lambda body: http(json.dumps(body.decode()).encode()),
    "data in a string": lambda body: http(
        json.dumps({"success": "true", "data": json.dumps(json.loads(body)["data"])}).encode()
    ),
    "names as in Python": lambda body: http(
        re.sub(rb'"(\w+)":', lambda at: re.sub(rb"[A-Z]", rb"_\g<0>", at[0]).lower(), body)
    ),
    "byte order mark": lambda body: http(b"\xef\xbb\xbf" + body),
    "UTF-16": lambda body: http(body.decode().encode("utf-16"), "Content-Type: a/b\r\n"),
    "charset": lambda body: http(
        body[:-1] + ',"message":"成功"}'.encode("gbk"), "Content-Type: a/b; charset=GBK\r\n"
    ),
    "unknown charset": lambda body: http(
        body[:-1] + ',"message":"成功"}'.encode("gbk"), "Content-Type: a/b; charset=klingon\r\n"
    ),
    "no last chunk": chunked,
    "longer Content-Length": lambda body: http(body, length=len(body) + 7),
    "year 9999999": lambda body: http(body, "Date: Sat, 01 Jan 9999999 00:00:00 GMT\r\n"),
    "year 9999": lambda body: http(body, "Date: Fri, 31 Dec 9999 23:59:59 -2359\r\n"),
    "clock of a far year": lambda body: http(body, "req-arrive-time: 9999999999999\r\n"),
    "half an emoji": lambda body: http(body[:-1] + rb',"message":"\ud83d"}'),
}


@pytest.mark.parametrize("odd", ODD)
async def test_what_a_decent_relay_makes_of_the_answer_is_understood(
    certificates: Certificates, asked: ExchangeRequest, odd: str
) -> None:
    reply = await told(certificates, asked, ODD[odd](answer_to(asked)))
    assert isinstance(reply, Registration)
    assert reply.device_secret == Secret(SECRET)
    assert reply.clock_skew_ms is None


async def test_half_an_emoji_beside_the_signature_is_no_damage(
    certificates: Certificates, asked: ExchangeRequest
) -> None:
    reply = await told(certificates, asked, http(answer_to(asked, note="\ud83d")))
    assert isinstance(reply, Registration)


@pytest.mark.parametrize("status", ["200 OK", "500 Oh"])
@pytest.mark.parametrize("body", [b'{"signature": 1}', b'{"x":"signature"', b"\xff\xfe\x00"])
async def test_an_answer_that_is_not_understood_comes_along_as_it_came(
    certificates: Certificates, asked: ExchangeRequest, status: str, body: bytes
) -> None:
    with pytest.raises(ReplyNotUnderstood) as caught:
        await told(certificates, asked, http(body, status=status))
    assert as_bytes(caught.value.unopened.data) == body
    assert caught.value.unopened.nonce == asked.nonce


async def test_a_good_answer_with_the_status_of_a_failure_is_opened_at_the_next_start(
    certificates: Certificates, asked: ExchangeRequest
) -> None:
    with pytest.raises(ReplyNotUnderstood, match="HTTP 500") as caught:
        await told(certificates, asked, http(answer_to(asked), status="500 Oh"))
    reply = await exchange(replace(asked, unopened=caught.value.unopened), timeout_s=AMPLE_S)
    assert isinstance(reply, Registration)
    assert reply.device_secret == Secret(SECRET)


@pytest.mark.parametrize("time_ms", ["1", "999999999999999", "0946684799999", "4102444800000"])
async def test_a_time_that_no_clock_shows_is_malformed_and_the_answer_comes_along(
    certificates: Certificates, asked: ExchangeRequest, time_ms: str
) -> None:
    body = answer_to(asked, time_ms)
    with pytest.raises(ReplyNotOpened, match="responseTime") as caught:
        await told(certificates, asked, http(body))
    assert caught.value.unopened is not None
    assert as_bytes(caught.value.unopened.data) == body


async def test_json_of_many_levels_is_an_answer_outside_the_protocol(
    certificates: Certificates, asked: ExchangeRequest
) -> None:
    deep = b'{"signature":' + b"[" * 60_000
    with pytest.raises(HttpFailed, match="not JSON"):
        await told(certificates, asked, http(deep))


async def test_a_body_that_was_cut_before_its_json_is_whole_is_a_lost_connection(
    certificates: Certificates, asked: ExchangeRequest
) -> None:
    body = answer_to(asked)
    with pytest.raises(ConnectionLost, match="closed early"):
        await told(certificates, asked, http(body[:-9], length=len(body)))


@pytest.mark.parametrize(
    "body", [b"{}", "é".encode(), b"\xff", b"\xed\xa0\x80", b"\x1f\x8bno", b"xyz"]
)
def test_a_body_kept_as_text_is_the_same_when_it_is_read_again(body: bytes) -> None:
    assert as_bytes(as_text(body)) == body


def test_a_small_body_that_unpacks_without_end_is_bounded() -> None:
    assert len(as_text(gzip.compress(bytes(1 << 24)))) == 1 << 16


def not_understood(data: str) -> ReplyNotUnderstood:
    return ReplyNotUnderstood("no answer", Unopened("board1", "ef" * 13, 7, data))


async def test_what_is_not_understood_is_kept_once_and_asked_again() -> None:
    first, second = '"{\\"signature\\":1}"', '{"signature":2}'
    store, pages = MemoryStore(), [not_understood(data) for data in ("<html>", first, second)]
    parts = await boot(LicenseDesk(*pages), store)
    for _ in pages:
        with pytest.raises(ReplyNotUnderstood):
            await parts.access.credential()
    kept = stored(store).unopened
    assert kept is not None
    assert kept.data == first
    assert len(store.saved) == 2, "the pending registration, and the answer"


async def test_what_is_kept_and_not_understood_does_not_stand_in_the_way() -> None:
    kept = Unopened("board1", "ef" * 13, 7, '{"signature":1}')
    store = MemoryStore(replace(PENDING, unopened=kept).encode())
    desk = LicenseDesk(HttpFailed("not understood"), registration(), token())
    await (await boot(desk, store)).access.credential()
    assert [one.unopened for one in desk.requests] == [kept, None, None]
    assert (stored(store).registered, stored(store).unopened) == (True, None)


async def test_a_header_that_cannot_be_sent_is_not_quoted(
    certificates: Certificates, asked: ExchangeRequest
) -> None:
    endpoint = request("https://127.0.0.1:9", certificates.ca_file).endpoint
    async with server(says(b""), certificates) as address:
        endpoint = replace(
            endpoint, url=f"https://{address}", headers=Secret("X-Key: swordfish\u4f60")
        )
        with pytest.raises(HttpFailed, match="header is wrong") as caught:
            await exchange(replace(asked, endpoint=endpoint), timeout_s=AMPLE_S)
    assert "swordfish" not in repr(caught.value)
    assert "4f60" not in ascii(caught.value)

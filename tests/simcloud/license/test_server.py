"""simcloud's license service is as strict as the real one, in its words and its forms."""

import json
import re
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import StorageFailed
from mmid.secrets import Secret
from mmid.session.license.codec import Context, Message, compact, seal
from mmid.session.license.messages import (
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    Registration,
    Token,
    make_nonce,
)
from mmid.session.license.protocol import open_reply, request_body
from mmid.simcloud.core.certificates import Certificates, make_certificates
from mmid.simcloud.core.product import Product
from mmid.simcloud.license.server import PATHS
from tests.simcloud.license.serving import ServedLicense, serving

PATH_OF = {kind: path for path, kind in PATHS.items()}
WAIT_S = 10.0
PRODUCT = Product(
    app_id="mm_0123456789abcdef0123456789ab",
    app_secret=Secret("00112233445566778899aabbccddeeff"),
    api_key=Secret("sk-0123456789abcdef0123456789abcdef"),
    workspace_id="llm-0123456789abcdef",
)
BOARD = Identity(PRODUCT.app_id, PRODUCT.app_secret, "board1")


@dataclass
class Answer:
    """What came back over HTTP."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def code(self) -> int:
        code: int = self.document["code"]
        return code


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def service(certificates: Certificates) -> Iterator[ServedLicense]:
    with serving(PRODUCT, certificates) as service:
        yield service


@pytest.fixture
def client(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.ca_file)


def send(
    service: ServedLicense, client: ssl.SSLContext, path: str, body: bytes, **headers: str
) -> Answer:
    request = urllib.request.Request(  # noqa: S310 - the service's own URL
        service.url + path, body, {"Content-Type": "application/json"} | headers
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=client)
    )
    try:
        with opener.open(request, timeout=WAIT_S) as response:
            return Answer(response.status, dict(response.headers), response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.status or 0, dict(error.headers), error.read())


def request(kind: Kind, device: Identity = BOARD, **changes: Any) -> ExchangeRequest:
    now_ms = time.time_ns() // 1_000_000
    asked = ExchangeRequest(kind, HttpsEndpoint(""), device, make_nonce(), now_ms, PRODUCT.api_key)
    return replace(asked, **changes)


def ask(service: ServedLicense, client: ssl.SSLContext, asked: ExchangeRequest) -> Answer:
    return send(service, client, PATH_OF[asked.kind], compact(request_body(asked)))


def register(service: ServedLicense, client: ssl.SSLContext, device: Identity = BOARD) -> Identity:
    asked = request(Kind.REGISTER, device)
    registration = open_reply(asked, ask(service, client, asked).document["data"])
    assert isinstance(registration, Registration)
    return replace(device, device_secret=registration.device_secret)


def token_of(service: ServedLicense, client: ssl.SSLContext, device: Identity) -> Token:
    asked = request(Kind.TOKEN, device)
    token = open_reply(asked, ask(service, client, asked).document["data"])
    assert isinstance(token, Token)
    return token


def test_a_registration_has_the_real_service_s_form(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    answer = ask(service, client, request(Kind.REGISTER))
    assert list(answer.document) == [
        "code", "success", "message", "localizedMsg", "data", "requestId",
    ]  # fmt: skip
    data = answer.document["data"]
    assert list(data) == ["nonce", "responseTime", "appId", "deviceName", "signature"]
    # Name and AppId together have 37 characters, as in the vendor's log of this reply.
    assert len(compact(data)) == 376
    assert len(answer.body) == 376 + 114
    assert answer.headers["transfer-encoding"] == "chunked"
    for name in ("req-arrive-time", "resp-start-time"):
        assert re.fullmatch("[0-9]{13}", answer.headers[name])


def test_a_token_is_valid_for_the_device_that_asked_and_nobody_else(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    token = token_of(service, client, register(service, client))
    assert re.fullmatch("st-[0-9a-f]{32}", token.token.reveal())
    assert service.token_valid(token.token.reveal()) == "board1"
    assert service.token_valid("st-" + "0" * 32) is None
    assert token.workspace_id == PRODUCT.workspace_id


def test_a_token_ends_when_it_says(service: ServedLicense, client: ssl.SSLContext) -> None:
    token = token_of(service, client, register(service, client))
    service.clock_offset_ms = token.expires_ms - token.response_time_ms - 20_000
    assert service.token_valid(token.token.reveal()) == "board1"
    service.clock_offset_ms += 20_000
    assert service.token_valid(token.token.reveal()) is None


def test_a_device_registers_once(service: ServedLicense, client: ssl.SSLContext) -> None:
    register(service, client)
    answer = ask(service, client, request(Kind.REGISTER))
    assert (answer.status, answer.code) == (200, 100008)
    assert answer.document["success"] is False
    assert answer.document["data"] is None
    told = [(entry["kind"], entry["device_name"], entry["code"]) for entry in service.asked]
    assert told == [("register", "board1", "200"), ("register", "board1", "100008")]
    assert all(isinstance(entry["t"], float) for entry in service.asked)


def test_a_reset_device_is_unknown_until_it_registers_again(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    device = register(service, client)
    token = token_of(service, client, device)
    service.book.reset("board1")
    assert service.token_valid(token.token.reveal()) is None
    assert ask(service, client, request(Kind.TOKEN, device)).code == 100009
    again = register(service, client)
    assert again.device_secret != device.device_secret
    assert ask(service, client, request(Kind.TOKEN, device)).code == 500002
    assert token_of(service, client, again)


def test_the_quota_counts_devices_and_not_registrations(
    certificates: Certificates, client: ssl.SSLContext
) -> None:
    with serving(replace(PRODUCT, activation_quota=1), certificates) as service:
        register(service, client)
        other = replace(BOARD, device_name="board2")
        assert ask(service, client, request(Kind.REGISTER, other)).code == 100007
        service.book.reset("board1")
        assert register(service, client)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"request_time_ms": 1_000_000_000_000}, 100010),
        ({"request_time_ms": 9_000_000_000_000}, 100010),
        ({"pay_mode": "PAYG"}, 100032),
        ({"identity": replace(BOARD, device_name="n" * 33)}, 100012),
        ({"identity": replace(BOARD, device_name="böard")}, 100013),
        ({"identity": replace(BOARD, device_name="a b")}, 100013),
        ({"identity": replace(BOARD, app_secret=Secret("f" * 32))}, 500002),
        ({"identity": replace(BOARD, app_id="mm_0")}, 500002),
    ],
)
def test_a_wrong_registration_has_its_own_code(
    service: ServedLicense, client: ssl.SSLContext, changes: dict[str, Any], code: int
) -> None:
    answer = ask(service, client, request(Kind.REGISTER, **changes))
    assert (answer.status, answer.code) == (200, code)
    assert not service.book.registered("board1")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"appId": "mm_0123456789abcdef0123456789aa"}, 500002),
        ({"deviceName": "board2"}, 500001),
        ({"sdkVersion": "1.1.1"}, 500001),
        ({"nonce": "0" * 26}, 500002),
        ({"signature": ""}, 100011),
        ({"signature": "AAAA"}, 500002),
        ({"signature": "?"}, 500002),
        ({"nonce": "0" * 25}, 400),
        ({"nonce": "0" * 25 + "g"}, 400),
        ({"requestTime": "1795132800"}, 400),
        ({"requestTime": 1795132800000}, 400),
        ({"signature": None}, 400),
        ({"sdkVersion": None}, 400),
        ({"more": "x"}, 400),
        ({"more\N{SNOWMAN}": "x"}, 400),
    ],
)
def test_a_changed_body_is_refused(
    service: ServedLicense, client: ssl.SSLContext, changes: dict[str, Any], code: int
) -> None:
    body: dict[str, Any] = request_body(request(Kind.REGISTER))
    answer = send(service, client, PATH_OF[Kind.REGISTER], compact(body | changes))
    assert answer.code == code
    assert answer.status == (400 if code == 400 else 200)
    assert not service.book.registered("board1")


def test_a_missing_field_is_named(service: ServedLicense, client: ssl.SSLContext) -> None:
    body = request_body(request(Kind.REGISTER))
    del body["sdkVersion"]
    answer = send(service, client, PATH_OF[Kind.REGISTER], compact(body))
    assert answer.status == 400
    assert "sdkVersion" in answer.document["message"]


def test_a_nonce_works_once(service: ServedLicense, client: ssl.SSLContext) -> None:
    asked = request(Kind.REGISTER)
    assert ask(service, client, asked).code == 200
    answer = ask(service, client, asked)
    assert (answer.status, answer.document["message"]) == (400, "nonce was used before")


def test_an_unregistered_device_gets_no_token(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    device = replace(BOARD, device_secret=Secret("0" * 32))
    assert ask(service, client, request(Kind.TOKEN, device)).code == 100009


@pytest.mark.parametrize(
    ("fully_managed", "api_key", "code"),
    [
        (True, PRODUCT.api_key, 200),
        (True, Secret("sk-wrong"), 300002),
        (True, None, 500001),
        (False, None, 200),
        (False, PRODUCT.api_key, 500001),
    ],
)
def test_the_api_key_must_be_sealed_in_exactly_when_fully_managed(
    certificates: Certificates,
    client: ssl.SSLContext,
    fully_managed: bool,
    api_key: Secret | None,
    code: int,
) -> None:
    with serving(replace(PRODUCT, fully_managed=fully_managed), certificates) as service:
        device = register(service, client)
        assert ask(service, client, request(Kind.TOKEN, device, api_key=api_key)).code == code


def test_a_signature_with_too_much_in_it_is_refused(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    asked = request(Kind.REGISTER)
    body = request_body(asked)
    clear = {name: body[name] for name in ("appId", "deviceName", "requestTime", "sdkVersion")}
    context = Context(Message.REGISTER_REQUEST, BOARD, asked.nonce)
    body["signature"] = seal(context, clear | {"payMode": "LICENSE", "tokenType": "MMI"})
    answer = send(service, client, PATH_OF[Kind.REGISTER], compact(body))
    assert answer.code == 500001
    assert "tokenType" in answer.document["message"]


@pytest.mark.parametrize("body", [b"", b'{"\\ud800":"x"}', b"{", b"[]", b"\xff", b"[" * 50_000])
def test_a_body_that_is_no_request_is_a_bad_request(
    service: ServedLicense, client: ssl.SSLContext, body: bytes
) -> None:
    assert send(service, client, PATH_OF[Kind.REGISTER], body).status == 400


def test_http_is_strict_too(service: ServedLicense, client: ssl.SSLContext) -> None:
    path = PATH_OF[Kind.REGISTER]
    assert send(service, client, "/", b"{}").status == 404
    assert send(service, client, path, b"{}", **{"Content-Type": "text/plain"}).status == 415
    assert send(service, client, path, b" " * 65_537).status == 413
    assert send(service, client, path, b"", **{"Content-Length": "9" * 5000}).status == 411


def test_forced_codes_are_used_up_by_their_kind(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    service.plan.add("register", "refuse:100007")
    service.plan.add("token", "refuse:200021")
    service.plan.add("token", "refuse:200014")
    assert ask(service, client, request(Kind.REGISTER)).code == 100007
    device = register(service, client)
    assert ask(service, client, request(Kind.TOKEN, device)).code == 200021
    assert ask(service, client, request(Kind.TOKEN, device)).code == 200014
    assert token_of(service, client, device)


def test_a_lost_answer_leaves_the_device_registered_and_a_dropped_request_does_not(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    service.plan.add("register", "drop")
    service.plan.add("register", "lose")
    for registered in (False, True):
        with pytest.raises(OSError, match=r"closed|EOF"):
            ask(service, client, request(Kind.REGISTER))
        assert service.book.registered("board1") is registered
    assert service.struck == ["drop", "lose"]
    assert [entry["code"] for entry in service.asked] == ["200"]


def test_devices_outlive_the_process_in_a_private_file(
    certificates: Certificates, client: ssl.SSLContext, tmp_path: Path
) -> None:
    state_file = tmp_path / "devices.json"
    with serving(PRODUCT, certificates, state_file) as first:
        device = register(first, client)
    assert state_file.stat().st_mode & 0o777 == 0o600

    with serving(PRODUCT, certificates, state_file) as second:
        assert token_of(second, client, device)
        assert ask(second, client, request(Kind.REGISTER)).code == 100008


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"devices": 7}'])
def test_a_damaged_state_file_is_named(
    certificates: Certificates, tmp_path: Path, content: str
) -> None:
    state_file = tmp_path / "devices.json"
    state_file.write_text(content)
    with pytest.raises(StorageFailed, match=r"devices\.json cannot be read"):
        ServedLicense(PRODUCT, certificates, state_file)


def test_silent_clients_hold_up_nobody(service: ServedLicense, client: ssl.SSLContext) -> None:
    port = int(service.url.rpartition(":")[2])
    silent = [socket.create_connection(("127.0.0.1", port), WAIT_S) for _ in range(8)]
    try:
        assert register(service, client)
    finally:
        for connection in silent:
            connection.close()


def test_stop_sends_a_delayed_answer_at_once(
    service: ServedLicense, client: ssl.SSLContext
) -> None:
    class Watched(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            held_back.set()
            return super().wait(timeout)

    held_back = threading.Event()
    service.https._stopping = Watched()
    service.plan.add("register", "delay:3600000")
    answers: list[Answer] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(service, client, request(Kind.REGISTER)))
    )
    asking.start()
    assert held_back.wait(WAIT_S)
    service.https.stop()
    asking.join(WAIT_S)
    assert [answer.code for answer in answers] == [200]


def test_no_secret_reaches_the_journal(service: ServedLicense, client: ssl.SSLContext) -> None:
    device = register(service, client)
    token = token_of(service, client, device)
    wrong = replace(device, device_secret=Secret("f" * 32))
    ask(service, client, request(Kind.TOKEN, wrong))
    written = json.dumps(service.asked)
    for secret in (PRODUCT.app_secret, PRODUCT.api_key, device.device_secret, token.token):
        assert secret.reveal() not in written
    assert len(service.asked) == 3

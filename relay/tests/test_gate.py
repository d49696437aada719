"""What is refused before the application reads it, and what that uses up."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mmid_relay import gate
from mmid_relay.problems import MEDIA_TYPE
from tests.rig import Board, Vendor, relay_for, settings_for, token_body

_PAD = b'{"deviceName":"radio-1","x":"%s"}'


@pytest.mark.parametrize(
    ("body", "headers", "refused"),
    [
        (b"{}", {"content_type": "text/plain"}, (415, "wrong type")),
        (b"{}", {"content_type": ""}, (415, "wrong type")),
        (b"{}", {"content_encoding": "gzip"}, (415, "wrong type")),
        (_PAD % (b"a" * 17_000), {}, (413, "too large")),
        (_PAD % (b"a" * 5_000_000), {}, (413, "too large")),
        (b"", {}, (422, "wrong fields")),
        (b"{", {}, (400, "not json")),
        (b"nonsense", {}, (400, "not json")),
        (b"\xff\xfe\x00", {}, (400, "not json")),
        (b"[" * 16_000, {}, (400, "too deep")),
        (b"[" * 17 + b"]" * 17, {}, (400, "too deep")),
        (b'{"deviceName":' * 1000 + b"1" + b"}" * 1000, {}, (400, "too deep")),
        (b"[" * 16 + b"]" * 16, {}, (422, "wrong fields")),
        (b'{"deviceName":' + b"9" * 5000 + b"}", {}, (400, "not json")),
        (b'{"deviceName":{"deviceName":"radio-1"}}', {}, (422, "wrong fields")),
        (b"[]", {}, (422, "wrong fields")),
        (b"null", {}, (422, "wrong fields")),
        (b'"radio-1"', {}, (422, "wrong fields")),
        (b"{}", {}, (422, "wrong fields")),
        (b'{"deviceName":1}', {}, (422, "wrong fields")),
        (b'{"deviceName":""}', {}, (422, "wrong fields")),
        (b'{"deviceName":"radio-1\\n"}', {}, (422, "wrong fields")),
        (b'{"deviceName":"\\ud800"}', {}, (422, "wrong fields")),
        (b'{"deviceName":"radio-1","more":1}', {}, (422, "wrong fields")),
        (b'{"device_name":"radio-1"}', {}, (422, "wrong fields")),
    ],
)
async def test_a_bad_body_is_refused_in_a_sentence_and_not_sent_on(
    board: Board, vendor: Vendor, body: bytes, headers: dict[str, str], refused: tuple[int, str]
) -> None:
    answer = await board.post("/v1/qwen/token", body, **headers)
    problem = answer.json()
    assert (answer.status_code, problem["title"]) == refused
    assert problem["status"] == answer.status_code
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert problem["detail"].endswith(".")
    assert problem["requestId"] == answer.headers["x-request-id"] == board.lines[-1]["request_id"]
    assert not vendor.calls


async def test_the_last_name_of_two_counts_for_all(board: Board, vendor: Vendor) -> None:
    body = b'{"deviceName":"radio-1","deviceName":"radio-2"}'
    assert (await board.post("/v1/qwen/token", body)).status_code == 403
    assert not vendor.calls


async def test_json_may_say_its_charset(board: Board) -> None:
    body = {"deviceName": "radio-1"}
    kind = "Application/JSON; charset=utf-8"
    assert (await board.post("/v1/qwen/token", body, content_type=kind)).status_code == 200


async def test_a_stranger_is_refused_before_the_body_is_looked_at(board: Board) -> None:
    board.token = f"radio-1.k1.{'0' * 64}"
    answer = await board.post("/v1/register", b"x" * 20_000, content_type="text/plain")
    assert answer.status_code == 401


async def test_a_body_that_does_not_come_is_not_waited_for(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_BODY_S", 0.01)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"authorization": f"Bearer {board.own_token}", "content-type": "application/json"}
    answer = await board.http.post("/v1/qwen/token", content=never(), headers=headers)
    assert answer.status_code == 408


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/register", 405),
        ("PUT", "/v1/token", 405),
        ("POST", "/healthz", 405),
        ("POST", "/v1/register/", 404),
        ("POST", "/v1/other", 404),
        ("POST", "/v1/token%0A", 404),
        ("GET", "/", 404),
        ("GET", "/docs", 404),
    ],
)
async def test_other_paths_and_methods_are_problems_too(
    board: Board, method: str, path: str, status: int
) -> None:
    answer = await board.http.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["status"] == status


async def test_a_path_with_a_line_feed_after_it_is_no_way_round_the_gate(board: Board) -> None:
    board.token = f"radio-1.k1.{'0' * 64}"
    answer = await board.post("/v1/token%0A", b'{"deviceName":"%s"}' % (b"a" * 17_000))
    assert answer.status_code == 404


async def test_a_forged_token_uses_up_nobodys_limit(vendor: Vendor, ca_file: Path) -> None:
    limits = {"device_per_minute": 2, "total_per_minute": 3}
    async with relay_for(settings_for(vendor, ca_file, limits=limits)) as board:
        forger = Board(board.http, board.lines, token=f"radio-1.k1.{'0' * 64}")
        assert {(await forger.get_token()).status_code for _ in range(20)} == {401}
        answers = [await board.get_token() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        problem = answers[-1]
        assert "This device asks more often" in problem.json()["detail"]
        assert 1 <= int(problem.headers["retry-after"]) <= 60
        others = [Board(board.http, board.lines, f"radio-{n}") for n in (2, 3)]
        answers = [await other.get_token() for other in others]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert "All devices" in answers[-1].json()["detail"]
    assert len(vendor.calls) == 3


async def test_what_is_refused_for_its_body_counts_for_its_device(
    vendor: Vendor, ca_file: Path
) -> None:
    limits = {"device_per_minute": 1}
    async with relay_for(settings_for(vendor, ca_file, limits=limits)) as board:
        statuses = [(await board.post("/v1/token", token_body("x"))).status_code for _ in "12"]
    assert statuses == [403, 429]

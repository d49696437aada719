"""The audit line, the metrics, and what must be in neither."""

import json
import logging
from datetime import datetime
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from mmid_relay import metrics
from mmid_relay.audit import _to_stdout
from mmid_relay.relay import Relay
from tests.rig import INSTANCE_BODY, SECRETS, Board, Vendor, relay_for, settings_for, token_body


async def test_a_request_is_one_line(board: Board) -> None:
    answer = await board.register()
    [line] = board.lines
    moment = datetime.fromisoformat(line.pop("time"))
    assert moment.tzinfo is not None
    assert line.pop("ms") >= 0
    assert line == {
        "request_id": answer.headers["x-request-id"],
        "device": "radio-1",
        "path": "/v1/register",
        "status": 200,
        "result": "ok",
        "vendor_code": "200",
    }


async def test_what_machines_look_at_writes_no_lines(board: Board) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await board.http.get(path)).status_code == 200
    assert not board.lines


async def test_no_path_of_a_strangers_making_is_in_the_log_or_the_metrics(board: Board) -> None:
    await board.http.get('/evil"%0a/path')
    assert board.lines[0]["path"] == "other"
    assert b"evil" not in generate_latest()


async def test_no_secret_and_no_body_is_in_lines_metrics_or_logs(
    board: Board, vendor: Vendor, caplog: pytest.LogCaptureFixture, ca_file: Path
) -> None:
    caplog.set_level(logging.DEBUG, "mmid_relay")
    await board.register()
    await board.get_token()
    await board.post("/v1/qwen/token", {"deviceName": "radio-1"})
    await board.post("/v1/baidu/instance", INSTANCE_BODY)
    vendor.status = 403
    vendor.body = {"code": "100009", "message": " ".join(SECRETS.values())}
    answer = await board.get_token()
    for key, path, body in (
        ("token_key", "/v1/token", token_body()),
        ("api_key", "/v1/qwen/token", {"deviceName": "radio-1"}),
        ("secret_key", "/v1/baidu/instance", INSTANCE_BODY),
    ):
        vendor.body = {"code": "AccessDenied", "message": f"not with {SECRETS[key]}"}
        await board.post(path, body)
    said = json.dumps(board.lines) + generate_latest().decode() + caplog.text
    for secret in (*SECRETS.values(), "abc+/0==", "sealed+/=", board.own_token, "st-0123456789"):
        assert secret not in said
    assert SECRETS["token_key"] not in answer.text
    assert SECRETS["access_key_secret"] not in answer.text
    assert "radio-1" not in generate_latest().decode()


async def test_an_exception_is_a_problem_and_its_text_stays_at_home(
    vendor: Vendor, ca_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fails(*_: object) -> None:
        raise ValueError(SECRETS["token_key"])

    monkeypatch.setattr(Relay, "token", fails)
    async with relay_for(settings_for(vendor, ca_file)) as board:
        answer = await board.get_token()
    assert answer.status_code == 500
    assert answer.json()["title"] == "internal"
    assert board.lines[0]["result"] == "internal"
    assert SECRETS["token_key"] not in answer.text + caplog.text
    assert "ValueError" in caplog.text
    assert "routes.py" in caplog.text


async def test_requests_are_counted_by_path_result_and_code(board: Board, vendor: Vendor) -> None:
    def count(**labels: str) -> float:
        value: float = metrics.REQUESTS.labels(**labels)._value.get()
        return value

    labels = {"path": "/v1/token", "result": "refused", "vendor_code": "100009"}
    before = count(**labels)
    vendor.body = {"code": "100009", "success": False}
    await board.get_token()
    assert count(**labels) == before + 1
    text = (await board.http.get("/metrics")).text
    assert 'mmid_relay_upstream_seconds_count{outcome="answered",vendor="alibaba"}' in text
    assert 'mmid_relay_circuit_open{vendor="alibaba"} 0.0' in text


def test_a_label_has_few_values_whatever_vendors_invent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_codes", set())
    labels = {metrics.code_label(f"E{number}") for number in range(1000)}
    assert len(labels) == 61
    assert metrics.code_label("E1") == "E1"
    assert metrics.code_label("E999") == "other"


def test_a_line_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    _to_stdout("{}")
    assert capsys.readouterr().out == "{}\n"

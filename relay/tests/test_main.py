import json

import pytest

from mmid_relay.__main__ import main


def test_the_openapi_document_names_every_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    paths = json.loads(capsys.readouterr().out)["paths"]
    assert set(paths) == {
        "/v1/register",
        "/v1/token",
        "/v1/qwen/token",
        "/v1/baidu/instance",
        "/v1/baidu/stop",
        "/healthz",
        "/readyz",
        "/metrics",
    }

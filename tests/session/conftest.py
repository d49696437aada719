"""What the tests of the session share: TLS, a simulated cloud, no proxy."""

from pathlib import Path

import pytest

from mmid.session import backoff, supervisor
from mmid.simcloud.core import https
from mmid.simcloud.core.certificates import Certificates, make_certificates


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA and a server certificate for localhost."""
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def cloud_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where every ``SimCloud`` of a run keeps its certificate and product: they are made once."""
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture
def quick_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let simcloud stop in 10 ms instead of 100, for tests that start it often."""
    monkeypatch.setattr(https, "_POLL_S", 0.01)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the back-off begin with 10 ms at most."""
    for module in (backoff, supervisor):
        monkeypatch.setattr(module, "FIRST_S", 0.01, raising=False)
    monkeypatch.setattr(backoff, "CAP_S", 0.02)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the back-off so long that no test sees a second attempt by itself."""
    monkeypatch.setattr(backoff, "FIRST_S", 1000.0)
    monkeypatch.setattr(backoff, "CAP_S", 1000.0)

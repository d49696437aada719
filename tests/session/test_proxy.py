import os

import pytest

from mmid.session.proxy import environment_names_proxy


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("https_proxy", "http://proxy:8080", True),
        ("ALL_PROXY", "socks5://proxy", True),
        ("HTTPS_PROXY", "", False),
        ("no_proxy", "localhost", False),
        ("PROXY", "http://proxy:8080", False),
    ],
)
def test_a_proxy_of_the_environment_is_noticed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: bool
) -> None:
    for known in [known for known in os.environ if known.lower().endswith("_proxy")]:
        monkeypatch.delenv(known)
    monkeypatch.setenv(name, value)
    assert environment_names_proxy() is named

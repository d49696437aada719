"""One reading of the proxy variables, whoever asks: the spellings that people really use."""

from urllib.parse import quote, urlsplit

import pytest
import websockets.version
from websockets.asyncio.client import parse_proxy  # type: ignore[attr-defined]  # where 15 has it, too

from mmid.errors import SettingsInvalid
from mmid.session.proxy import proxy_for

CLOUD = "wss://cloud.example/dialog"
SERVICE = "https://license.example/"

needs_websockets_16 = pytest.mark.skipif(
    int(websockets.version.version.split(".")[0]) < 16,
    reason="websockets before 16 takes what is escaped in a proxy's URL as it stands",
)


@pytest.mark.parametrize(
    ("value", "shown", "user", "password"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", "", ""),
        ("proxy.example:3128", "http://proxy.example:3128", "", ""),
        ("proxy.example", "http://proxy.example:80", "", ""),
        ("  http://proxy.example/  ", "http://proxy.example:80", "", ""),
        ("HTTP://Proxy.Example:3128", "http://proxy.example:3128", "", ""),
        ("https://proxy.example", "https://proxy.example:443", "", ""),
        ("10.0.0.1:3128", "http://10.0.0.1:3128", "", ""),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128", "", ""),
        ("[fd00::1]:3128", "http://[fd00::1]:3128", "", ""),
        ("http://board@proxy.example:3128", "http://proxy.example:3128", "board", ""),
        ("board:pass@proxy.example:3128", "http://proxy.example:3128", "board", "pass"),
        ("http://b%40rd:p%3Ass@proxy.example", "http://proxy.example:80", "b@rd", "p:ss"),
        pytest.param(
            *("http://b%40rd:p%3A%2F%25@proxy.example", "http://proxy.example:80", "b@rd", "p:/%"),
            marks=needs_websockets_16,
        ),
        ("socks5h://proxy.example", "socks5h://proxy.example:1080", "", ""),
    ],
)
def test_a_proxy_is_read_however_it_is_spelt(
    value: str, shown: str, user: str, password: str
) -> None:
    proxy = proxy_for(CLOUD, {"https_proxy": value})
    assert proxy is not None
    assert (proxy.shown, proxy.user, proxy.password) == (shown, user, password)
    taken = parse_proxy(proxy.url)
    assert (taken.host, taken.port) == (proxy.host, proxy.port)
    assert (taken.username or "", taken.password or "") == (user, password)
    assert not password or password not in repr(proxy)


def test_what_needs_no_escape_is_handed_on_as_it_stands() -> None:
    """As websockets before 16 takes it; with a later one either would do."""
    proxy = proxy_for(CLOUD, {"https_proxy": "http://b%40rd:p%3Ass@proxy.example"})
    assert proxy is not None
    assert proxy.url == "http://b@rd:p:ss@proxy.example:80"
    password = "".join(sorted({*map(chr, range(0x20, 0x7F))} - {*"%/?#[]"}))
    proxy = proxy_for(CLOUD, {"https_proxy": f"http://board:{quote(password)}@[fd00::1]:3128"})
    assert proxy is not None
    assert proxy.url == f"http://board:{password}@[fd00::1]:3128"
    taken = parse_proxy(proxy.url)
    assert (taken.host, taken.port) == ("fd00::1", 3128)
    assert (taken.username, taken.password) == ("board", password)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("ftp://u:hunter2@proxy", "begin with one of http, https, socks4"),
        ("http://u:hunter2@", "names no host"),
        ("http://u:hunter2@proxy:port", "no URL"),
        ("http://u:hunter2@proxy:99999", "no URL"),
        ("http://u:hunter2@[fd00::1", "no URL"),
        ("u:hunter2@proxy/path", "no path"),
        ("http://u:hunter2@pröxy", "not all ASCII"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_without_a_part_of_it(value: str, why: str) -> None:
    with pytest.raises(SettingsInvalid, match=f"https_proxy of .*{why}") as caught:
        proxy_for(CLOUD, {"HTTPS_PROXY": value})
    assert "hunter2" not in str(caught.value)
    assert "mmid's environment" in caught.value.remedy
    assert "mmid.toml" not in caught.value.remedy


@pytest.mark.parametrize("scheme", ["https", "socks5h"])
def test_the_license_service_is_asked_through_an_http_proxy_only(scheme: str) -> None:
    environment = {"https_proxy": f"{scheme}://u:hunter2@proxy.example:1"}
    with pytest.raises(SettingsInvalid, match=rf"is {scheme}://proxy\.example:1: .*http:// proxy"):
        proxy_for(SERVICE, environment)
    proxy = proxy_for(CLOUD, environment)
    assert proxy is not None
    assert proxy.scheme == scheme


@pytest.mark.parametrize(
    ("environment", "dialog", "service"),
    [
        ({}, "", ""),
        ({"https_proxy": "a"}, "a", "a"),
        ({"HTTPS_PROXY": "a"}, "a", "a"),
        ({"HTTPS_PROXY": "a", "https_proxy": "b"}, "b", "b"),
        ({"HTTPS_PROXY": "a", "https_proxy": ""}, "", ""),
        ({"https_proxy": "a", "wss_proxy": "b"}, "b", "a"),
        ({"https_proxy": "a", "socks_proxy": "socks5://b"}, "b", "a"),
        ({"http_proxy": "a", "ftp_proxy": "b", "PROXY": "c"}, "", ""),
        ({"https_proxy": "a", "no_proxy": "cloud.example"}, "", "a"),
    ],
)
def test_who_goes_through_which_proxy(
    environment: dict[str, str], dialog: str, service: str
) -> None:
    for url, host in ((CLOUD, dialog), (SERVICE, service)):
        proxy = proxy_for(url, environment)
        assert (proxy.host if proxy else "") == host


@pytest.mark.parametrize(
    ("excepted", "url", "direct"),
    [
        ("*", CLOUD, True),
        ("cloud.example", CLOUD, True),
        ("CLOUD.example", CLOUD, True),
        ("example", CLOUD, True),
        (".example", CLOUD, True),
        ("*.example", CLOUD, True),
        ("ample", CLOUD, False),
        (".", CLOUD, False),
        ("cloud.example.", CLOUD, True),
        ("example.", CLOUD, True),
        ("cloud.example", "wss://cloud.example./", True),
        ("other.example cloud.example", CLOUD, True),
        ("other.example, cloud.example", CLOUD, True),
        ("cloud.example:443", CLOUD, True),
        ("cloud.example:444", CLOUD, False),
        ("example:443", CLOUD, True),
        ("10.0.0.0/8", "wss://10.1.2.3/", True),
        ("10.1.2.3/8", "wss://10.200.0.1/", True),
        ("10.0.0.0/8", "wss://11.1.2.3/", False),
        ("10.0.0.0/8", CLOUD, False),
        ("10.1.2.3", "wss://10.1.2.3:8443/", True),
        ("2.3", "wss://10.1.2.3/", False),
        (".plant2", "wss://relay.plant2/", True),
        ("fd00::/8", "wss://[fd00::1]:8443/", True),
        ("fd00::1", "wss://[fd00::1]/", True),
        ("[fd00::1]", "wss://[fd00::1]/", True),
        ("[fd00::1]:443", "wss://[fd00::1]/", True),
        ("fd00:0::1", "wss://[fd00::1]/", True),
        ("fe80::/10", "wss://[fd00::1]/", False),
        ("nonsense/33", "wss://10.1.2.3/", False),
    ],
)
def test_no_proxy_names_hosts_domains_addresses_and_networks(
    excepted: str, url: str, direct: bool
) -> None:
    assert urlsplit(url).hostname
    proxy = proxy_for(url, {"https_proxy": "proxy.example", "NO_PROXY": excepted})
    assert (proxy is None) == direct

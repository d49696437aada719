import copy
import gc
import json
import pickle
import time
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmid import secrets
from mmid.secrets import MASK, Secret, redact, shown_url

VALUE = "f00dfacecafebeef"


def test_a_secret_prints_as_a_mask_everywhere() -> None:
    secret = Secret(VALUE)
    printed = f"{secret} {secret!r} {[secret]} {secret!s:>40}" + "%s %r" % (secret, secret)  # noqa: UP031
    assert VALUE not in printed
    assert MASK in printed


def test_an_empty_secret_shows_that_it_is_empty() -> None:
    assert repr(Secret("")) == "Secret()"
    assert not Secret("")
    assert Secret(VALUE)


def test_secrets_compare_by_value() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert Secret(VALUE) != Secret(VALUE + "0")
    assert Secret(VALUE) != VALUE
    assert len({Secret(VALUE), Secret(VALUE)}) == 1


def test_its_value_is_masked_in_any_text() -> None:
    secret = Secret(VALUE)
    assert redact(f"GET /?key={secret.reveal()}&x=1") == f"GET /?key={MASK}&x=1"


def test_a_secret_is_known_from_the_moment_it_is_made() -> None:
    text = "GET /?key=made-after-the-first-look"
    assert redact(text) == text
    made = Secret(text.partition("key=")[2])
    assert redact(text) == f"GET /?key={MASK}"
    assert made


def test_a_short_value_does_not_mask_innocent_words() -> None:
    held = Secret("main")
    assert redact("the main loop") == "the main loop"
    assert held.reveal() == "main"


def test_a_secret_that_is_held_is_known_however_many_tokens_came_after() -> None:
    app_secret = Secret(VALUE)
    for number in range(1000):
        Secret(f"passing-token-{number}")
    gc.collect()
    assert redact(app_secret.reveal()) == MASK
    assert redact("passing-token-999") == MASK


def test_tokens_let_go_are_forgotten_at_last() -> None:
    Secret("forgotten-token-0")
    for number in range(1, 200):
        Secret(f"forgotten-token-{number}-")
    gc.collect()
    assert redact("forgotten-token-0.") == "forgotten-token-0."


def test_a_secret_inside_a_longer_one_leaves_nothing_of_it() -> None:
    shorter, longer = Secret("abcdef123"), Secret("abcdef123456789")
    assert redact(f"{longer.reveal()} {shorter.reveal()}") == f"{MASK} {MASK}"


def test_a_copy_is_as_secret_as_the_original() -> None:
    for made in (copy.deepcopy(Secret(VALUE)), pickle.loads(pickle.dumps(Secret(VALUE)))):  # noqa: S301
        assert str(made) == f"Secret({MASK})"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("Authorization: Bearer abc.def/ghi", f"Authorization: Bearer {MASK}"),
        ("key sk-nobodydeclared99, next", f"key sk-{MASK}, next"),
        ("token st-fedcba9876543210", f"token st-{MASK}"),
        ('{"signature":"a/b+c=","n":1}', f'{{"signature":"{MASK}","n":1}}'),
        (r"{\"dashToken\":\"a1\"}", rf"{{\"dashToken\":\"{MASK}\"}}"),
        ("{'deviceSecret': 'a1'}", f"{{'deviceSecret': '{MASK}'}}"),
        ('api_key = "a1"', f'api_key = "{MASK}"'),
        ("AppSecret: 'a1'", f"AppSecret: '{MASK}'"),
        ("MMID_LICENSE__APP_SECRET=a1", f"MMID_LICENSE__APP_SECRET={MASK}"),
        ('Environment="MMID_STORAGE__KEY=a1" X=2', f'Environment="MMID_STORAGE__KEY={MASK}" X=2'),
        ("MMID_LICENSE__HEADERS=X-Key: a1, b2", f"MMID_LICENSE__HEADERS={MASK}"),
        ("Environment=MMID_STORAGE__KEY='a1' X=2", f"Environment=MMID_STORAGE__KEY='{MASK}' X=2"),
        ("SetCredential=app_secret:a1 b2", f"SetCredential=app_secret:{MASK}"),
        ("SetCredential = app_secret:a1 b2", f"SetCredential = app_secret:{MASK}"),
        ('ws_url = "wss://h:1/p?licKey=a1&n=2"', f'ws_url = "wss://h:1/p?{MASK}"'),
        ("https_proxy=http://me:a@1@h:3128 X=2", f"https_proxy=http://{MASK}@h:3128 X=2"),
        ("Environment=HTTPS_PROXY=me:a1@h:3128", f"Environment=HTTPS_PROXY={MASK}@h:3128"),
        ("socks5h://a1@h:1080 refused", f"socks5h://{MASK}@h:1080 refused"),
    ],
)
def test_what_looks_like_a_secret_is_masked_though_nobody_declared_it(text: str, safe: str) -> None:
    assert redact(text) == safe


@pytest.mark.parametrize("value", ['pa"ss\\wo/rd+=', "sword fish&co", "a'b'c'd'e'f"])
def test_a_secret_is_known_in_quotes_and_in_urls_too(value: str) -> None:
    held = Secret(value)
    for form in (value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe="")):
        assert redact(f"before {form} after") == f"before {MASK} after"
    assert held


def test_what_headers_carry_is_known_value_by_value() -> None:
    headers = Secret("X-Relay-Key: swordfish\nX-Group: pantry-1")
    assert redact("got 'swordfish' of pantry-1") == f"got '{MASK}' of {MASK}"
    assert redact(repr(headers.reveal())) == f"'{MASK}'"


def test_the_key_of_an_authorization_header_is_known_without_its_scheme() -> None:
    headers = Secret("Authorization: DeviceToken pantry.0123456789")
    assert redact("no such token: pantry.0123456789") == f"no such token: {MASK}"
    assert redact("an unknown DeviceToken") == "an unknown DeviceToken"
    assert headers


PIECES = """Bearer |sk-|st-|app_secret|'|"|:|=|12345678| |MMID_A__KEY|https://|@|?|_proxy|SetCredential"""


# Each shape that has none of the others' signs: chance alone seldom makes them.
@example("Bearer 12345678")
@example("sk-12345678")
@example("st-12345678")
@example("app_secret '12345678'")
@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=12).map("".join))
def test_no_shape_goes_past_the_quick_look(text: str) -> None:
    assert redact(text) == secrets._SHAPES.sub(secrets._mask, shown_url(text))


def test_a_text_of_nothing_but_urls_is_read_once() -> None:
    began = time.process_time()
    redact("https://" * 100_000)
    redact(f"https://{'a' * 1_000_000}")
    redact("_proxy=a" * 100_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        "set license.app_secret and license.api_key",
        "risk-management task-finished first-run",
        "the bearer of this message",
        "LoadCredential=app_secret:mmid.app_secret",
        "MMID_DBUS__BUS=session",
        'the signature is empty: code "100011"',
        "https://bailian.example/api/device/v1/register: HTTP 302, wss://[::1]:8/x closed",
        "https_proxy=http://proxy.example:3128 no_proxy=10.0.0.0/8,b.example",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text

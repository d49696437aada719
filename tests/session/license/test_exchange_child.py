"""What the license child loads for what it is asked: a board with 64 MiB holds it beside mmid."""

import pytest

from tests.rig.script import run_script

HEAVY = {"asyncio", "cryptography", "http.client", "ssl"}

REQUEST = """\
import sys
from mmid.errors import MmidError
from mmid.secrets import Secret
from mmid.session.license import messages
from mmid.session.license.exchange_child import answer

secret = Secret("00112233445566778899aabbccddeeff")
kept = messages.Unopened("board1", messages.make_nonce(), 1, '{"data": {"signature": "AAAA"}}')
more = {"task_id": secret.reveal(), "unopened": kept if %(kind)r == "kept" else None}
request = messages.ExchangeRequest(
    messages.Kind(%(kind)r.replace("kept", "register")),
    messages.HttpsEndpoint("https://127.0.0.1:1/"),
    messages.Identity("mm_1", secret, "board1", secret),
    messages.make_nonce(),
    1,
    **more,
)
try:
    answer(request, 1.0)
except MmidError:
    pass
print(*sys.modules)
"""


def heavy(script: str) -> set[str]:
    """Run a script in a Python of its own; return what it has loaded that costs a board."""
    return HEAVY & set(run_script(script).stdout.split())


@pytest.mark.parametrize("kind", ["register", "token"])
def test_who_asks_the_service_has_the_http_client_and_the_cipher(kind: str) -> None:
    assert heavy(REQUEST % {"kind": kind}) == HEAVY


@pytest.mark.parametrize("kind", ["sign", "kept"])
def test_who_signs_or_opens_what_is_there_has_no_http_client(kind: str) -> None:
    assert heavy(REQUEST % {"kind": kind}) <= {"cryptography"}


def test_a_vendors_codec_needs_no_cipher_of_ours() -> None:
    script = "import sys, mmid.session.license.exchange_child, mmid.session.license.vendor_codec"
    assert heavy(f"{script}\nprint(*sys.modules)") == set()


def test_who_asks_a_relay_has_the_http_client_alone() -> None:
    script = "import sys, mmid.session.relay, mmid.session.license.https_post"
    assert heavy(f"{script}\nprint(*sys.modules)") == HEAVY - {"cryptography"}

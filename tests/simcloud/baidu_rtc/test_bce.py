"""Baidu's signature in simcloud: the documented one, and nothing else."""

from email.message import Message

import pytest

from mmid.errors import CloudRefused
from mmid.secrets import Secret
from mmid.simcloud.baidu_rtc.bce import check_signature, sign
from mmid.simcloud.core.https import Call
from tests.simcloud.baidu_rtc.bce_signer import authorization

KEYS = ("ak", "sk")
GOOD = ("ak", Secret("sk"))
NOW_S = 1_795_000_000.0
PATH = "/api/v1/aiagent/generateAIAgentCall"


def test_the_signature_is_that_of_the_documented_example() -> None:
    headers = {
        "host": "bj.bcebos.com",
        "content-type": "text/plain",
        "content-length": "8",
        "content-md5": "NFzcPqhviddjRNnSOGo4rw==",
        "x-bce-date": "2015-04-27T08:23:49Z",
    }
    query = "uploadId=a44cc9bab11cbd156984767aad637851&partNumber=9"
    prefix = f"bce-auth-v1/{'a' * 32}/2015-04-27T08:23:49Z/1800"
    made = sign(
        "PUT", "/v1/test/myfolder/readme.txt", query, headers, prefix=prefix, secret_key="b" * 32
    )
    assert made == "d74a04362e6a848f5b39b15421cb449427f419c95a480fd6b8cf9fc783e2999e"


def call(given: str, host: str = "127.0.0.1:1", content_type: str = "application/json") -> Call:
    message = Message()
    message["Host"] = host
    message["Content-Type"] = content_type
    if given:
        message["Authorization"] = given
    return Call(PATH, "", b"{}", "127.0.0.1", message)


def signed(at_s: float = NOW_S, keys: tuple[str, str] = KEYS, names: str = "host") -> str:
    headers = {"host": "127.0.0.1:1", "content-type": "application/json"}
    return authorization(PATH, headers, keys, at_s, names)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (call(signed()), ""),
        (call(signed(names="")), ""),
        (call(signed(names="content-type;host")), ""),
        (call(signed(NOW_S - 1800)), ""),
        (call(signed(NOW_S - 1801)), "RequestExpired"),
        (call(signed(NOW_S + 301)), "RequestExpired"),
        (call(signed(keys=("other", "sk"))), "InvalidAccessKeyId"),
        (call(signed(keys=("ak", "other"))), "SignatureDoesNotMatch"),
        (call(signed(), host="elsewhere.example"), "SignatureDoesNotMatch"),
        (call(signed(names=""), content_type="text/plain"), "SignatureDoesNotMatch"),
        (call(signed(names="content-type")), "InvalidHTTPAuthHeader"),
        (call(""), "InvalidHTTPAuthHeader"),
        (call("Bearer sk-1"), "InvalidHTTPAuthHeader"),
        (call(signed().replace("Z/", "/")), "InvalidHTTPAuthHeader"),
    ],
)
def test_what_is_not_signed_as_baidu_wants_it_is_refused(request_: Call, code: str) -> None:
    if not code:
        check_signature(request_, GOOD, NOW_S)
        return
    with pytest.raises(CloudRefused) as caught:
        check_signature(request_, GOOD, NOW_S)
    assert caught.value.code == code

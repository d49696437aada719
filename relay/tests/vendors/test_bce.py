"""Baidu's signature, against the documents' example and against Baidu's own package."""

import logging
from urllib.parse import quote

import pytest
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.auth.bce_v1_signer import sign
from hypothesis import given
from hypothesis import strategies as st

from mmid_relay.vendors.bce import authorization, timestamp


def test_the_documents_example() -> None:
    made = authorization(
        "PUT",
        "/v1/test/myfolder/readme.txt",
        {
            "host": "bj.bcebos.com",
            "content-length": "8",
            "content-md5": "NFzcPqhviddjRNnSOGo4rw==",
            "content-type": "text/plain",
            "x-bce-date": "2015-04-27T08:23:49Z",
        },
        access_key="a" * 32,
        secret_key="b" * 32,
        date=timestamp(1430123029),
        query={"partNumber": "9", "uploadId": "a44cc9bab11cbd156984767aad637851"},
    )
    assert made == (
        "bce-auth-v1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/2015-04-27T08:23:49Z/1800/"
        "content-length;content-md5;content-type;host;x-bce-date/"
        "d74a04362e6a848f5b39b15421cb449427f419c95a480fd6b8cf9fc783e2999e"
    )


_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20)
_name = st.from_regex(r"[a-z][a-z0-9-]{0,9}", fullmatch=True)


@given(
    path=st.lists(_text, max_size=3).map(lambda parts: "/" + "/".join(parts)),
    headers=st.dictionaries(_name.map(lambda name: f"x-bce-{name}"), _text, max_size=3),
    query=st.dictionaries(_name, _text, max_size=3),
    when=st.integers(1, 4_000_000_000),
)
def test_it_is_the_one_of_baidus_own_package(
    path: str, headers: dict[str, str], query: dict[str, str], when: int
) -> None:
    # An empty header is left out by the package and by the documents not: none is ever sent.
    headers = {name: text for name, text in headers.items() if text.strip(" ")}
    headers = {"host": "rtc-aiagent.baidubce.com", **headers}
    ours = authorization(
        "POST", path, headers, access_key="AK", secret_key="SK", date=timestamp(when), query=query
    )
    logging.getLogger("baidubce").setLevel(logging.ERROR)
    theirs = sign(
        BceCredentials(b"AK", b"SK"),
        b"POST",
        quote(path, safe="/~").encode(),
        {name.encode(): text.encode() for name, text in headers.items()},
        {name.encode(): text.encode() for name, text in query.items()},
        when,
        1800,
        sorted(name.encode() for name in headers),
    )
    assert ours == theirs.decode()


@pytest.mark.parametrize("secret", ["SK", "ключ"])
def test_the_secret_is_not_in_it(secret: str) -> None:
    made = authorization(
        "POST", "/", {"host": "x"}, access_key="AK", secret_key=secret, date=timestamp(0)
    )
    assert secret not in made

"""The sealed field has the vendor's sizes, opens to what was sealed, and to nothing else."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmid.errors import MalformedMessage
from mmid.secrets import Secret
from mmid.session.license.codec import (
    CodecParameters,
    Context,
    KeyOwner,
    Message,
    compact,
    seal,
    unseal,
)
from mmid.session.license.messages import Identity, make_nonce

NONCE = "000102030405060708090a0b0c"
IDENTITY = Identity(
    "mm_0123456789abcdef0123456789ab",
    Secret("00112233445566778899aabbccddeeff"),
    "board1",
    Secret("ffeeddccbbaa99887766554433221100"),
)
CONTEXT = Context(Message.REGISTER_REQUEST, IDENTITY, NONCE)
FIELDS = {"appId": IDENTITY.app_id, "deviceName": "board1", "payMode": "LICENSE"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def fields_of_length(plaintext_bytes: int) -> dict[str, str]:
    return {"k": "x" * (plaintext_bytes - len(compact({"k": ""})))}


@pytest.mark.parametrize(
    ("plaintext_bytes", "characters"), [(164, 224), (201, 276), (136, 188), (147, 204)]
)
def test_a_signature_has_the_length_of_the_vendor_s_logs(
    plaintext_bytes: int, characters: int
) -> None:
    assert len(seal(CONTEXT, fields_of_length(plaintext_bytes))) == characters


def test_a_signature_stays_what_it_was_in_earlier_releases() -> None:
    expected = (
        "CVXGH7z4d1SCZ4rOBBZYfQX2gJw79bHdEhTyH15hAatg7aWph4ojh34+oRmh3QdfmeD86NTpGQnuJXm1"
        "Tmp1jj2FORKAKRVvEXI27MKvKhQMsutsR+/9O+g="
    )
    assert seal(CONTEXT, FIELDS) == expected
    assert unseal(CONTEXT, expected) == FIELDS


def test_the_order_of_the_fields_does_not_show() -> None:
    assert seal(CONTEXT, dict(reversed(FIELDS.items()))) == seal(CONTEXT, FIELDS)


@given(fields=st.dictionaries(st.text(), JSON, max_size=6), message=st.sampled_from(Message))
def test_what_was_sealed_is_what_opens(fields: dict[str, Any], message: Message) -> None:
    context = Context(message, IDENTITY, make_nonce(), make_nonce(), "1795132800000")
    assert unseal(context, seal(context, fields)) == fields


@given(cut=st.integers(0, len(seal(CONTEXT, FIELDS)) - 1))
def test_a_cut_signature_does_not_open(cut: int) -> None:
    with pytest.raises(MalformedMessage, match="signature"):
        unseal(CONTEXT, seal(CONTEXT, FIELDS)[:cut])


@given(place=st.integers(0, 200), bit=st.integers(0, 7))
def test_a_changed_bit_does_not_open(place: int, bit: int) -> None:
    sealed = bytearray(base64.b64decode(seal(CONTEXT, FIELDS)))
    sealed[place % len(sealed)] ^= 1 << bit
    with pytest.raises(MalformedMessage, match="does not open"):
        unseal(CONTEXT, base64.b64encode(sealed).decode())


@pytest.mark.parametrize(
    "other",
    [
        replace(CONTEXT, request_nonce="ff" * 13),
        replace(CONTEXT, request_nonce="ff"),
        replace(CONTEXT, request_nonce="no hex"),
        replace(CONTEXT, reply_nonce="ee" * 13),
        replace(CONTEXT, message=Message.TOKEN_REQUEST),
        replace(CONTEXT, identity=replace(IDENTITY, app_secret=Secret("0" * 32))),
    ],
    ids=["nonce", "short nonce", "no nonce", "reply nonce", "key owner", "key"],
)
def test_another_key_or_nonce_does_not_open_and_the_error_names_the_key(other: Context) -> None:
    with pytest.raises(MalformedMessage, match=r"does not open with our (App|Device)Secret"):
        unseal(other, seal(CONTEXT, FIELDS))


@pytest.mark.parametrize("garbage", ["", "%%%%", "AAAA", "täglich", "[" * 1000])
def test_garbage_is_malformed_and_not_a_crash(garbage: str) -> None:
    with pytest.raises(MalformedMessage, match="register request"):
        unseal(CONTEXT, garbage)


@pytest.mark.parametrize("junk", ["\n", " ", "*", "-"])
def test_junk_within_a_signature_is_not_passed_over(junk: str) -> None:
    signature = seal(CONTEXT, FIELDS)
    with pytest.raises(MalformedMessage, match="not base64"):
        unseal(CONTEXT, signature[:8] + junk + signature[8:])


@pytest.mark.parametrize("plaintext", [b"[]", b"7", b"\xff\xfe", b"{", b"[" * 30_000])
def test_a_plaintext_that_is_no_object_is_malformed(plaintext: bytes) -> None:
    strange = CodecParameters(plaintext=lambda _fields: plaintext)
    with pytest.raises(MalformedMessage):
        unseal(CONTEXT, seal(CONTEXT, {}, strange))


def test_a_device_without_a_secret_is_told_which_one_is_missing() -> None:
    context = Context(Message.TOKEN_REQUEST, replace(IDENTITY, device_secret=Secret("")), NONCE)
    with pytest.raises(MalformedMessage, match="DeviceSecret is not 32 hex"):
        seal(context, FIELDS)


@pytest.mark.parametrize(
    "changed",
    [
        CodecParameters(keys=dict.fromkeys(Message, KeyOwner.DEVICE)),
        CodecParameters(derive_key=lambda secret, _context: secret[::-1]),
        CodecParameters(associated_data=lambda context: context.request_nonce.encode()),
        CodecParameters(nonce_bytes=lambda nonce: nonce[:13].encode()),
        CodecParameters(tag_bytes=8),
    ],
    ids=["keys", "derive_key", "associated_data", "nonce_bytes", "tag_bytes"],
)
def test_each_unconfirmed_choice_can_be_changed_alone(changed: CodecParameters) -> None:
    sealed = seal(CONTEXT, FIELDS, changed)
    assert unseal(CONTEXT, sealed, changed) == FIELDS
    with pytest.raises(MalformedMessage):
        unseal(CONTEXT, sealed)


def test_no_error_text_holds_a_secret() -> None:
    with pytest.raises(MalformedMessage) as caught:
        unseal(CONTEXT, "AAAA")
    assert IDENTITY.app_secret.reveal() not in str(caught.value)

"""Our bytes are dbus-next's, for every type there is."""

import struct
from typing import Any

import pytest
from dbus_next._private.marshaller import Marshaller
from dbus_next.signature import SignatureTree
from hypothesis import given
from hypothesis import strategies as st

from mmid.dbus import wire
from mmid.dbus.marshal import append, marshal
from mmid.dbus.wire import Message, MessageFlag, Variant

WHOLE_NUMBERS = {
    "y": (0, 2**8 - 1),
    "n": (-(2**15), 2**15 - 1),
    "q": (0, 2**16 - 1),
    "i": (-(2**31), 2**31 - 1),
    "u": (0, 2**32 - 1),
    "x": (-(2**63), 2**63 - 1),
    "t": (0, 2**64 - 1),
}
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)

# A type, and what makes values of it.
Typed = tuple[str, st.SearchStrategy[Any]]

BASIC: list[Typed] = [
    *((kind, st.integers(low, high)) for kind, (low, high) in WHOLE_NUMBERS.items()),
    ("b", st.booleans()),
    ("d", st.floats(allow_nan=False)),
    ("s", TEXTS),
    ("o", st.just("/org/mmid1")),
    ("g", st.sampled_from(["", "s", "a{sv}"])),
]


def _array(item: Typed) -> Typed:
    kind, values = item
    items = st.binary(max_size=9) if kind == "y" else st.lists(values, max_size=3)
    return f"a{kind}", items


def _dictionary(item: tuple[Typed, Typed]) -> Typed:
    (key_kind, keys), (kind, values) = item
    return f"a{{{key_kind}{kind}}}", st.dictionaries(keys, values, max_size=3)


def _structure(members: list[Typed]) -> Typed:
    kinds = "".join(kind for kind, _ in members)
    return f"({kinds})", st.tuples(*(values for _, values in members)).map(list)


def _variant(item: Typed) -> Typed:
    kind, values = item
    return "v", values.map(lambda value: Variant(kind, value))


def _larger(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        inner.map(_array),
        st.tuples(st.sampled_from(BASIC), inner).map(_dictionary),
        st.lists(inner, min_size=1, max_size=3).map(_structure),
        inner.map(_variant),
    )


TYPES = st.recursive(st.sampled_from(BASIC), _larger, max_leaves=4)
BODIES = st.lists(TYPES, max_size=3).flatmap(
    lambda types: st.tuples(
        st.just("".join(kind for kind, _ in types)),
        st.tuples(*(values for _, values in types)).map(list),
    )
)


def ours(signature: str, values: list[Any]) -> bytes:
    return bytes(marshal(SignatureTree(signature).types, values))


def theirs(signature: str, values: list[Any]) -> bytes:
    return bytes(Marshaller(signature, values).marshall())  # type: ignore[no-untyped-call]


@given(BODIES)
def test_every_value_is_written_as_dbus_next_writes_it(body: tuple[str, list[Any]]) -> None:
    signature, values = body
    assert ours(signature, values) == theirs(signature, values)


CALL = Message(destination="a.b", path="/a", member="C", serial=3, sender=":1.1")
TO_ONE = Message.new_signal("/a", "a.b", "Empty")
TO_ONE.destination = ":1.7"
CHANGED = {"State": Variant("s", "thinking"), "Connected": Variant("b", True)}
PROPERTIES = "org.freedesktop.DBus.Properties"


@pytest.mark.parametrize(
    "message",
    [
        Message.new_signal("/a", "a.b", "Empty"),
        Message.new_signal("/a", "a.b", "Texts", "ss", ["one", "你好"]),
        Message.new_signal("/a", PROPERTIES, "PropertiesChanged", "sa{sv}as", ["a.b", CHANGED, []]),
        TO_ONE,
        Message.new_method_return(CALL),
        Message.new_method_return(CALL, "a(xss)", [[[1, "idle", "end"], [-1, "", ""]]]),
        Message.new_error(CALL, "a.b.Failed", "no"),
        Message(destination="a.b", path="/a", interface="a.b", member="M", signature="u", body=[7]),
        Message(destination="a.b", path="/a", member="M", signature="h", body=[0], unix_fds=[5]),
        Message(destination="a.b", path="/a", member="M", flags=MessageFlag.NO_REPLY_EXPECTED),
    ],
    ids=[
        "signal",
        "signal with texts",
        "properties",
        "signal to one",
        "empty reply",
        "reply",
        "error",
        "call",
        "call with a descriptor",
        "call without a reply",
    ],
)
@pytest.mark.parametrize("serial", [1, 0xFFFFFFFF])
def test_a_message_is_written_as_dbus_next_writes_it(message: Message, serial: int) -> None:
    assert wire.encode(message, serial) == bytes(message._marshall(negotiate_unix_fd=True))  # type: ignore[no-untyped-call]


def test_pairs_that_were_made_before_are_written_as_dbus_next_writes_the_dictionary() -> None:
    made = wire.pairs([("State", "s", "thinking"), ("Connected", "b", True)])
    for interface in ("a.b", "org.mmid1.Dialog"):
        expected = theirs("sa{sv}as", [interface, CHANGED, []])
        assert ours("sa{sv}as", [interface, made, []]) == expected


@pytest.mark.parametrize(
    ("text", "sent"),
    [("a\0b", "a\N{REPLACEMENT CHARACTER}b"), ("half \ud83d pair", "half ? pair")],
)
@pytest.mark.parametrize("place", ["text", "in a variant", "as a key"])
def test_a_text_that_dbus_forbids_is_sent_without_the_forbidden_part(
    text: str, sent: str, place: str
) -> None:
    def body(value: str) -> list[Any]:
        return {
            "text": [value, {}],
            "in a variant": ["", {"key": Variant("s", value)}],
            "as a key": ["", {value: Variant("u", 1)}],
        }[place]

    assert ours("sa{sv}", body(text)) == theirs("sa{sv}", body(sent))


@pytest.mark.parametrize(
    ("signature", "values"),
    [("s", [7]), ("u", ["7"]), ("u", [-1]), ("y", [256]), ("ss", ["one"]), ("(su)", [["one"]])],
)
def test_what_is_not_of_its_type_is_not_sent(signature: str, values: list[Any]) -> None:
    with pytest.raises((AttributeError, ValueError, struct.error)):
        ours(signature, values)


def test_what_is_added_keeps_the_alignment_of_what_was_there() -> None:
    out = bytearray(8)
    for kind, value in zip(SignatureTree("yt").types, [1, 2], strict=True):
        append(out, kind, value)
    assert out == bytes(8) + theirs("yt", [1, 2])

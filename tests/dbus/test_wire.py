from contextlib import suppress
from struct import pack, unpack_from

import pytest
from dbus_next.signature import SignatureTree

from mmid.dbus import wire
from mmid.dbus.wire import HEAD_BYTES, Message, MessageFlag, MessageType, Undecodable, Variant
from tests.dbus.frames import decode, passed_on

SIGNAL = ("/org/mmid1", "org.mmid1.Dialog", "AsrComplete", "s")


def encoded(text: str) -> bytes:
    return wire.encode(Message.new_signal(*SIGNAL, [text]), serial=7)


@pytest.mark.parametrize("text", ["", "x", "seven b", "你好", "a" * 100_000])
def test_the_lengths_in_the_head_are_those_of_the_frame(text: str) -> None:
    frame = encoded(text)
    head = frame[:HEAD_BYTES]
    assert HEAD_BYTES + wire.header_bytes(head) + wire.body_bytes(head) == len(frame)


def test_a_message_comes_back_as_it_was_sent() -> None:
    message = decode(encoded("你好"))
    assert (message.member, message.body, message.serial) == ("AsrComplete", ["你好"], 7)


def test_a_big_endian_head_is_understood() -> None:
    head = b"B" + bytes(3) + (300).to_bytes(4, "big") + bytes(4) + (9).to_bytes(4, "big")
    assert (wire.body_bytes(head), wire.header_bytes(head)) == (300, 16)


def test_a_header_tells_who_calls_what_before_the_body_is_read() -> None:
    message = Message(
        destination="org.mmid1",
        path="/org/mmid1",
        interface="org.mmid1.Dialog",
        member="AskAboutImage",
        signature="ssh",
        body=["你好", "image/png", 0],
        unix_fds=[0],
    )
    frame = passed_on(message, 77, ":1.234")
    assert decode(frame).body == message.body
    header = wire.read_header(frame[: HEAD_BYTES + wire.header_bytes(frame[:HEAD_BYTES])])
    assert (header.path, header.interface, header.member, header.signature) == (
        *("/org/mmid1", "org.mmid1.Dialog", "AskAboutImage", "ssh"),
    )
    assert (header.destination, header.sender, header.serial) == ("org.mmid1", ":1.234", 77)
    assert (header.body, header.unix_fds) == ([], [])


@pytest.mark.parametrize("place", [1, 2], ids=["two types", "another type"])
def test_a_header_field_of_another_type_is_undecodable(place: int) -> None:
    frame = bytearray(encoded("x"))
    frame[HEAD_BYTES + place] += 3
    with pytest.raises(Undecodable, match="the field path has another type"):
        decode(bytes(frame))


@pytest.mark.parametrize("kind", "osgu")
def test_a_header_field_of_a_newer_bus_is_passed_over(kind: str) -> None:
    field = {
        "o": b"\x02\0\0\0/a\0",
        "s": b"\x01\0\0\0a\0",
        "g": b"\x01u\0",
        "u": b"\x07\0\0\0",
    }[kind]
    known = encoded("x")[HEAD_BYTES:]
    (length,) = unpack_from("<I", encoded("x"), 12)
    more = known[:length] + bytes(-length % 8) + bytes((10, 1, ord(kind), 0)) + field
    frame = encoded("x")[:12] + pack("<I", len(more)) + more + bytes(-len(more) % 8)
    assert decode(frame + known[length + -length % 8 :]).body == ["x"]


def test_a_header_that_is_cut_or_garbled_anywhere_is_undecodable_and_nothing_worse() -> None:
    frame = passed_on(Message(destination="a.b", path="/a", member="C"), 1, ":1.7")
    for place in range(1, len(frame)):
        for broken in (frame[:place], frame[:place] + b"\xff" + frame[place + 1 :]):
            with suppress(Undecodable):
                wire.read_header(broken)


@pytest.mark.parametrize(
    ("message", "waits"),
    [
        (Message(destination="a.b", path="/a", member="C"), True),
        (
            Message(destination="a.b", path="/a", member="C", flags=MessageFlag.NO_REPLY_EXPECTED),
            False,
        ),
        (Message.new_signal("/a", "a.b", "C"), False),
        (
            Message(message_type=MessageType.METHOD_RETURN, destination=":1.1", reply_serial=3),
            False,
        ),
    ],
    ids=["call", "call without reply", "broadcast", "reply"],
)
def test_who_waits_for_an_answer_is_seen_in_the_header(message: Message, waits: bool) -> None:
    assert wire.wants_answer(decode(passed_on(message, 1, ":1.7"))) is waits


@pytest.mark.parametrize("text", ["x", None], ids=["signal", "call without arguments"])
@pytest.mark.parametrize("broken", [1, 3], ids=["message type", "protocol version"])
def test_a_message_of_an_unknown_kind_is_undecodable_and_nothing_worse(
    broken: int, text: str | None
) -> None:
    call = Message(destination="a.b", path="/a", member="C")
    frame = bytearray(wire.encode(call, 1) if text is None else encoded(text))
    frame[broken] = 77
    with pytest.raises(Undecodable):
        decode(bytes(frame))


def test_a_frame_that_is_too_short_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        decode(encoded("abc")[:-2])


def test_a_call_without_a_member_is_undecodable() -> None:
    nameless = Message(destination="a.b", path="/a", member="C")
    nameless.member = None  # type: ignore[assignment]
    with pytest.raises(Undecodable, match="member"):
        decode(wire.encode(nameless, 1))


def test_signatures_of_strangers_are_not_kept() -> None:
    before = dict(SignatureTree._cache)
    for count in range(1000):
        signature = format(count, "010b").replace("0", "i").replace("1", "s")
        values = [0 if kind == "i" else "" for kind in signature]
        frame = wire.encode(Message.new_signal("/a", "a.b", "C", signature, values), 1)
        SignatureTree._cache = dict(before)
        decode(frame)
        assert SignatureTree._cache == before


@pytest.mark.parametrize("signature", ["av", "(s)", "a{sv}", "as", "v"])
def test_a_call_brings_variants_of_simple_types_only(signature: str) -> None:
    values = {"av": [], "(s)": ["x"], "a{sv}": {}, "as": [], "v": Variant("s", "x")}
    call = Message(path="/a", member="C", signature="v")
    call.body = [Variant(signature, values[signature])]
    with pytest.raises(Undecodable, match=r"^a variant must not have the type"):
        decode(wire.encode(call, 1))


def test_a_text_that_is_none_is_not_quoted() -> None:
    frame = encoded("what people say x").replace(b"say x", b"say \xff")
    with pytest.raises(Undecodable, match=r"in a body of \d+ bytes") as caught:
        decode(frame)
    assert "people" not in str(caught.value)


def test_what_a_service_tells_of_itself_may_hold_lists_and_tables() -> None:
    told = {"a": Variant("as", ["x"]), "b": Variant("a{sv}", {"c": Variant("ay", b"d")})}
    signal = decode(wire.encode(Message.new_signal("/a", "a.b", "C", "a{sv}", [told]), 1))
    assert wire.plain(signal.body) == [{"a": ["x"], "b": {"c": b"d"}}]


def test_plain_takes_variants_away_at_every_depth() -> None:
    value = {"a": Variant("av", [Variant("s", "x"), Variant("u", 1)])}
    assert wire.plain(value) == {"a": ["x", 1]}


def test_a_reply_is_told_from_a_call() -> None:
    call = Message(destination="a.b", path="/a", member="C", serial=3, sender=":1.1")
    reply = decode(wire.encode(Message.new_method_return(call), 1))
    assert (reply.message_type, reply.reply_serial) == (MessageType.METHOD_RETURN, 3)


@pytest.mark.parametrize(("number", "sender"), [(0, ":1.7"), (1, " :1.")], ids=["number", "sender"])
def test_a_message_that_cannot_be_answered_is_undecodable(number: int, sender: str) -> None:
    frame = passed_on(Message(destination="a.b", path="/a", member="C"), number, sender)
    with pytest.raises(Undecodable, match=r"no number|invalid bus name"):
        decode(frame)

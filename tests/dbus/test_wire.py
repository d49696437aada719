import pytest
from dbus_next.signature import SignatureTree

from mmid.dbus import wire
from mmid.dbus.wire import HEAD_BYTES, Message, MessageType, Undecodable, Variant

SIGNAL = ("/org/mmid1", "org.mmid1.Dialog", "AsrComplete", "s")


def encoded(text: str) -> bytes:
    return wire.encode(Message.new_signal(*SIGNAL, [text]), serial=7)


@pytest.mark.parametrize("text", ["", "x", "seven b", "你好", "a" * 100_000])
def test_the_lengths_in_the_head_are_those_of_the_frame(text: str) -> None:
    frame = encoded(text)
    head = frame[:HEAD_BYTES]
    assert HEAD_BYTES + wire.header_bytes(head) + wire.body_bytes(head) == len(frame)


def test_a_message_comes_back_as_it_was_sent() -> None:
    message = wire.decode(encoded("你好"))
    assert (message.member, message.body, message.serial) == ("AsrComplete", ["你好"], 7)


def test_a_big_endian_head_is_understood() -> None:
    head = b"B" + bytes(3) + (300).to_bytes(4, "big") + bytes(4) + (9).to_bytes(4, "big")
    assert (wire.body_bytes(head), wire.header_bytes(head)) == (300, 16)


@pytest.mark.parametrize(
    ("text", "sent"),
    [("a\0b", "a\N{REPLACEMENT CHARACTER}b"), ("half \ud83d pair", "half ? pair")],
)
def test_a_text_that_dbus_forbids_is_sent_without_the_forbidden_part(text: str, sent: str) -> None:
    assert wire.decode(encoded(text)).body == [sent]
    assert wire.sendable({"k": Variant("s", text)})["k"].value == sent


def test_a_header_is_read_without_its_body() -> None:
    frame = encoded("long " * 1000)
    header = frame[: HEAD_BYTES + wire.header_bytes(frame[:HEAD_BYTES])]
    message = wire.decode_header(header)
    assert (message.member, message.signature, message.body) == ("AsrComplete", "s", [])


@pytest.mark.parametrize("broken", [1, 3], ids=["message type", "protocol version"])
def test_a_message_of_an_unknown_kind_is_undecodable_and_nothing_worse(broken: int) -> None:
    frame = bytearray(encoded("x"))
    frame[broken] = 77
    with pytest.raises(Undecodable):
        wire.decode(bytes(frame))


def test_a_frame_that_is_too_short_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        wire.decode(encoded("abc")[:-2])


def test_signatures_of_strangers_are_not_kept_for_ever() -> None:
    for count in range(1000):
        signature = format(count, "010b").replace("0", "i").replace("1", "s")
        values = [0 if kind == "i" else "" for kind in signature]
        wire.decode(wire.encode(Message.new_signal("/a", "a.b", "C", signature, values), 1))
    assert len(SignatureTree._cache) <= 300


def test_plain_takes_variants_away_at_every_depth() -> None:
    value = {"a": Variant("av", [Variant("s", "x"), Variant("u", 1)])}
    assert wire.plain(value) == {"a": ["x", 1]}


def test_a_reply_is_told_from_a_call() -> None:
    call = Message(destination="a.b", path="/a", member="C", serial=3, sender=":1.1")
    reply = wire.decode(wire.encode(Message.new_method_return(call), 1))
    assert (reply.message_type, reply.reply_serial) == (MessageType.METHOD_RETURN, 3)

import pytest
from dbus_next.signature import SignatureTree

from mmid.dbus import wire
from mmid.dbus.wire import HEAD_BYTES, Message, MessageFlag, MessageType, Undecodable, Variant
from tests.dbus.frames import passed_on

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


def test_the_texts_of_a_header_are_those_of_the_decoded_message() -> None:
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
    assert wire.decode(frame).body == message.body
    header = frame[: HEAD_BYTES + wire.header_bytes(frame[:HEAD_BYTES])]
    assert wire.texts(header) == {
        1: "/org/mmid1",
        2: "org.mmid1.Dialog",
        3: "AskAboutImage",
        wire.DESTINATION: "org.mmid1",
        wire.SENDER: ":1.234",
    }
    assert wire.serial(header) == 77


def test_a_header_field_of_an_unknown_type_is_undecodable() -> None:
    header = bytearray(encoded("x"))
    header[HEAD_BYTES + 2 : HEAD_BYTES + 3] = b"v"
    with pytest.raises(Undecodable, match="header field 1 of the type"):
        wire.texts(bytes(header))


@pytest.mark.parametrize(
    ("message", "asker", "waits"),
    [
        (Message(destination="a.b", path="/a", member="C"), ":1.7", True),
        (
            Message(destination="a.b", path="/a", member="C", flags=MessageFlag.NO_REPLY_EXPECTED),
            ":1.7",
            False,
        ),
        (Message.new_signal("/a", "a.b", "C"), None, False),
        (
            Message(message_type=MessageType.METHOD_RETURN, destination=":1.1", reply_serial=3),
            None,
            False,
        ),
    ],
    ids=["call", "call without reply", "broadcast", "reply"],
)
def test_who_asks_us_and_who_waits_is_seen_in_the_header(
    message: Message, asker: str | None, waits: bool
) -> None:
    header = passed_on(message, 1, ":1.7")
    assert (wire.asker(header), wire.wants_answer(header)) == (asker, waits)


@pytest.mark.parametrize("text", ["x", None], ids=["signal", "call without arguments"])
@pytest.mark.parametrize("broken", [1, 3], ids=["message type", "protocol version"])
def test_a_message_of_an_unknown_kind_is_undecodable_and_nothing_worse(
    broken: int, text: str | None
) -> None:
    call = Message(destination="a.b", path="/a", member="C")
    frame = bytearray(wire.encode(call, 1) if text is None else encoded(text))
    frame[broken] = 77
    with pytest.raises(Undecodable):
        wire.decode(bytes(frame))


def test_a_frame_that_is_too_short_is_undecodable() -> None:
    with pytest.raises(Undecodable):
        wire.decode(encoded("abc")[:-2])


def test_a_call_without_a_member_is_undecodable() -> None:
    nameless = Message(destination="a.b", path="/a", member="C")
    nameless.member = None  # type: ignore[assignment]
    with pytest.raises(Undecodable, match="member"):
        wire.decode(wire.encode(nameless, 1))


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

import asyncio

import pytest

from mmid.dbus.replies import Replies
from mmid.dbus.wire import Message, MessageType
from mmid.errors import BusFailed
from tests.dbus.private_bus import WAIT_S


def reply_to(serial: int) -> Message:
    return Message(message_type=MessageType.METHOD_RETURN, reply_serial=serial)


async def test_each_call_gets_its_own_reply_in_whatever_order_they_come() -> None:
    replies = Replies()
    with replies.awaited(1) as first, replies.awaited(2) as second:
        replies.arrived(reply_to(2))
        replies.arrived(reply_to(1))
        assert [(await one).reply_serial for one in (first, second)] == [1, 2]


async def test_a_reply_that_nobody_waits_for_is_nobodys() -> None:
    replies = Replies()
    replies.arrived(reply_to(1))
    with replies.awaited(1) as reply:
        replies.arrived(reply_to(1))
        replies.arrived(reply_to(1))  # twice
    replies.arrived(reply_to(1))  # too late
    assert reply.result().reply_serial == 1
    assert not replies._awaited


async def test_when_nothing_arrives_any_more_everybody_who_waits_is_told() -> None:
    replies = Replies()
    with replies.awaited(1) as first, replies.awaited(2) as second:
        replies.arrived(reply_to(1))
        replies.fail(BusFailed("the bus is lost"))
        assert (await first).reply_serial == 1
        with pytest.raises(BusFailed, match="lost"):
            await asyncio.wait_for(second, WAIT_S)

import asyncio
import os
import pty

from mmid.cli.mmictl.keyboard import Key, Keyboard


async def test_a_terminal_that_is_closed_quits_and_is_no_error() -> None:
    master, terminal = pty.openpty()
    with Keyboard(terminal) as keyboard:
        os.close(master)
        async with asyncio.timeout(10):
            assert await keyboard.press() is Key.QUIT
    os.close(terminal)


async def test_a_terminal_that_cannot_be_read_any_more_quits_and_is_no_error() -> None:
    other_end, terminal = pty.openpty()
    os.close(terminal)  # whoever reads the other end now gets EIO
    with Keyboard(other_end) as keyboard:
        async with asyncio.timeout(10):
            assert await keyboard.press() is Key.QUIT
    os.close(other_end)


async def test_the_key_that_quits_is_heard_behind_more_keys_than_are_kept() -> None:
    master, terminal = pty.openpty()
    with Keyboard(terminal) as keyboard:
        os.write(master, b" " * 100 + b"q")
        for _ in range(10):  # they are read while nobody takes them, as during a call
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            while await keyboard.press() is not Key.QUIT:
                pass
    os.close(master)
    os.close(terminal)

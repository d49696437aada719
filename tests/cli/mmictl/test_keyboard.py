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

import asyncio
import os
import signal
import sys
import termios
from collections.abc import AsyncIterator
from typing import Self

import pytest

from mmid.dbus.front import Front
from mmid.errors import Busy
from mmid.events import AsrIncomplete, Error, State
from mmid.status import Status
from tests.dbus.private_bus import WAIT_S, NotingApplication, PrivateBus


class Terminal:
    """A real pseudo terminal with ``mmictl talk`` in it."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._keys, self._far_end = os.openpty()
        self._shown = b""
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mmid.cli.mmictl", "--bus", self._address, "talk"),
            stdin=self._far_end,
            stdout=self._far_end,
            stderr=self._far_end,
        )
        asyncio.get_running_loop().add_reader(self._keys, self._read)
        await self.until("Hold Space")
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._keys)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        os.close(self._keys)
        os.close(self._far_end)

    def echoes(self) -> bool:
        """Return whether the terminal shows what is typed, as a shell wants it."""
        return bool(termios.tcgetattr(self._far_end)[3] & termios.ECHO)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def type(self, keys: str) -> None:
        os.write(self._keys, keys.encode())

    async def until(self, text: str) -> None:
        """Wait until something was shown."""
        async with asyncio.timeout(WAIT_S):
            while text not in self.shown:
                self._news.clear()
                await self._news.wait()

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    async def ended(self) -> int:
        return await asyncio.wait_for(self._process.wait(), WAIT_S)

    def _read(self) -> None:
        try:
            data = os.read(self._keys, 4096)
        except OSError:  # the other end was closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._keys)
        self._shown += data
        self._news.set()


@pytest.fixture
def status() -> Status:
    return Status(state=State.LISTENING, connected=True)


@pytest.fixture
async def application(address: str, status: Status) -> AsyncIterator[NotingApplication]:
    application = NotingApplication(status)
    application.front = await Front.open(address, status, application)
    yield application
    await application.front.close()


@pytest.fixture
async def terminal(address: str, application: NotingApplication) -> AsyncIterator[Terminal]:
    async with Terminal(address) as terminal:
        yield terminal


async def command(application: NotingApplication) -> object:
    return (await application.next_call())[0]


async def test_enter_starts_and_enter_stops_as_often_as_one_likes(
    terminal: Terminal, application: NotingApplication
) -> None:
    for _ in range(2):
        terminal.type("\n")
        assert await command(application) == "start_speech"
        await terminal.until("[||||||......]")  # the level is a half
        assert application.calls.empty()
        terminal.type("\n")
        assert await command(application) == "stop_speech"
    await terminal.until("mmid: It is noon.")
    terminal.type("q")
    assert await terminal.ended() == 0


async def test_space_is_let_go_when_it_repeats_no_more(
    terminal: Terminal, application: NotingApplication
) -> None:
    terminal.type("   ")
    assert await command(application) == "start_speech"
    assert await command(application) == "stop_speech"


async def test_space_that_is_only_tapped_waits_for_the_next_key(
    terminal: Terminal, application: NotingApplication
) -> None:
    terminal.type(" ")
    assert await command(application) == "start_speech"
    await terminal.until("0:01 [")  # longer than the first repeat takes
    assert application.calls.empty()
    terminal.type(" ")
    assert await command(application) == "stop_speech"


async def test_a_text_of_wide_letters_stays_in_its_line(
    terminal: Terminal, application: NotingApplication
) -> None:
    assert application.front is not None
    application.front.emit(AsrIncomplete("你" * 60 + "好"))
    await terminal.until("好")
    assert terminal.shown.count("你") == 38, "two columns each, of 79 beside the last one"


async def test_a_speech_that_the_cloud_ends_is_over_here_too(
    terminal: Terminal, application: NotingApplication, status: Status
) -> None:
    terminal.type("\n")
    assert await command(application) == "start_speech"
    status.update(talker="")
    assert await command(application) == "stop_speech"  # which the daemon takes for told twice
    terminal.type("\n")
    assert await command(application) == "start_speech"


async def test_a_refusal_and_an_error_are_shown_and_one_can_try_again(
    terminal: Terminal, application: NotingApplication
) -> None:
    application.error = Busy("somebody else talks")
    terminal.type("\n")
    await terminal.until("not now: somebody else talks")
    application.error = None
    assert application.front is not None
    application.front.emit(Error("connection-lost", "the network went away"))
    await terminal.until("error connection-lost: the network went away")
    assert await command(application) == "start_speech"
    terminal.type("\n")
    assert await command(application) == "start_speech"


async def test_space_that_is_held_speaks_until_it_is_let_go(
    terminal: Terminal, application: NotingApplication
) -> None:
    terminal.type(" ")
    assert await command(application) == "start_speech"
    for pause_s in (0.5, *[0.03] * 20):  # as a keyboard repeats
        await asyncio.sleep(pause_s)
        terminal.type(" ")
        assert application.calls.empty()
    assert await command(application) == "stop_speech"


async def test_a_key_that_is_held_in_vain_is_refused_once(
    terminal: Terminal, application: NotingApplication
) -> None:
    application.error = Busy("somebody else talks")
    terminal.type(" " * 30 + "q")
    assert await terminal.ended() == 0
    assert terminal.shown.count("not now: somebody else talks") == 1


@pytest.mark.parametrize("keys", ["\n", "   "], ids=["Enter", "Space"])
async def test_a_speech_can_be_cancelled(
    terminal: Terminal, application: NotingApplication, keys: str
) -> None:
    terminal.type("c")  # with nothing to cancel
    terminal.type(keys)
    assert await command(application) == "start_speech"
    terminal.type("c")
    assert await command(application) == "cancel_speech"
    await terminal.until("cancelled")
    terminal.type("q")
    assert await terminal.ended() == 0
    assert application.calls.empty()


async def test_the_key_that_quits_ends_the_speech_too(
    terminal: Terminal, application: NotingApplication
) -> None:
    terminal.type("\n")
    assert await command(application) == "start_speech"
    terminal.type("q")
    assert await command(application) == "stop_speech"
    assert await terminal.ended() == 0


async def test_the_terminal_is_left_as_it_was(terminal: Terminal) -> None:
    assert not terminal.echoes()
    terminal.type("\x04")
    assert await terminal.ended() == 0
    assert terminal.echoes()
    assert "\033[?" not in terminal.shown


@pytest.mark.parametrize(
    ("number", "exit_status"), [(signal.SIGINT, 130), (signal.SIGTERM, 0), (signal.SIGHUP, 0)]
)
async def test_who_is_told_to_end_leaves_the_terminal_as_it_was_too(
    terminal: Terminal, number: signal.Signals, exit_status: int
) -> None:
    terminal.type("\n")
    await terminal.until("0:00 [")
    terminal.send(number)
    assert await terminal.ended() == exit_status
    assert terminal.echoes()


async def test_a_bus_that_goes_leaves_the_terminal_as_it_was(
    own_bus: PrivateBus, status: Status
) -> None:
    application = NotingApplication(status)
    front = await Front.open(own_bus.address, status, application)
    async with Terminal(own_bus.address) as terminal:
        terminal.type("\n")
        assert await command(application) == "start_speech"
        own_bus.stop()
        assert await terminal.ended() == 69
        await terminal.until("the connection to the message bus was lost")
        assert terminal.echoes()
    await front.close()

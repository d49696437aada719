"""A board whose microphone, loudspeaker and cloud a test holds in its hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from mmid.errors import AudioDeviceFailed
from mmid.events import Error, Event, State
from mmid.gateway.black_box import BlackBox
from mmid.gateway.board import Board as RealBoard
from mmid.gateway.gateway import Gateway
from mmid.hal import PlayerListener, RecorderListener
from mmid.session.clouds import with_own_rates
from mmid.session.conversation import Conversation
from mmid.session.dialects.multimodal_dialog.dialog import MultimodalDialog
from mmid.session.dialects.multimodal_dialog.directives import ClientInfo
from mmid.session.endpoint import LinkClosed
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import RecordBook
from mmid.session.link import Link
from mmid.session.outbox import Outbox
from mmid.session.supervisor import Supervisor
from mmid.settings import PromptFiles, Settings, WorkMode
from mmid.simcloud.multimodal_dialog.messages import event_text
from mmid.status import Status
from tests.rig.dialog_settings import dialog_settings
from tests.session.doubles import MemoryStore, TestClock

ALICE, BOB = ":1.1", ":1.2"
AMPLE_S = 10.0
TASK = "ab" * 16


class Recorder:
    """A microphone that records what a test says; ``broken`` ones do not open."""

    device = "microphone"

    def __init__(self) -> None:
        self.listener: RecorderListener | None = None
        self.taps: list[RecorderListener] = []
        self.overruns = 0
        self.level = 42
        self.overdue_s = 0.0
        self.broken = False
        self.last_words = b""
        self.beside_replies = False
        self.holds_back = False
        self.then: Callable[[], None] | None = None

    @property
    def recording(self) -> bool:
        return self.listener is not None

    def start(
        self, listener: RecorderListener, *, beside_replies: bool = False, preroll_ms: int = 0
    ) -> None:
        self._open()
        self.listener = listener
        if preroll_ms:
            listener.recorder_audio(b"before " + str(preroll_ms).encode())
        self.beside_replies = beside_replies

    def add_tap(self, tap: RecorderListener) -> None:
        self._open()
        self.taps.append(tap)

    def remove_tap(self, tap: RecorderListener) -> None:
        self.taps.remove(tap)

    def _open(self) -> None:
        if self.broken:
            raise AudioDeviceFailed("microphone is not there")

    def stop(self) -> None:
        listener, self.listener = self.listener, None
        if listener is not None and self.last_words:
            listener.recorder_audio(self.last_words)

    def release(self, then: Callable[[], None]) -> None:
        if self.holds_back:
            self.then = then
            return
        self.stop()
        then()

    def hear(self, data: bytes) -> None:
        assert self.listener is not None
        self.listener.recorder_audio(data)

    def fail(self) -> None:
        listener, self.listener = self.listener, None
        assert listener is not None
        listener.recorder_failed(AudioDeviceFailed("microphone was pulled out"))


class Player:
    """A loudspeaker that plays what it gets when a test says so; ``broken`` ones do not open."""

    device = "loudspeaker"

    def __init__(self) -> None:
        self.listener: PlayerListener | None = None
        self.played = b""
        self.underruns = 0
        self.overdue_s = 0.0
        self.broken = self.finishing = self.samples = False
        self.room = asyncio.Event()
        self.room.set()

    @property
    def playing(self) -> bool:
        return self.listener is not None

    def start(self, listener: PlayerListener, *, samples: bool = False) -> None:
        if self.broken:
            raise AudioDeviceFailed("loudspeaker is not there")
        self.listener, self.samples = listener, samples

    def write(self, data: bytes) -> None:
        assert self.listener is not None
        self.played += data

    @property
    def full(self) -> bool:
        return not self.room.is_set()

    async def wait_room(self) -> None:
        await self.room.wait()

    def finish(self) -> None:
        self.finishing = True

    def flush(self) -> None:
        self.listener = None
        self.finishing = False

    def drain(self) -> None:
        listener, self.listener = self.listener, None
        assert listener is not None
        listener.player_finished()


class Mixer:
    """A volume; ``broken`` cards refuse, ``away`` they cannot even be read."""

    def __init__(self) -> None:
        self._volume, self._muted = 100, False
        self.broken = self.away = False

    @property
    def volume(self) -> int:
        self._check(self.away)
        return self._volume

    @property
    def muted(self) -> bool:
        self._check(self.away)
        return self._muted

    def set_volume(self, percent: int) -> None:
        self._check(self.broken)
        self._volume = percent

    def set_muted(self, muted: bool) -> None:
        self._check(self.broken)
        self._muted = muted

    def _check(self, refuses: bool) -> None:
        if refuses:
            raise AudioDeviceFailed("the card refused")


class Wire(Link):
    """A link to a test: it reads what was sent and says what the cloud would."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self._said: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._news = asyncio.Event()

    @property
    def writable(self) -> bool:
        return True

    def on_writable(self, act: Callable[[], None]) -> None:
        """It always is."""

    def send(self, frame: str | bytes) -> None:
        self.sent.append(frame)
        self._news.set()

    async def receive(self, take: Callable[[str | bytes], bool]) -> None:
        while (frame := await self._said.get()) is not None:
            if not take(frame):
                return
        raise LinkClosed

    async def close(self) -> None:
        """Nothing to close."""

    def say(self, event: str, **fields: Any) -> None:
        self._said.put_nowait(event_text(TASK, "dialog-1", event, fields))

    def state(self, name: str) -> None:
        self.say("DialogStateChanged", state=name)

    def audio(self, data: bytes) -> None:
        self._said.put_nowait(data)

    def hang_up(self) -> None:
        self._said.put_nowait(None)

    @property
    def directives(self) -> list[str]:
        frames = [json.loads(frame) for frame in self.sent if isinstance(frame, str)]
        return [frame["payload"]["input"]["directive"] for frame in frames]

    @property
    def speech(self) -> bytes:
        return b"".join(frame for frame in self.sent if isinstance(frame, bytes))

    async def until(self, directive: str) -> None:
        """Wait until the latest directive is this one."""
        try:
            async with asyncio.timeout(AMPLE_S):
                while self.directives[-1:] != [directive]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"{directive} was not sent, but {self.directives}") from None


class Supervision(Supervisor):
    """A supervisor without a cloud: it notes what it is told, and has the conversation it is given.

    A subclass, so that mypy compares its methods with the supervisor's, and whatever else
    the gateway calls is the real thing, which fails here for want of an access.
    """

    def __init__(self, status: Status) -> None:
        self.conversation = None
        self.told: list[str] = []
        self.hopeful = False
        self._status = status
        self._work_mode = "push2talk"

    def set_work_mode(self, mode: WorkMode) -> None:
        self.told.append("set_work_mode")
        super().set_work_mode(mode)

    def restart(self, why: str) -> None:
        self.told.append("restart")
        if self.conversation is not None:
            self.conversation.leave(why)

    def connect(self) -> None:
        self.told.append("connect")

    def disconnect(self) -> None:
        self.told.append("disconnect")

    def register(self) -> None:
        self.told.append("register")

    def forget(self) -> None:
        self.told.append("forget")

    def use(self, settings: Settings) -> None:
        self.told.append(f"use {settings.dialog.voice}")

    def rest(self) -> None:
        self.told.append("rest")

    def hurry(self) -> bool:
        self.told.append("hurry")
        return self.hopeful

    async def stop(self) -> None:
        self.told.append("stop")


class Board:
    """A gateway, its board, and all they work with."""

    def __init__(
        self, press_wait_s: float = 2.0, *, prompts: PromptFiles | None = None, **settings: Any
    ) -> None:
        dialog = dialog_settings(press_wait_s=press_wait_s, **settings)
        self.status = Status()
        self.store = MemoryStore(DeviceRecord(app_id="mm_01").encode())
        self.book = RecordBook(self.store)
        self.recorder, self.player, self.mixer = Recorder(), Player(), Mixer()
        self.supervision, self.black_box = Supervision(self.status), BlackBox()
        self.clock = TestClock()
        self.host = RealBoard(
            dialog=dialog,
            status=self.status,
            book=self.book,
            black_box=self.black_box,
            clock=self.clock,
            recorder=self.recorder,
            player=self.player,
            mixer=self.mixer,
            prompts=prompts or PromptFiles(),
        )
        self.host.supervisor = self.supervision
        self.gateway = Gateway(
            supervisor=self.supervision,
            board=self.host,
            status=self.status,
            book=self.book,
            black_box=self.black_box,
            clock=self.clock,
            settings=with_own_rates(Settings(dialog=dialog)),
        )
        self.events: list[Event] = []
        self.host.on_event = self._heard
        self.wire = Wire()
        self._news = asyncio.Event()
        self.status.observe(lambda _: self._news.set())

    def _heard(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    @property
    def codes(self) -> list[str]:
        return [event.code for event in self.events if isinstance(event, Error)]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until something is true after an event or a change of the status."""
        async with asyncio.timeout(AMPLE_S):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def shows(self, state: State) -> None:
        await self.until(lambda: self.status.state is state)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Conversation]:
        """Have a dialog that listens, in a connection that a test holds the other end of."""
        dialect = MultimodalDialog(
            ClientInfo("mm_01", "", "tester", "board1", "multimodal-dialog"),
            dialog_settings(),
            work_mode="push2talk",
            task_id=TASK,
            dialog_id="",
            listening_by=asyncio.get_running_loop().time() + AMPLE_S,
        )
        conversation = Conversation(dialect, self.wire, Outbox(8192, 3200), self.host)
        self.supervision.conversation = conversation
        running = asyncio.create_task(conversation.run())
        self.wire.say("Started")
        self.wire.state("Listening")
        await self.shows(State.LISTENING)
        try:
            yield conversation
        finally:
            running.cancel()
            await asyncio.wait({running})
            self.supervision.conversation = None

    async def reply(self) -> None:
        """Let a speech be answered up to the reply's first audio."""
        self.gateway.start_speech(ALICE)
        self.recorder.hear(bytes(640))
        self.gateway.stop_speech(ALICE)
        self.wire.state("Thinking")
        self.wire.state("Responding")
        await self.shows(State.RESPONDING)

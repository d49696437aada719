"""Who holds the microphone, what plays, and what the world is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from mmid.errors import (
    AudioDeviceFailed,
    Busy,
    ConnectionLost,
    InvalidArgument,
    NotReady,
    NotTalking,
    StorageFailed,
    Unsupported,
)
from mmid.events import Error, Event, SpeechStart, State, TtsEnd
from mmid.gateway import Gateway
from mmid.hal import PlayerListener, RecorderListener
from mmid.session.conversation import Conversation
from mmid.session.dialects.multimodal_dialog import MultimodalDialog
from mmid.session.dialects.multimodal_dialog_messages import Identity
from mmid.session.effects import Effect
from mmid.session.license.record import DeviceRecord
from mmid.session.license.record_book import RecordBook
from mmid.session.link import Link
from mmid.session.outbox import Outbox
from mmid.session.supervisor import Supervisor
from mmid.settings import Dialog
from mmid.simcloud.dialog_messages import event_text
from mmid.status import Status
from tests.session.doubles import MemoryStore

ALICE, BOB = ":1.1", ":1.2"
AMPLE_S = 10.0
TASK = "ab" * 16


class Recorder:
    """A microphone that records what a test says; ``broken`` ones do not open."""

    device = "microphone"

    def __init__(self) -> None:
        self.listener: RecorderListener | None = None
        self.overruns = 0
        self.broken = False
        self.last_words = b""

    @property
    def recording(self) -> bool:
        return self.listener is not None

    def start(self, listener: RecorderListener) -> None:
        if self.broken:
            raise AudioDeviceFailed("microphone is not there")
        self.listener = listener

    def stop(self) -> None:
        listener, self.listener = self.listener, None
        if listener is not None and self.last_words:
            listener.recorder_audio(self.last_words)

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
        self.broken = self.finishing = False
        self.room = asyncio.Event()
        self.room.set()

    @property
    def playing(self) -> bool:
        return self.listener is not None

    def start(self, listener: PlayerListener) -> None:
        if self.broken:
            raise AudioDeviceFailed("loudspeaker is not there")
        self.listener = listener

    def write(self, data: bytes) -> None:
        assert self.listener is not None
        self.played += data

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
    """A volume; ``broken`` cards refuse."""

    def __init__(self) -> None:
        self.volume, self.muted, self.broken = 100, False, False

    def set_volume(self, percent: int) -> None:
        self._check()
        self.volume = percent

    def set_muted(self, muted: bool) -> None:
        self._check()
        self.muted = muted

    def _check(self) -> None:
        if self.broken:
            raise AudioDeviceFailed("the card refused")


class Wire(Link):
    """A link to a test: it reads what was sent and says what the cloud would."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []
        self._said: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._news = asyncio.Event()

    async def send(self, frame: str | bytes) -> None:
        self.sent.append(frame)
        self._news.set()

    async def receive(self) -> AsyncIterator[str | bytes]:
        while (frame := await self._said.get()) is not None:
            yield frame
        raise ConnectionLost("the connection broke")

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


class Supervision:
    """What the gateway needs of a supervisor: the conversation, and somebody to tell."""

    def __init__(self) -> None:
        self.conversation: Conversation | None = None
        self.told: list[str] = []

    def __getattr__(self, name: str) -> Callable[[], None]:
        return lambda: self.told.append(name)

    async def stop(self) -> None:
        self.told.append("stop")


class Board:
    """A gateway and all it works with."""

    def __init__(self) -> None:
        self.status = Status()
        self.store = MemoryStore(DeviceRecord(app_id="mm_01").encode())
        self.book = RecordBook(self.store)
        self.recorder, self.player, self.mixer = Recorder(), Player(), Mixer()
        self.supervision = Supervision()
        self.gateway = Gateway(
            status=self.status,
            book=self.book,
            recorder=self.recorder,
            player=self.player,
            mixer=self.mixer,
        )
        self.gateway.supervisor = cast("Supervisor", self.supervision)
        self.events: list[Event] = []
        self.gateway.on_event = self._heard
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
            Identity("mm_01", "", "tester", "board1", "multimodal-dialog"),
            Dialog(),
            task_id=TASK,
            dialog_id="",
            listening_by=asyncio.get_running_loop().time() + AMPLE_S,
        )
        conversation = Conversation(dialect, self.wire, Outbox(8192, 3200), self.gateway)
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


@pytest.fixture
async def board() -> AsyncIterator[Board]:
    made = Board()
    await made.book.load()
    yield made
    await made.book.close()


# --- the microphone has one holder -------------------------------------------------------------


async def test_the_microphone_is_lent_to_one_client(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        assert board.status.talker == ALICE
        with pytest.raises(Busy, match=rf"{ALICE} holds the microphone"):
            board.gateway.start_speech(BOB)
        for command in (board.gateway.stop_speech, board.gateway.cancel_speech):
            with pytest.raises(NotTalking, match=BOB):
                command(BOB)
        assert board.recorder.recording
        assert board.status.talker == ALICE


async def test_a_second_press_of_the_holder_changes_nothing(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.gateway.start_speech(ALICE)
        await board.wire.until("SendSpeech")
        assert board.wire.directives.count("SendSpeech") == 1


async def test_everything_from_the_press_to_the_release_is_sent_in_order(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.recorder.hear(b"first ")
        board.recorder.hear(b"second ")
        board.recorder.last_words = b"last!!"
        board.gateway.stop_speech(ALICE)
        await board.wire.until("StopSpeech")
        assert board.wire.speech == b"first second last!!"
        assert isinstance(board.wire.sent[-1], str)
        assert not board.recorder.recording
        assert board.status.talker == ""


async def test_a_cancelled_speech_is_taken_back(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.gateway.cancel_speech(ALICE)
        await board.wire.until("CancelSpeech")
        assert not board.recorder.recording
        assert board.status.talker == ""


async def test_a_client_that_leaves_the_bus_lets_go_at_once(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        open_after = {}
        for client in (BOB, ALICE):
            board.gateway.client_left(client)
            open_after[client] = board.recorder.recording
        assert open_after == {BOB: True, ALICE: False}
        assert board.status.talker == ""
        await board.wire.until("CancelSpeech")
        board.wire.state("Listening")
        await board.shows(State.LISTENING)
        board.gateway.start_speech(BOB)


async def test_a_release_after_the_cloud_ended_the_speech_is_no_error(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.wire.say("SpeechEnded")
        await board.until(lambda: not board.status.talker)
        assert not board.recorder.recording
        board.gateway.stop_speech(ALICE)
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(BOB)
        assert "StopSpeech" not in board.wire.directives


async def test_a_release_after_the_connection_broke_is_no_error(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.wire.hang_up()
        await board.shows(State.OFFLINE)
        assert board.status.talker == ""
        assert not board.recorder.recording
        assert board.codes == ["connection-lost"]
        board.gateway.stop_speech(ALICE)


async def test_who_never_talked_cannot_stop(board: Board) -> None:
    async with board.connected():
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(ALICE)


async def test_without_a_dialog_nothing_can_be_said(board: Board) -> None:
    commands: list[Callable[[], None]] = [
        lambda: board.gateway.start_speech(ALICE),
        board.gateway.interrupt,
        lambda: board.gateway.ask("what?"),
        lambda: board.gateway.say("this"),
    ]
    for command in commands:
        with pytest.raises(NotReady, match="no dialog is connected: offline"):
            command()
    assert not board.recorder.recording


async def test_nobody_can_ask_while_somebody_talks(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        with pytest.raises(Busy):
            board.gateway.ask("what?")


# --- sound devices that fail -------------------------------------------------------------------


async def test_a_microphone_that_does_not_open_leaves_no_lease_and_sends_nothing(
    board: Board,
) -> None:
    async with board.connected():
        board.recorder.broken = True
        with pytest.raises(AudioDeviceFailed, match="microphone is not there"):
            board.gateway.start_speech(ALICE)
        assert board.status.talker == ""
        board.recorder.broken = False
        board.gateway.start_speech(BOB)
        await board.wire.until("SendSpeech")
        assert board.wire.directives == ["Start", "SendSpeech"]


async def test_a_microphone_that_fails_in_mid_speech_is_told_and_the_speech_taken_back(
    board: Board,
) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.recorder.overruns = 3
        board.recorder.fail()
        await board.wire.until("CancelSpeech")
        assert Error("audio-device", "microphone was pulled out") in board.events
        assert board.status.talker == ""
        assert board.status.recorder_overruns == 3


async def test_a_loudspeaker_that_does_not_open_ends_the_turn_all_the_same(board: Board) -> None:
    async with board.connected():
        board.player.broken = True
        await board.reply()
        assert Error("audio-device", "loudspeaker is not there") in board.events
        board.wire.audio(bytes(4800))
        board.wire.say("RespondingEnded")
        await board.wire.until("LocalRespondingEnded")
        assert board.player.played == b""


async def test_a_loudspeaker_that_fails_in_mid_reply_ends_the_turn_all_the_same(
    board: Board,
) -> None:
    async with board.connected():
        await board.reply()
        board.player.underruns = 2
        board.gateway.player_failed(AudioDeviceFailed("loudspeaker was pulled out"))
        assert board.codes == ["audio-device"]
        assert board.status.player_underruns == 2
        board.wire.say("RespondingEnded")
        await board.wire.until("LocalRespondingEnded")


# --- the reply ---------------------------------------------------------------------------------


async def test_the_end_of_a_reply_is_when_it_was_heard(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.wire.audio(b"hello ")
        board.wire.audio(b"world!")
        board.wire.say("RespondingEnded")
        await board.until(lambda: TtsEnd() in board.events)
        assert board.player.played == b"hello world!"
        assert board.player.finishing
        board.gateway.player_started()
        await board.wire.until("LocalRespondingStarted")
        board.player.drain()
        await board.wire.until("LocalRespondingEnded")


async def test_an_interruption_silences_the_loudspeaker_at_once(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.gateway.interrupt()
        assert not board.player.playing
        await board.wire.until("RequestToSpeak")


async def test_the_network_waits_while_the_loudspeaker_is_full(board: Board) -> None:
    async with board.connected():
        await board.reply()
        board.player.room.clear()
        board.wire.audio(b"hello ")
        board.wire.audio(b"world!")
        waiting = asyncio.create_task(board.gateway.room())
        await asyncio.wait({waiting}, timeout=0.05)
        assert not waiting.done()
        assert board.player.played == b"hello "
        board.player.room.set()
        await waiting
        board.wire.say("RespondingEnded")
        await board.until(lambda: TtsEnd() in board.events)
        assert board.player.played == b"hello world!"


# --- the dialog --------------------------------------------------------------------------------


async def test_the_dialog_id_is_shown_and_kept(board: Board) -> None:
    async with board.connected():
        assert board.status.dialog_id == "dialog-1"
        assert board.status.connected
    await board.book.close()
    assert DeviceRecord.decode(board.store.payload or b"").dialog_id == "dialog-1"


async def test_a_new_dialog_forgets_the_old_one_and_begins_at_once(board: Board) -> None:
    async with board.connected():
        board.gateway.new_dialog()
        assert board.status.dialog_id == ""
        assert board.book.record.dialog_id == ""
        assert board.supervision.told == ["restart"]
        assert board.codes == []


@pytest.mark.parametrize("moment", ["talking", "responding"])
async def test_a_new_dialog_ends_a_turn_with_an_error(board: Board, moment: str) -> None:
    async with board.connected():
        if moment == "talking":
            board.gateway.start_speech(ALICE)
        else:
            await board.reply()
        board.gateway.new_dialog()
        assert len(board.codes) == 1


@pytest.mark.parametrize(("command", "kind"), [("ask", "prompt"), ("say", "transcript")])
async def test_ask_and_say_put_a_text_to_the_cloud(board: Board, command: str, kind: str) -> None:
    async with board.connected():
        getattr(board.gateway, command)("what is the time?")
        await board.wire.until("RequestToRespond")
        frame = json.loads(cast("str", board.wire.sent[-1]))
        asked = frame["payload"]["input"]
        assert (asked["type"], asked["text"]) == (kind, "what is the time?")


async def test_an_image_is_put_to_the_dialect_as_it_is(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object]] = []

    def ask(text: str, now: float, *, images: object) -> list[Effect]:
        asked.append((text, images))
        return []

    with pytest.raises(NotReady):
        board.gateway.ask_about_image("what is this?", b"a photograph")
    async with board.connected():
        monkeypatch.setattr(board.gateway._conversation().dialect, "ask", ask)
        board.gateway.ask_about_image("what is this?", b"a photograph")
    assert asked == [("what is this?", (b"a photograph",))]


async def test_connect_and_disconnect_and_register_go_to_the_supervisor(board: Board) -> None:
    board.gateway.connect()
    board.gateway.disconnect()
    await board.gateway.register()
    assert board.supervision.told == ["connect", "disconnect", "register"]


async def test_reset_stops_erases_and_forgets_in_this_order(board: Board) -> None:
    await board.gateway.reset()
    assert board.supervision.told == ["stop", "forget"]
    assert board.store.payload is None
    assert board.book.record == DeviceRecord()


async def test_a_reset_that_fails_says_so_and_forgets_nothing(board: Board) -> None:
    board.store.broken = True
    with pytest.raises(StorageFailed):
        await board.gateway.reset()
    assert board.book.record.app_id == "mm_01"
    assert "forget" not in board.supervision.told


# --- properties --------------------------------------------------------------------------------


async def test_the_volume_is_the_mixers(board: Board) -> None:
    board.gateway.set_volume(30)
    board.gateway.set_muted(True)
    assert (board.status.volume, board.status.muted) == (30, True)
    assert (board.mixer.volume, board.mixer.muted) == (30, True)


@pytest.mark.parametrize("percent", [-1, 101, 2**32 - 1])
async def test_a_volume_out_of_range_is_refused(board: Board, percent: int) -> None:
    with pytest.raises(InvalidArgument, match=f"0 to 100, not {percent}"):
        board.gateway.set_volume(percent)
    assert board.mixer.volume == 100


async def test_a_card_that_refuses_changes_nothing(board: Board) -> None:
    board.mixer.broken = True
    with pytest.raises(AudioDeviceFailed):
        board.gateway.set_volume(30)
    with pytest.raises(AudioDeviceFailed):
        board.gateway.set_muted(True)
    assert (board.status.volume, board.status.muted) == (100, False)


async def test_the_work_mode_is_checked(board: Board) -> None:
    board.gateway.set_work_mode("push2talk")
    with pytest.raises(Unsupported, match="duplex is not in this version"):
        board.gateway.set_work_mode("duplex")
    with pytest.raises(InvalidArgument, match="not 'walkie-talkie'"):
        board.gateway.set_work_mode("walkie-talkie")


async def test_the_events_of_a_turn_reach_the_listener(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        assert board.events[-1] == SpeechStart()

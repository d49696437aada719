"""Who holds the microphone, from the press to the release, and where what is said goes."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mmid.errors import (
    AudioDeviceFailed,
    Busy,
    NotReady,
    NotTalking,
    Unsupported,
)
from mmid.events import Error, SpeechPrepare, State
from mmid.session.effects import StartRecorder, StopRecorder
from tests.gateway.board import ALICE, AMPLE_S, BOB, Board


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


async def test_everything_from_the_press_to_the_release_is_sent_in_order(
    board: Board,
) -> None:
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


async def test_what_the_device_holds_back_at_the_release_is_waited_for(board: Board) -> None:
    async with board.connected():
        board.recorder.holds_back = True
        board.gateway.start_speech(ALICE)
        board.recorder.hear(b"first ")
        board.gateway.stop_speech(ALICE)
        with pytest.raises(NotTalking, match="released the microphone already"):
            board.gateway.stop_speech(ALICE)
        board.recorder.last_words = b"last!!"
        assert board.recorder.then
        board.recorder.then()
        await board.wire.until("StopSpeech")
        assert board.wire.speech == b"first last!!"
        assert not board.recorder.recording
        assert board.status.talker == ""


@pytest.mark.parametrize("command", ["press", "cancel", "leave"])
async def test_nobody_waits_for_what_the_device_holds_back(board: Board, command: str) -> None:
    async with board.connected():
        board.recorder.holds_back = True
        board.gateway.start_speech(ALICE)
        board.gateway.stop_speech(ALICE)
        if command == "press":
            board.gateway.start_speech(BOB)
            await board.wire.until("RequestToSpeak")
            assert "StopSpeech" in board.wire.directives
        elif command == "cancel":
            board.gateway.cancel_speech(ALICE)
            await board.wire.until("CancelSpeech")
        else:  # what a program has released is answered, also if it ends right after
            board.gateway.client_left(ALICE)
            await board.wire.until("StopSpeech")
        assert board.recorder.recording is (command == "press")
        assert board.status.talker == (BOB if command == "press" else "")


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


@pytest.mark.parametrize("again", ["stop_speech", "cancel_speech"])
@pytest.mark.parametrize("first", ["stop_speech", "cancel_speech"])
async def test_a_speech_ends_once(board: Board, first: str, again: str) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        getattr(board.gateway, first)(ALICE)
        with pytest.raises(NotTalking, match=f"{ALICE} does not hold the microphone, nobody does"):
            getattr(board.gateway, again)(ALICE)


async def test_of_a_speech_that_the_cloud_ended_one_release_is_no_error(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.wire.say("SpeechEnded")
        await board.until(lambda: not board.status.talker)
        board.gateway.stop_speech(ALICE)
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(ALICE)


async def test_a_press_takes_the_place_of_a_speech_that_the_cloud_ended(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        board.wire.say("SpeechEnded")
        await board.until(lambda: not board.status.talker)
        board.wire.state("Listening")
        await board.shows(State.LISTENING)
        board.gateway.start_speech(BOB)
        with pytest.raises(NotTalking, match=f"{ALICE} does not hold the microphone, {BOB} does"):
            board.gateway.stop_speech(ALICE)
        assert board.status.talker == BOB


async def test_who_never_talked_cannot_stop(board: Board) -> None:
    async with board.connected():
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(ALICE)


async def test_without_a_dialog_nothing_can_be_said(board: Board) -> None:
    commands: list[Callable[[], object]] = [
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


# --- a press that comes before the dialog is ready ----------------------------------------------


@pytest.fixture
def hopeful(board: Board) -> Board:
    """A board that is about to be connected."""
    board.supervision.hopeful = True
    return board


def press(board: Board, client: str = ALICE) -> "asyncio.Future[None]":
    """Press early; what is returned ends when the press is accepted."""
    answer = board.gateway.start_speech(client)
    assert answer is not None
    return asyncio.ensure_future(answer)


async def test_what_is_said_before_the_dialog_is_ready_is_sent_first(hopeful: Board) -> None:
    accepted = press(hopeful)
    assert hopeful.status.talker == ALICE
    hopeful.recorder.hear(b"first ")
    hopeful.recorder.hear(b"second ")
    async with hopeful.connected():
        await accepted
        hopeful.recorder.hear(b"third!")
        hopeful.gateway.stop_speech(ALICE)
        await hopeful.wire.until("StopSpeech")
        assert hopeful.wire.speech == b"first second third!"
        assert hopeful.wire.directives == ["Start", "SendSpeech", "StopSpeech"]


async def test_none_of_it_counts_as_too_much_for_the_network(hopeful: Board) -> None:
    accepted = press(hopeful)
    said = bytes(range(250)) * 256
    for place in range(0, len(said), 3200):
        hopeful.recorder.hear(said[place : place + 3200])
    async with hopeful.connected():
        await accepted
        hopeful.gateway.stop_speech(ALICE)
        await hopeful.wire.until("StopSpeech")
    assert hopeful.wire.speech == said
    assert hopeful.status.speech_dropped_bytes == 0


async def test_a_press_that_was_released_before_the_dialog_is_ready_is_answered(
    hopeful: Board,
) -> None:
    accepted = press(hopeful)
    hopeful.recorder.hear(b"quick ")
    hopeful.recorder.last_words = b"press!"
    hopeful.gateway.stop_speech(ALICE)
    assert not hopeful.recorder.recording
    assert hopeful.status.talker == ""
    async with hopeful.connected():
        await accepted
        await hopeful.wire.until("StopSpeech")
        assert hopeful.wire.speech == b"quick press!"


async def test_a_press_that_waits_is_released_once(hopeful: Board) -> None:
    accepted = press(hopeful)
    hopeful.gateway.stop_speech(ALICE)
    with pytest.raises(NotTalking, match="released the microphone already"):
        hopeful.gateway.stop_speech(ALICE)
    async with hopeful.connected():
        await accepted
        await hopeful.wire.until("StopSpeech")
        with pytest.raises(NotTalking):
            hopeful.gateway.stop_speech(ALICE)


async def test_of_a_speech_that_waits_for_long_the_last_five_seconds_are_kept() -> None:
    board = Board(press_wait_s=60.0)
    board.supervision.hopeful = True
    accepted = press(board)
    second = 32000
    for number in range(8):
        board.recorder.hear(bytes([number]) * second)
    assert board.status.speech_dropped_bytes == 3 * second
    assert board.codes == ["network-slow"]
    async with board.connected():
        await accepted
        board.gateway.stop_speech(ALICE)
        await board.wire.until("StopSpeech")
        assert board.wire.speech == b"".join(bytes([number]) * second for number in range(3, 8))


async def test_a_dialog_that_is_lost_before_it_was_ready_does_not_close_the_microphone(
    hopeful: Board,
) -> None:
    """The press that waits is for the next dialog, and so is the rest of the speech."""
    accepted = press(hopeful)
    hopeful.recorder.hear(b"first ")
    hopeful.host.perform(StopRecorder())  # as each connection that ends has it
    assert hopeful.status.talker == ALICE
    hopeful.recorder.hear(b"second")
    async with hopeful.connected():
        await accepted
        hopeful.gateway.stop_speech(ALICE)
        await hopeful.wire.until("StopSpeech")
        assert hopeful.wire.speech == b"first second"


async def test_whoever_was_refused_may_still_release(hopeful: Board) -> None:
    accepted = press(hopeful)
    hopeful.gateway.disconnect()
    await asyncio.wait({accepted})
    hopeful.gateway.stop_speech(ALICE)
    with pytest.raises(NotTalking):
        hopeful.gateway.stop_speech(ALICE)


async def test_the_events_of_the_press_come_after_those_of_the_connection(
    hopeful: Board,
) -> None:
    accepted = press(hopeful)
    async with hopeful.connected():
        await accepted
        await hopeful.wire.until("SendSpeech")
    names = [type(event).__name__ for event in hopeful.events]
    assert names[:3] == ["SpeechReady", "SpeechPrepare", "SpeechStart"]


async def test_a_press_is_refused_when_the_dialog_is_not_ready_in_time() -> None:
    board = Board(press_wait_s=0.05)
    board.supervision.hopeful = True
    accepted = press(board)
    with pytest.raises(NotReady, match=r"no dialog was ready within 0\.05 s"):
        await accepted
    assert not board.recorder.recording
    assert board.status.talker == ""
    async with board.connected():
        assert "SendSpeech" not in board.wire.directives, "a refused speech is never sent later"


async def test_a_press_without_hope_is_refused_at_once(board: Board) -> None:
    with pytest.raises(NotReady, match="no dialog is connected: offline"):
        board.gateway.start_speech(ALICE)
    assert not board.recorder.recording


async def test_with_no_wait_a_press_is_refused_at_once() -> None:
    board = Board(press_wait_s=0.0)
    board.supervision.hopeful = True
    with pytest.raises(NotReady):
        board.gateway.start_speech(ALICE)


async def test_a_press_asks_for_an_attempt_now(hopeful: Board) -> None:
    accepted = press(hopeful)
    assert hopeful.supervision.told == ["hurry"]
    hopeful.gateway.cancel_speech(ALICE)
    await asyncio.wait({accepted})


async def test_only_one_press_waits(hopeful: Board) -> None:
    first, again = press(hopeful), press(hopeful)
    with pytest.raises(Busy, match=f"{ALICE} holds the microphone"):
        hopeful.gateway.start_speech(BOB)
    hopeful.gateway.stop_speech(ALICE)
    with pytest.raises(Busy, match=f"a speech of {ALICE} waits"):
        hopeful.gateway.start_speech(BOB)
    async with hopeful.connected():
        await asyncio.gather(first, again)
        await hopeful.wire.until("StopSpeech")
        assert hopeful.wire.directives.count("SendSpeech") == 1


@pytest.mark.parametrize("release_before", [False, True], ids=["held", "released"])
async def test_a_press_that_is_cancelled_before_the_dialog_is_ready_is_never_sent(
    hopeful: Board, release_before: bool
) -> None:
    accepted = press(hopeful)
    hopeful.recorder.hear(b"never mind")
    if release_before:
        hopeful.gateway.stop_speech(ALICE)
    hopeful.gateway.cancel_speech(ALICE)
    with pytest.raises(NotReady, match="cancelled"):
        await accepted
    assert not hopeful.recorder.recording
    async with hopeful.connected():
        assert hopeful.wire.directives == ["Start"]


async def test_a_client_that_leaves_takes_its_early_press_with_it(hopeful: Board) -> None:
    accepted = press(hopeful)
    hopeful.gateway.client_left(ALICE)
    with pytest.raises(NotReady):
        await accepted
    assert hopeful.status.talker == ""
    assert not hopeful.recorder.recording


async def test_disconnect_refuses_the_press_that_waits(hopeful: Board) -> None:
    accepted = press(hopeful)
    hopeful.gateway.disconnect()
    with pytest.raises(NotReady, match="Disconnect"):
        await accepted


async def test_a_microphone_that_fails_meanwhile_refuses_the_press(hopeful: Board) -> None:
    accepted = press(hopeful)
    hopeful.recorder.fail()
    with pytest.raises(AudioDeviceFailed, match="pulled out"):
        await accepted
    assert hopeful.status.talker == ""
    assert hopeful.codes == ["audio-device"]


async def test_a_microphone_that_does_not_open_lets_nobody_wait(hopeful: Board) -> None:
    hopeful.recorder.broken = True
    with pytest.raises(AudioDeviceFailed):
        hopeful.gateway.start_speech(ALICE)
    hopeful.recorder.broken = False
    accepted = press(hopeful)
    hopeful.gateway.disconnect()
    await asyncio.wait({accepted})


async def test_a_caller_that_does_not_wait_for_the_answer_changes_nothing(
    hopeful: Board,
) -> None:
    accepted = press(hopeful)
    await asyncio.sleep(0)
    accepted.cancel()
    hopeful.recorder.hear(b"hello!")
    async with hopeful.connected():
        await hopeful.wire.until("SendSpeech")
        hopeful.gateway.stop_speech(ALICE)
        await hopeful.wire.until("StopSpeech")
        assert hopeful.wire.speech == b"hello!"


async def test_a_press_that_is_refused_after_its_caller_gave_up_is_no_complaint_of_the_loop(
    hopeful: Board,
) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
    accepted = press(hopeful)
    accepted.cancel()  # as every call that waits is, when the daemon stops
    await asyncio.wait({accepted})
    hopeful.gateway.cancel_speech(ALICE)
    gc.collect()
    assert not complaints


async def test_only_a_microphone_that_the_dialog_opens_is_open_beside_replies(
    board: Board,
) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE)
        assert not board.recorder.beside_replies
        board.gateway.cancel_speech(ALICE)
        board.host.perform(StartRecorder())
        assert board.recorder.beside_replies


async def test_in_duplex_nobody_presses(hopeful: Board) -> None:
    hopeful.supervision.set_work_mode("duplex")
    with pytest.raises(Unsupported, match="in duplex"):
        hopeful.gateway.start_speech(ALICE)


async def test_another_work_mode_refuses_the_press_that_waits(hopeful: Board) -> None:
    accepted = press(hopeful)
    hopeful.gateway.set_work_mode("duplex")
    with pytest.raises(NotReady, match="work mode"):
        await accepted
    assert not hopeful.recorder.recording


# --- a microphone that fails, or loses something ------------------------------------------------


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


async def test_speech_that_the_network_is_too_slow_for_is_counted_and_told_once_a_speech(
    board: Board,
) -> None:
    async with board.connected():
        for speech in (1, 2):
            board.gateway.start_speech(ALICE)
            for _ in range(3):
                board.host.speech_dropped(3200)
            board.gateway.cancel_speech(ALICE)
            assert board.codes == ["network-slow"] * speech
            assert board.status.speech_dropped_bytes == speech * 9600
            board.wire.state("Listening")
            await board.wire.until("CancelSpeech")
            await board.until(lambda: isinstance(board.events[-1], SpeechPrepare))


async def test_the_dialog_opens_the_microphone_itself_and_nobody_holds_it(
    board: Board,
) -> None:
    async with board.connected():
        board.host.perform(StartRecorder())
        assert board.recorder.recording
        assert board.status.talker == ""
        board.host.perform(StartRecorder())
        board.host.perform(StopRecorder())
        assert not board.recorder.recording


async def test_a_microphone_that_stays_away_is_told_once_and_again_after_it_worked(
    board: Board,
) -> None:
    board.recorder.broken = True
    for _ in range(3):
        board.host.perform(StartRecorder())
    assert board.codes == ["audio-device"]
    board.recorder.broken = False
    board.host.perform(StartRecorder())
    board.host.perform(StopRecorder())
    board.recorder.broken = True
    board.host.perform(StartRecorder())
    assert board.codes == ["audio-device"] * 2


async def test_a_press_ends_by_itself_after_the_time_that_its_client_wished(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE, 0.02)
        board.recorder.hear(bytes(3200))
        await board.wire.until("StopSpeech")
        assert board.status.talker == ""
        board.gateway.stop_speech(ALICE)  # they may have crossed on the way
        with pytest.raises(NotTalking):
            board.gateway.stop_speech(ALICE)


async def test_a_press_that_was_released_in_time_is_ended_once(board: Board) -> None:
    async with board.connected():
        board.gateway.start_speech(ALICE, 0.02)
        board.gateway.stop_speech(ALICE)
        await board.wire.until("StopSpeech")
        await asyncio.sleep(0.05)
        assert board.wire.directives.count("StopSpeech") == 1


async def test_what_a_tap_heard_before_a_press_is_said_first(board: Board) -> None:
    async with board.connected():
        assert board.gateway.start_speech(ALICE, preroll_ms=800) is None
        board.recorder.hear(b" and after")
        board.gateway.stop_speech(ALICE)
        await board.wire.until("StopSpeech")
        assert board.wire.speech == b"before 800 and after"


async def press_that_ended_by_itself(hopeful: Board) -> Awaitable[None]:
    waiting = hopeful.gateway.start_speech(ALICE, 0.02)
    assert waiting is not None
    hopeful.recorder.hear(b"hello!")
    await hopeful.until(lambda: not hopeful.status.talker)
    return waiting


async def test_an_early_press_that_ended_by_itself_and_was_released_is_still_answered(
    hopeful: Board,
) -> None:
    waiting = await press_that_ended_by_itself(hopeful)
    hopeful.gateway.stop_speech(ALICE)
    with pytest.raises(NotTalking):
        hopeful.gateway.stop_speech(ALICE)
    async with hopeful.connected():
        async with asyncio.timeout(AMPLE_S):
            await waiting
        await hopeful.wire.until("StopSpeech")
        assert hopeful.wire.speech == b"hello!"


async def test_an_early_press_that_ended_by_itself_may_be_released_when_it_was_taken(
    hopeful: Board,
) -> None:
    waiting = await press_that_ended_by_itself(hopeful)
    async with hopeful.connected():
        await waiting
        await hopeful.wire.until("StopSpeech")
        hopeful.gateway.stop_speech(ALICE)
        with pytest.raises(NotTalking):
            hopeful.gateway.stop_speech(ALICE)


async def test_an_early_press_that_ended_by_itself_may_be_released_when_it_was_refused(
    hopeful: Board,
) -> None:
    waiting = await press_that_ended_by_itself(hopeful)
    hopeful.gateway.disconnect()
    with pytest.raises(NotReady):
        await waiting
    hopeful.gateway.stop_speech(ALICE)
    with pytest.raises(NotTalking):
        hopeful.gateway.stop_speech(ALICE)


async def test_an_early_press_that_was_released_and_then_refused_is_over(hopeful: Board) -> None:
    waiting = await press_that_ended_by_itself(hopeful)
    hopeful.gateway.stop_speech(ALICE)
    hopeful.gateway.disconnect()
    with pytest.raises(NotReady):
        await waiting
    with pytest.raises(NotTalking):
        hopeful.gateway.stop_speech(ALICE)

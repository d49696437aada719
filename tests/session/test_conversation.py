"""A dialect over a real link: every end is an end, and nothing is left behind."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.errors import CloudRefused, ConnectionLost, MalformedMessage
from mmid.events import (
    AsrEnd,
    AsrStart,
    Error,
    Heartbeat,
    SpeechPrepare,
    SpeechStart,
    State,
    TtsEnd,
    TtsStart,
)
from mmid.session.dialects import heartbeat
from mmid.session.dialects.multimodal_dialog.stages import STAGES
from mmid.session.effects import (
    Effect,
    Emit,
    FlushPlayer,
    Next,
    Play,
    Send,
    Show,
    StopRecorder,
)
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.scenario import Fault, Scenario
from tests.session.doubles import Host
from tests.session.stuck import stuck
from tests.session.talking import SPEECH, Talk, talking

pytestmark = pytest.mark.usefixtures("quick_stop")

# Every moment of a push-to-talk turn at which the cloud may do something odd.
MOMENTS = [
    "Start",
    "Started",
    "Listening",
    "SendSpeech",
    "SpeechAudio",
    "SpeechStarted",
    "StopSpeech",
    "Thinking",
    "RespondingStarted",
    "ReplyAudio",
    "RespondingEnded",
    "LocalRespondingEnded",
]
# At the others it depends on who is faster.
BEFORE_TURN = ["Start", "Started"]
IN_TURN = ["SendSpeech", "SpeechAudio", "SpeechStarted", "StopSpeech", "Thinking", "ReplyAudio"]
LEAVE_S = 2.0


@asynccontextmanager
async def clouded(directory: Path, *faults: Fault, **script: Any) -> AsyncIterator[SimCloud]:
    scenario = Scenario(**{"thinking_ms": 1, "pace": 0.0, "faults": faults, **script})
    async with SimCloud(directory, scenario=scenario) as cloud:
        yield cloud


def check_closed(talk: Talk) -> None:
    """Check that a conversation that ended has let go of everything."""
    effects = talk.host.effects
    assert talk.last_state is State.OFFLINE
    tail = effects[-12:]
    assert StopRecorder() in tail
    assert FlushPlayer() in tail
    flushed = len(effects) - 1 - effects[::-1].index(FlushPlayer())
    assert not [effect for effect in effects[flushed:] if isinstance(effect, Play)]
    events = talk.host.events
    assert events.count(AsrStart()) == events.count(AsrEnd())
    assert events.count(TtsStart()) == events.count(TtsEnd())
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in left if name.startswith("mmid-")]
    assert talk.conversation._link._connection.transport.is_closing()


async def ended(talk: Talk) -> Exception | None:
    """Talk until the cloud ends it; return why it ended."""
    assert not await talk.turn()
    close = await talk.end()
    check_closed(talk)
    assert close.next is Next.RETRY
    return close.error


# --- faults that end a connection --------------------------------------------------------------


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_connection_that_breaks_is_an_end(cloud_directory: Path, moment: str) -> None:
    async with (
        clouded(cloud_directory, Fault(moment, "drop")) as cloud,
        talking(cloud) as talk,
    ):
        error = await ended(talk)
        assert isinstance(error, ConnectionLost)
        told = [each.code for each in talk.host.errors]
        if moment in IN_TURN:
            assert told == ["connection-lost"]
        if moment in BEFORE_TURN:
            assert told == []


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_connection_that_is_closed_is_an_end_with_its_reason(
    cloud_directory: Path, moment: str
) -> None:
    fault = Fault(moment, "close:1011:gone")
    async with clouded(cloud_directory, fault) as cloud, talking(cloud) as talk:
        error = await ended(talk)
        assert isinstance(error, ConnectionLost)
        assert str(error) == "the cloud closed the connection with 1011: gone"


@pytest.mark.parametrize("do", ["huge-text", "invalid-utf8"])
@pytest.mark.parametrize("moment", ["Start", "Listening", "SpeechAudio", "Thinking", "ReplyAudio"])
async def test_a_message_that_breaks_the_connection_is_told(
    cloud_directory: Path, moment: str, do: str
) -> None:
    async with clouded(cloud_directory, Fault(moment, do)) as cloud, talking(cloud) as talk:
        error = await ended(talk)
        assert isinstance(error, MalformedMessage)
        assert Error("malformed-message", str(error)) in talk.host.errors


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_task_that_fails_is_told_in_the_clouds_words(
    cloud_directory: Path, moment: str
) -> None:
    fault = Fault(moment, "task-failed:Throttling:too many of you")
    async with clouded(cloud_directory, fault) as cloud, talking(cloud) as talk:
        error = await ended(talk)
        assert isinstance(error, CloudRefused)
        assert talk.host.errors == [Error("Throttling", "too many of you")]


@pytest.mark.parametrize(
    ("status", "following"),
    [
        ("421", Next.RETRY),
        ("432", Next.STOP),
        ("424", Next.LATER),
        ("433", Next.HOURS),
        ("500", Next.RETRY),
    ],
)
async def test_what_follows_a_fatal_error_is_the_dialects_decision(
    cloud_directory: Path, status: str, following: Next
) -> None:
    fault = Fault("Thinking", f"fatal:{status}:Name:message")
    async with clouded(cloud_directory, fault) as cloud, talking(cloud) as talk:
        assert not await talk.turn()
        assert (await talk.end()).next is following


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every deadline of the dialect a fraction of a second."""
    for stage, facts in STAGES.items():
        if facts.renewed_by_text:  # as long as the heartbeat takes
            monkeypatch.setitem(STAGES, stage, replace(facts, deadline_s=0.6))
        elif facts.deadline_s:
            monkeypatch.setitem(STAGES, stage, replace(facts, deadline_s=0.2))
    monkeypatch.setattr(heartbeat, "SILENCE_S", 0.4)
    monkeypatch.setattr(heartbeat, "ANSWER_S", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("moment", ["Start", "Listening", *IN_TURN[::2], "LocalRespondingEnded"])
async def test_a_cloud_that_falls_silent_is_given_up(cloud_directory: Path, moment: str) -> None:
    async with (
        clouded(cloud_directory, Fault(moment, "mute")) as cloud,
        talking(cloud, connect_timeout_s=1.0) as talk,
    ):
        error = await ended(talk)
        assert isinstance(error, ConnectionLost)
        assert "waited in vain" in str(error) or "heartbeat" in str(error)


# --- faults that a conversation survives --------------------------------------------------------


@pytest.mark.parametrize(
    ("do", "errors"),
    [
        ("not-json", 1),
        ("wrong-types", 7),
        ("odd-binary", 0),
        ("early-binary", 0),
        ("unknown-event", 0),
    ],
)
@pytest.mark.parametrize(
    "moment", ["Started", "Listening", "SpeechStarted", "Thinking", "ReplyAudio"]
)
async def test_nonsense_is_told_and_survived(
    cloud_directory: Path, moment: str, do: str, errors: int
) -> None:
    async with clouded(cloud_directory, Fault(moment, do)) as cloud, talking(cloud) as talk:
        assert await talk.turn()
        assert [error.code for error in talk.host.errors] == ["malformed-message"] * errors
        assert cloud.heard[0] == b"".join(SPEECH)
        if moment != "ReplyAudio":
            assert talk.played == cloud.said[0]
        assert (await talk.leave()).error is None
        check_closed(talk)


async def test_nonsense_without_end_is_given_up(cloud_directory: Path) -> None:
    faults = [Fault(moment, "wrong-types") for moment in ("Started", "Listening")]
    async with clouded(cloud_directory, *faults) as cloud, talking(cloud) as talk:
        assert isinstance(await ended(talk), MalformedMessage)


# --- whole turns -------------------------------------------------------------------------------


async def test_two_turns_lose_no_byte_either_way(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.turn()
        assert await talk.turn(nth=2)
        assert list(cloud.heard) == [b"".join(SPEECH)] * 2
        assert talk.played == b"".join(cloud.said)


async def test_the_reader_waits_while_the_loudspeaker_is_full(cloud_directory: Path) -> None:
    class Full(Host):
        def __init__(self) -> None:
            super().__init__()
            self.full = True
            self.opened = asyncio.Event()

        async def room(self) -> None:
            await self.opened.wait()

    host = Full()
    async with clouded(cloud_directory) as cloud, talking(cloud, host=host) as talk:
        turn = asyncio.create_task(talk.turn())
        await cloud.wait_for("reply-end")
        plays = [effect for effect in host.effects if isinstance(effect, Play)]
        assert len(plays) == 1
        assert Emit(TtsEnd()) not in host.effects
        host.opened.set()
        assert await turn
        assert talk.played == cloud.said[0]


@pytest.mark.usefixtures("impatient")
async def test_an_idle_connection_is_kept_by_heartbeats(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.until(Emit(Heartbeat()), nth=2)
        await cloud.wait_for(lambda entry: entry.get("name") == "HeartBeat", nth=2)
        assert talk.last_state is State.LISTENING


async def test_at_rest_nothing_wakes_it_before_the_next_heartbeat(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.until(Emit(SpeechPrepare()))
        timer = talk.conversation._timer
        assert timer is not None
        # The deadline for that readiness, which was armed before, is not waited for.
        assert timer.when() == talk.conversation.dialect.deadline
        assert timer.when() > asyncio.get_running_loop().time() + heartbeat.SILENCE_S - LEAVE_S


# --- what nobody thought of --------------------------------------------------------------------


@pytest.mark.parametrize("receiver", ["receive_text", "receive_binary", "closed"])
async def test_a_fault_of_ours_over_what_the_cloud_sent_is_malformed_input(
    cloud_directory: Path, monkeypatch: pytest.MonkeyPatch, receiver: str
) -> None:
    def stumble(received: object, *_: object) -> list[Effect]:
        raise KeyError(received)

    fault = Fault("ReplyAudio", "close:1011:a secret word")
    async with clouded(cloud_directory, fault) as cloud, talking(cloud) as talk:
        assert await talk.until(Emit(SpeechPrepare()))
        monkeypatch.setattr(talk.conversation.dialect, receiver, stumble)
        talk.speak()
        close = await talk.end()
    assert close.next is Next.RETRY
    assert isinstance(close.error, MalformedMessage)
    assert str(close.error) == "what the cloud sent met a fault (KeyError)"
    assert talk.host.errors[0] == Error("malformed-message", str(close.error))
    assert talk.conversation._link._connection.transport.is_closing()


async def test_a_fault_of_ours_at_a_deadline_ends_the_connection_and_not_its_deadlines(
    cloud_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(_now: float) -> list[Effect]:
        raise KeyError("a secret word")

    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.until(Emit(SpeechPrepare()))
        monkeypatch.setattr(talk.conversation.dialect, "tick", stumble)
        talk.conversation._loop.call_soon(talk.conversation._tick)
        close = await talk.end()
    assert close.next is Next.RETRY
    assert isinstance(close.error, MalformedMessage)


# --- leaving -----------------------------------------------------------------------------------


async def test_leaving_says_stop_and_closes(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.until(Show(State.LISTENING))
        close = await talk.leave()
        assert (close.error, close.next) == (None, Next.RETRY)
        check_closed(talk)
        assert talk.host.errors == []
        await cloud.wait_for(lambda entry: entry.get("name") == "Stop")
        assert (await cloud.wait_for("disconnect"))["code"] == 1000


async def test_leaving_in_mid_speech_sends_what_was_said_before_stop(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.until(Show(State.LISTENING))
        talk.press()
        for chunk in SPEECH:
            talk.conversation.record(chunk)
        await talk.leave()
        spoken = await cloud.wait_for("speech-end")
        assert (spoken["how"], cloud.heard[0]) == ("stopped", b"".join(SPEECH))


async def test_cancelling_closes_everything(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.until(Show(State.LISTENING))
        talk.press()
        talk.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talk.running
        check_closed(talk)


async def test_a_fault_of_our_own_is_not_swallowed(cloud_directory: Path) -> None:
    class Broken(Host):
        def perform(self, effect: Effect) -> None:
            if effect == Emit(SpeechPrepare()):
                raise RuntimeError("our own fault")
            super().perform(effect)

    async with clouded(cloud_directory) as cloud, talking(cloud, host=Broken()) as talk:
        with pytest.raises(RuntimeError, match="our own fault"):
            await talk.end()
        check_closed(talk)


# --- a peer that reads nothing -----------------------------------------------------------------


async def test_leaving_a_peer_that_reads_nothing_ends_in_bounded_time(
    certificates: Certificates,
) -> None:
    async with stuck(certificates) as (talk, _):
        talk.conversation.leave()
        async with asyncio.timeout(LEAVE_S):
            close = await talk.running
        assert close.error is None
        check_closed(talk)


async def test_leaving_a_slow_peer_waits_for_it_to_take_the_last_message(
    certificates: Certificates,
) -> None:
    async with stuck(certificates) as (talk, peer):
        talk.conversation.leave()
        await asyncio.sleep(0)
        peer.read_on()
        await talk.end()
        await peer.done()
        assert peer.heard == ["SendSpeech", "Stop"]


async def test_a_peer_that_takes_no_messages_is_given_up(certificates: Certificates) -> None:
    async with stuck(certificates) as (talk, _):
        talk.conversation.perform([Send("{}")] * 300)
        close = await talk.end()
        assert isinstance(close.error, ConnectionLost)
        assert "messages wait" in str(close.error)
        check_closed(talk)


# --- the wire in the log -----------------------------------------------------------------------


@pytest.mark.parametrize("wire_log", [True, False])
async def test_payloads_are_logged_when_that_is_wanted_only(
    cloud_directory: Path, caplog: pytest.LogCaptureFixture, wire_log: bool
) -> None:
    with caplog.at_level(logging.DEBUG, logger="mmid"):
        async with clouded(cloud_directory) as cloud, talking(cloud, wire_log=wire_log) as talk:
            assert await talk.turn()
            await talk.leave()
    lines = [each.getMessage() for each in caplog.records if each.name.startswith("mmid.session")]
    spoken = [line for line in lines if "what is the weather" in line]
    assert bool(spoken) is wire_log
    assert bool([line for line in lines if '"directive":"Start"' in line]) is wire_log


async def test_speech_is_announced_once_a_turn(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, talking(cloud) as talk:
        assert await talk.turn()
        assert talk.host.effects.count(Emit(SpeechStart())) == 1

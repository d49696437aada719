"""A network that is slower than speech, a reply that is faster than the loudspeaker."""

import asyncio
import tracemalloc
import wave
from pathlib import Path
from typing import cast

import pytest
from websockets.asyncio.server import ServerConnection, serve

from mmid.errors import ConnectionLost
from mmid.events import SpeechPrepare, TtsEnd
from mmid.session import bounded_connection
from mmid.session.conversation import Conversation
from mmid.session.dialects.dialect import Dialect
from mmid.session.effects import Emit, FinishPlayer, Play
from mmid.session.endpoint import Endpoint
from mmid.session.link import open_link
from mmid.session.outbox import Outbox
from mmid.session.tls import Tls
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.scenario import Scenario, ScriptedTurn
from tests.session.doubles import Host
from tests.session.parrot_cloud import ParrotDialect
from tests.session.stuck import stuck
from tests.session.talking import AMPLE_S, Talk, talking

SPEECH_BYTES_PER_S = 32_000
CHUNK = 3200
MEBIBYTE = 1 << 20
# How long nothing must happen to be taken for never.
NEVER_S = 0.5


# --- up ----------------------------------------------------------------------------------------


async def test_what_a_slow_network_delivers_late_is_seconds_never_a_minute(
    certificates: Certificates,
) -> None:
    async with stuck(certificates) as (talk, peer):
        for number in range(600):  # a minute of speech, in chunks of 100 ms
            talk.conversation.record(number.to_bytes(2, "big") * (CHUNK // 2))
            await asyncio.sleep(0)
        peer.read_on()
        talk.release()
        await peer.hears("StopSpeech")
        await talk.leave()
        await peer.done()
    numbers = [int.from_bytes(frame[:2], "big") for frame in peer.speech if frame[:2] != b"\0\0"]
    minute = [number for number in numbers if number]
    assert minute == sorted(minute)
    assert minute[-1] == 599, "the newest is what is kept"
    assert len(minute) * CHUNK <= 3 * SPEECH_BYTES_PER_S
    assert talk.host.dropped_bytes >= 57 * SPEECH_BYTES_PER_S
    assert peer.heard == ["SendSpeech", "StopSpeech", "Stop"]


async def test_memory_does_not_grow_while_nothing_leaves(certificates: Certificates) -> None:
    async with stuck(certificates) as (talk, _):
        tracemalloc.start()
        try:
            for _ in range(3000):  # five minutes
                talk.conversation.record(bytes(CHUNK))
                await asyncio.sleep(0)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < MEBIBYTE // 4
        assert talk.host.dropped_bytes > 280 * SPEECH_BYTES_PER_S


async def test_a_network_that_takes_nothing_while_somebody_talks_is_given_up(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_connection, "_UNACKNOWLEDGED_MS", 300)
    async with stuck(certificates) as (talk, _):
        close = await talk.end()
        assert isinstance(close.error, ConnectionLost)


# --- down --------------------------------------------------------------------------------------


class SlowLoudspeaker(Host):
    """A loudspeaker that takes one frame whenever a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = asyncio.Semaphore(0)
        self.at_once = False
        self.full = True

    async def room(self) -> None:
        if not self.at_once:
            await self.takes.acquire()

    @property
    def played_bytes(self) -> int:
        return sum(len(effect.data) for effect in self.effects if isinstance(effect, Play))


async def test_a_reply_that_comes_at_once_waits_in_the_cloud_not_in_memory(
    cloud_directory: Path, tmp_path: Path
) -> None:
    reply = tmp_path / "reply.wav"
    size = 16 * MEBIBYTE  # five minutes; more than the sockets of two sides hold
    with wave.open(str(reply), "wb") as writer:
        writer.setparams((1, 2, 24000, 0, "NONE", "not compressed"))
        writer.writeframes(bytes(size))
    scenario = Scenario(thinking_ms=1, pace=0.0, turns=(ScriptedTurn(reply_wav=str(reply)),))
    host = SlowLoudspeaker()
    async with (
        SimCloud(cloud_directory, scenario=scenario) as cloud,
        talking(cloud, host=host) as talk,
    ):
        await talk.until(Emit(SpeechPrepare()))
        talk.speak()
        for _ in range(50):
            host.takes.release()
        await host.wait_until(lambda: host.played_bytes >= 50 * 4000, "the first frames")
        transport = talk.conversation._link._connection.transport
        async with asyncio.timeout(AMPLE_S):
            while transport.is_reading():  # noqa: ASYNC110 - a transport tells nobody
                await asyncio.sleep(0.01)
        played = host.played_bytes
        await asyncio.sleep(NEVER_S)
        assert not transport.is_reading()
        assert host.played_bytes == played
        sent = [entry["name"] for entry in cloud.journal.entries if entry["kind"] == "event"]
        assert "RespondingStarted" in sent
        assert "RespondingEnded" not in sent, "the socket is full, and nobody reads it"
        host.at_once = True
        host.takes.release()
        async with asyncio.timeout(AMPLE_S * 3):
            assert await talk.until(Emit(TtsEnd()))
        assert host.played_bytes == size


async def test_an_answer_to_a_ping_that_waits_behind_the_sound_of_a_reply_is_no_silence(
    certificates: Certificates,
) -> None:
    async def reply(connection: ServerConnection) -> None:
        messages: list[str | bytes] = ["ready", "audio", *[bytes(65536)] * 64, "done"]
        for message in messages:
            await connection.send(message)
        await connection.wait_closed()

    host, context = SlowLoudspeaker(), certificates.server_context()
    async with serve(reply, "127.0.0.1", 0, ssl=context, close_timeout=0.1) as server:
        url = f"wss://localhost:{next(iter(server.sockets)).getsockname()[1]}/"
        link = await open_link(Endpoint(url, url, {}), Tls(str(certificates.ca_file)), AMPLE_S)
        dialect = cast("Dialect", ParrotDialect("Polly"))
        conversation = Conversation(dialect, link, Outbox(8192, None), host, ping_s=0.02)
        talk = Talk(host, conversation, asyncio.create_task(conversation.run()))
        await host.wait_until(lambda: host.played_bytes > 0, "the first sound")
        await asyncio.sleep(NEVER_S)
        host.at_once = True
        host.takes.release()
        assert await talk.until(FinishPlayer()), "the cloud was given up while it spoke"
        assert host.played_bytes == 64 * 65536
        await talk.leave()

"""A cloud is one folder and one line: one from outside the tree is added, and spoken to."""

import asyncio
from dataclasses import replace

import pytest
from websockets.asyncio.server import ServerConnection, serve

from mmid.events import LlmComplete, SpeechReady
from mmid.session.clouds import CLOUDS, contradictions, with_own_rates
from mmid.session.effects import Emit, FinishPlayer, Play
from mmid.settings import Cloud, Dialog, License, Settings
from mmid.simcloud.core.certificates import Certificates
from mmid.status import LicenseState
from tests.session.supervised import supervised

AMPLE_S = 10.0
SPEECH = bytes(range(256)) * 25


class Parrot:
    """The far side: says what it heard; keeps what each connection proved itself with."""

    def __init__(self) -> None:
        self.seeds: list[str] = []
        self.hellos: list[str] = []
        self.frames: list[int] = []

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.seeds.append(connection.request.headers["X-Seed"])
        self.hellos.append(str(await connection.recv()))
        await connection.send("ready")
        heard: list[bytes] = []
        while isinstance(frame := await connection.recv(), bytes):
            heard.append(frame)
        self.frames = [len(each) for each in heard]
        await connection.send("audio")
        for each in heard:
            await connection.send(each)
        await connection.send("done")
        await connection.wait_closed()


@pytest.fixture
def parrot_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line."""
    monkeypatch.setitem(CLOUDS, "parrot", "tests.session.parrot_cloud")


@pytest.mark.usefixtures("parrot_cloud")
async def test_a_cloud_from_outside_the_tree_holds_a_dialog(certificates: Certificates) -> None:
    parrot = Parrot()
    context = certificates.server_context()
    async with serve(parrot.serve, "127.0.0.1", 0, ssl=context, close_timeout=0.1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        cloud = Cloud(
            protocol="parrot",
            ws_url=f"wss://localhost:{port}/",
            ca_file=str(certificates.ca_file),
        )
        settings = with_own_rates(Settings(cloud=cloud, license=License(device_name="board1")))
        async with supervised(settings) as rig, asyncio.timeout(AMPLE_S):
            await rig.host.wait_for(Emit(SpeechReady()))
            assert rig.status.license_state is LicenseState.AUTHORIZED
            conversation = rig.supervisor.conversation
            assert conversation is not None
            conversation.start_speech()
            conversation.record(SPEECH)
            conversation.stop_speech()
            await rig.host.wait_for(Emit(LlmComplete("Polly wants a cracker")))
    effects = rig.host.effects
    assert b"".join(one.data for one in effects if isinstance(one, Play)) == SPEECH
    assert FinishPlayer() in effects
    assert parrot.seeds == ["sunflower-seed"]
    assert parrot.hellos == ["hello board1"]
    assert set(parrot.frames[:-1]) == {1280}, "40 ms of 16 kHz, as the cloud says"


@pytest.mark.usefixtures("parrot_cloud")
def test_a_cloud_says_what_of_the_settings_contradicts_it() -> None:
    settings = Settings(cloud=Cloud(protocol="parrot"))
    assert not list(contradictions(settings))
    dialog = Dialog(us_sample_rate=8000, downstream_mode="mp3", video=True)
    found = {one.key: one.why for one in contradictions(replace(settings, dialog=dialog))}
    assert found == {
        "dialog.us_sample_rate": "parrot has 16000",
        "dialog.downstream_mode": "parrot has pcm",
        "dialog.video": "a parrot has no use for it",
    }

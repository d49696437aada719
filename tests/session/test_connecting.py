"""It connects by itself, with what its license asks for, and goes on with its dialog."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmid.events import DataDeinit, DataInit, SpeechPrepare, SpeechReady, State
from mmid.secrets import Secret
from mmid.session.effects import Moved
from mmid.session.license.messages import ExchangeReply, ExchangeRequest, Token
from mmid.simcloud.core.certificates import Certificates
from mmid.simcloud.core.scenario import Fault
from mmid.status import LicenseState
from tests.session.license.keeping import over_https
from tests.session.supervised import clouded, licensed, nobody, supervised
from tests.session.talking import settings_of

pytestmark = pytest.mark.usefixtures("quick_stop")


async def test_it_connects_by_itself(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        assert rig.host.events == [DataInit(), SpeechReady(), SpeechPrepare()]
        assert rig.status.state is State.LISTENING
        assert rig.status.license_state is LicenseState.AUTHORIZED
        assert rig.supervisor.conversation is not None


async def test_it_registers_fetches_a_token_and_connects(cloud_directory: Path) -> None:
    async with clouded(cloud_directory) as cloud, supervised(licensed(cloud), over_https) as rig:
        await rig.listening()
        connected = await cloud.wait_for("connect")
        assert (connected["credential"], connected["device_name"]) == ("token", "board1")
        assert rig.status.registered
        assert rig.codes == []


@pytest.mark.usefixtures("eager")
async def test_after_a_drop_it_goes_on_with_the_same_dialog(cloud_directory: Path) -> None:
    async with (
        clouded(cloud_directory, Fault("Listening", "drop")) as cloud,
        supervised(settings_of(cloud)) as rig,
    ):
        await rig.listening(nth=2)
        first, second = [
            await cloud.wait_for(lambda entry: entry.get("name") == "Start", nth=nth)
            for nth in (1, 2)
        ]
        assert first.get("dialog_id") is None
        assert second["dialog_id"] == rig.status.dialog_id != ""
        assert rig.host.errors == [], "an idle drop that heals needs no Error"
        assert rig.host.events.count(DataDeinit()) == 1
        assert rig.host.events.count(SpeechReady()) == 2


@pytest.mark.usefixtures("eager")
async def test_a_token_that_is_refused_is_replaced(cloud_directory: Path) -> None:
    bogus = iter([Secret("st-bogus-bogus-bogus")])

    async def ask(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
        reply = await over_https(request, timeout_s=timeout_s)
        return replace(reply, token=next(bogus, reply.token)) if isinstance(reply, Token) else reply

    async with clouded(cloud_directory) as cloud, supervised(licensed(cloud), ask) as rig:
        await rig.listening()
        assert (await cloud.wait_for("rejected"))["status"] == 401
        asked = [entry["kind"] for entry in cloud.journal.entries if entry.get("code") == "200"]
        assert asked == ["register", "token", "token"]
        assert rig.codes == ["401"]


@pytest.mark.usefixtures("patient")
async def test_the_way_to_a_dialog_and_its_end_are_moves_for_the_black_box(
    cloud_directory: Path,
) -> None:
    async with clouded(cloud_directory) as cloud, supervised(settings_of(cloud)) as rig:
        await rig.listening()
        rig.supervisor.disconnect()
        await rig.host.wait_for(Moved("offline", "ended politely"))
    moves = [effect for effect in rig.host.effects if isinstance(effect, Moved)]
    assert moves[:2] == [Moved("connecting", "attempt 1"), Moved("dialling", "credential")]


@pytest.mark.usefixtures("patient")
async def test_a_failed_attempt_is_a_move_with_its_cause(certificates: Certificates) -> None:
    async with supervised(nobody(certificates)) as rig:
        await rig.host.wait_for(Moved("offline", "connection-lost"))

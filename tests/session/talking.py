"""A conversation with a simulated cloud, driven as the gateway would drive it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from mmid.events import SpeechPrepare, State
from mmid.session.clouds import with_own_rates
from mmid.session.conversation import Conversation
from mmid.session.dialer import Dialer
from mmid.session.effects import Close, Effect, Emit, FinishPlayer, Play, Show
from mmid.session.license.access import LicenseCredential
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.cloud import SimCloud
from tests.session.doubles import Host

# Far more than anything here needs; a test that reaches it failed.
AMPLE_S = 10.0
# A quarter of a second of something that is not silence. No more than may wait for the
# network, because it is recorded in one instant.
SPEECH = [bytes(range(number, 160 + number)) * 10 for number in range(5)]


def settings_of(cloud: SimCloud, *, connect_timeout_s: float = AMPLE_S) -> Settings:
    """What the settings of a pay-as-you-go device say for this cloud."""
    settings = Settings(
        cloud=Cloud(
            ws_url=cloud.line["ws_url"],
            license_url=cloud.line["license_url"],
            ca_file=str(cloud.ca_file),
            connect_timeout_s=connect_timeout_s,
            workspace_id=cloud.product.workspace_id,
        ),
        license=License(
            mode="pay-as-you-go",
            app_id=cloud.product.app_id,
            app_secret=cloud.product.app_secret,
            api_key=cloud.product.api_key,
            device_name="board1",
        ),
    )
    return with_own_rates(settings)


def credential_of(cloud: SimCloud) -> LicenseCredential:
    """What a pay-as-you-go device connects with."""
    return LicenseCredential(
        cloud.product.api_key, cloud.product.app_id, "board1", cloud.product.workspace_id
    )


@dataclass(slots=True)
class Talk:
    """A conversation that runs, and its host with a loudspeaker that plays at once."""

    host: Host
    conversation: Conversation
    running: asyncio.Task[Close]

    async def until(self, effect: Effect, *, nth: int = 1) -> bool:
        """Wait for an effect; return False if the conversation ended before."""
        waiting = asyncio.create_task(self.host.wait_for(effect, nth=nth))
        await asyncio.wait({waiting, self.running}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            await waiting
        else:
            waiting.cancel()
        return self.host.effects.count(effect) >= nth

    async def turn(self, *, nth: int = 1) -> bool:
        """Speak, and hear the answer; return False if the conversation ended in it."""
        await self.until(Emit(SpeechPrepare()), nth=nth)
        if self.last_state is not State.LISTENING:
            return False
        self.speak()
        return await self.until(Emit(SpeechPrepare()), nth=nth + 1)

    def speak(self) -> None:
        """Press, say something and release."""
        self.press()
        for chunk in SPEECH:
            self.conversation.record(chunk)
        self.release()

    def release(self) -> None:
        """End the speech."""
        self.conversation.stop_speech()

    def press(self) -> None:
        """Begin a speech."""
        self.conversation.start_speech()

    async def end(self) -> Close:
        """Wait for the end of the conversation."""
        async with asyncio.timeout(AMPLE_S):
            return await self.running

    async def leave(self) -> Close:
        """End politely."""
        self.conversation.leave()
        return await self.end()

    @property
    def played(self) -> bytes:
        """What the loudspeaker was given."""
        return b"".join(effect.data for effect in self.host.effects if isinstance(effect, Play))

    @property
    def last_state(self) -> State | None:
        """The state shown last."""
        shown = [effect.state for effect in self.host.effects if isinstance(effect, Show)]
        return shown[-1] if shown else None


@asynccontextmanager
async def talking(
    cloud: SimCloud,
    *,
    host: Host | None = None,
    dialog_id: str = "",
    wire_log: bool = False,
    connect_timeout_s: float = AMPLE_S,
) -> AsyncIterator[Talk]:
    """Connect and run a conversation; it is cancelled at the end of the block."""
    host = host or Host()
    settings = settings_of(cloud, connect_timeout_s=connect_timeout_s)
    settings = replace(settings, log=replace(settings.log, wire=wire_log))
    mode = settings.dialog.work_mode
    conversation = await Dialer(settings).dial(
        credential_of(cloud), lambda: (mode, dialog_id), host
    )
    host.on_effect = _loudspeaker(conversation)
    running = asyncio.create_task(conversation.run(), name="test-conversation")
    try:
        yield Talk(host, conversation, running)
    finally:
        running.cancel()
        await asyncio.wait({running})


def _loudspeaker(conversation: Conversation) -> Callable[[Effect], None]:
    """Return what plays a reply at once: heard with its first samples, finished with its last."""
    loop = asyncio.get_running_loop()
    heard = False

    def play(effect: Effect) -> None:
        nonlocal heard
        if isinstance(effect, Play) and not heard:
            heard = True
            loop.call_soon(conversation.playback_started)
        elif isinstance(effect, FinishPlayer):
            heard = False
            loop.call_soon(conversation.playback_finished)

    return play

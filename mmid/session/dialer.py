"""Dials the cloud; what talks to it is imported when the daemon is ready, not before.

websockets and the dialect are a sixth of all that the daemon imports, and nobody
misses them until there is a credential to connect with: a board that is not
provisioned, or has no time yet, may wait for that for days.
"""

import asyncio

from mmid.errors import SettingsInvalid
from mmid.session.conversation import Conversation, Host
from mmid.session.license.keeper import Credential
from mmid.session.tls import Tls
from mmid.settings import Settings
from mmid.status import Status

__all__ = ["Dialer", "require_built"]


class Dialer:
    """Opens conversations as the settings say."""

    def __init__(self, settings: Settings) -> None:
        require_built(settings)
        self._settings = settings
        self._tls = Tls(settings.cloud.ca_file)
        self._loading = asyncio.Lock()
        self._loaded = False

    def use(self, settings: Settings) -> None:
        """Dial by other settings from now on."""
        if settings.cloud.ca_file != self._settings.cloud.ca_file:
            self._tls = Tls(settings.cloud.ca_file)
        self._settings = settings

    async def load(self) -> None:
        """Import what ``dial`` needs, which does so itself if need be; the loop goes on."""
        async with self._loading:
            if not self._loaded:
                await asyncio.to_thread(_import_opening)
                self._loaded = True

    async def dial(self, credential: Credential, status: Status, host: Host) -> Conversation:
        """Connect; the conversation is ready to ``run``.

        Args:
            credential: what to connect with.
            status: tells the dialog to go on with and the work mode. It is read once we are
                connected, because either may be changed meanwhile.
            host: carries out what the dialect wants.

        Raises:
            CloudError: no connection; see ``open_link``.
            SettingsInvalid: the CA file or the proxy cannot be used.
        """
        await self.load()
        from mmid.session.opening import open_conversation  # noqa: PLC0415 - it is there now

        return await open_conversation(self._settings, self._tls, credential, status, host)


def _import_opening() -> None:
    import mmid.session.opening  # noqa: F401, PLC0415


def require_built(settings: Settings) -> None:
    """Refuse what the settings may say but this version cannot do yet.

    Raises:
        SettingsInvalid: names the key, its value and what is there.
    """
    protocol, there = settings.cloud.protocol, "multimodal-dialog"
    if protocol != there:
        raise SettingsInvalid(
            f"cloud.protocol = {protocol!r} is not in this version; it has {there!r}"
        )

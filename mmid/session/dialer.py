"""Dials the cloud: from a credential to a conversation that is ready to run.

websockets and the dialect are a sixth of all that the daemon imports, and nobody misses
them until there is a credential to connect with. A board that is not provisioned, or has no
time yet, may wait for that for days. So they are imported once the daemon is ready.
"""

import asyncio
import os
from collections.abc import Callable
from importlib import import_module

from mmid.errors import SettingsInvalid
from mmid.session.access import Credential
from mmid.session.clouds import Opening, cloud_of
from mmid.session.conversation import Conversation, Host
from mmid.session.tls import Tls
from mmid.settings import Settings, WorkMode

_SAMPLE_BYTES = 2


class Dialer:
    """Opens conversations with the cloud that the settings name.

    Args:
        settings: which cloud, and how to connect to it.

    Raises:
        SettingsInvalid: there is no such cloud.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cloud = cloud_of(settings.cloud.protocol)
        self._tls = Tls(settings.cloud.ca_file)

    def use(self, settings: Settings) -> None:
        """Dial by other settings from now on; the protocol is the same."""
        if settings.cloud.ca_file != self._settings.cloud.ca_file:
            self._tls = Tls(settings.cloud.ca_file)
        self._settings = settings

    async def load(self) -> None:
        """Import what ``dial`` needs, which does so itself if need be; the loop goes on."""
        for module in ("mmid.session.link", "mmid.session.outbox", *self._cloud.modules):
            await asyncio.to_thread(import_module, module)

    async def rehearse(self, credential: Credential) -> None:
        """See whether the cloud could be dialled, without asking anything there.

        Args:
            credential: what a connection would have; its token need not be one.

        Raises:
            CloudError: no connection, or none that can be trusted; see ``open_link``.
            SettingsInvalid: the CA file, the proxy or a header cannot be used.
        """
        await self.load()
        from mmid.session.link import rehearse  # noqa: PLC0415 - it is there now

        endpoint = self._cloud.endpoint(self._settings, credential)
        await rehearse(endpoint, self._tls, self._settings.cloud.connect_timeout_s)

    async def dial(
        self, credential: Credential, how: Callable[[], tuple[WorkMode, str]], host: Host
    ) -> Conversation:
        """Connect; the conversation is ready to ``run``.

        Args:
            credential: what to connect with.
            how: returns the work mode, and the dialog to go on with or nothing. It is asked
                once we are connected, because either may be changed meanwhile.
            host: carries out what the dialect wants.

        Raises:
            CloudError: no connection; see ``open_link``.
            SettingsInvalid: the CA file, the proxy or a file for the cloud cannot be used.
        """
        await self.load()
        from mmid.session.link import open_link  # noqa: PLC0415 - it is there now
        from mmid.session.outbox import Outbox  # noqa: PLC0415

        settings, cloud = self._settings, self._cloud
        timeout_s = settings.cloud.connect_timeout_s
        ready_by = asyncio.get_running_loop().time() + timeout_s
        endpoint = cloud.endpoint(settings, credential)
        link = await open_link(endpoint, self._tls, timeout_s)
        opening = Opening(settings, credential, *how(), ready_by, os.urandom(16).hex())
        try:
            dialect = cloud.dialect(opening)
        except SettingsInvalid:  # a file that they name was changed since they were judged
            await link.close()
            raise
        return Conversation(
            dialect,
            link,
            Outbox(settings.dialog.recorder_rb_size, self._frame_bytes()),
            host,
            ping_s=endpoint.ping_s,
            wire_log=settings.log.wire,
        )

    def _frame_bytes(self) -> int | None:
        """Return the size of a frame of speech; None for packets, which must stay whole."""
        dialog = self._settings.dialog
        if dialog.upstream_mode != "pcm":
            return None
        return dialog.us_sample_rate * self._cloud.audio.frame_ms // 1000 * _SAMPLE_BYTES

"""Opens a conversation: from a credential to a dialect that talks over a link.

The one place that knows which cloud the settings mean. It brings websockets and the
dialect with it, so ``Dialer`` imports it when the daemon is ready.
"""

import asyncio
import os
from dataclasses import replace
from typing import cast

from mmid.session.conversation import Conversation, Host
from mmid.session.dialects.multimodal_dialog.dialog import MultimodalDialog
from mmid.session.dialects.multimodal_dialog.directives import Identity
from mmid.session.license.keeper import Credential
from mmid.session.link import LinkOptions, open_link
from mmid.session.outbox import Outbox
from mmid.session.tls import Tls
from mmid.settings import Dialog, Settings, WorkMode
from mmid.status import Status

__all__ = ["open_conversation"]

# The cloud's cadence (multimodal-dialog section 8): one binary frame in 100 ms.
_FRAME_S = 0.1
_SAMPLE_BYTES = 2

# client_info.user_id and client_info.device.uuid (multimodal-dialog section 3.3).
_USER_ID_LIMIT = 36
_DEVICE_UUID_LIMIT = 40


async def open_conversation(
    settings: Settings, tls: Tls, credential: Credential, status: Status, host: Host
) -> Conversation:
    """Connect; the conversation is ready to ``run``. See ``Dialer.dial``."""
    cloud = settings.cloud
    started = asyncio.get_running_loop().time()
    options = LinkOptions(cloud.ws_url, tls, cloud.connect_timeout_s)
    link = await open_link(options, credential.token)
    dialog = replace(settings.dialog, work_mode=cast("WorkMode", status.work_mode))
    dialect = MultimodalDialog(
        _identity(settings, credential),
        dialog,
        task_id=credential.task_id or os.urandom(16).hex(),
        dialog_id=status.dialog_id,
        listening_by=started + cloud.connect_timeout_s,
    )
    outbox = Outbox(dialog.recorder_rb_size, _frame_bytes(dialog))
    return Conversation(dialect, link, outbox, host, wire_log=settings.log.wire)


def _identity(settings: Settings, credential: Credential) -> Identity:
    name = credential.device_name
    user = settings.license.user_id or name or credential.app_id
    return Identity(
        app_id=credential.app_id,
        workspace_id=credential.workspace_id,
        user_id=user[:_USER_ID_LIMIT],
        device_uuid=(name or user)[:_DEVICE_UUID_LIMIT],
        model=settings.cloud.model,
        signature=credential.signature,
    )


def _frame_bytes(dialog: Dialog) -> int | None:
    """Return the size of a frame of speech; None for packets, which do not tell their length."""
    if dialog.upstream_mode != "pcm":
        return None
    return int(dialog.us_sample_rate * _FRAME_S) * _SAMPLE_BYTES

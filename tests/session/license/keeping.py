"""An access and all it works with, and what a board is provisioned with."""

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from mmid.errors import LicenseRefused
from mmid.hal import Store
from mmid.secrets import Secret
from mmid.session.access import Rehearse
from mmid.session.dialects.multimodal_dialog.cloud import CLOUD
from mmid.session.effects import Next
from mmid.session.license import exchange_child
from mmid.session.license.access import LicenseAccess
from mmid.session.license.messages import ExchangeReply, ExchangeRequest
from mmid.session.license.record import DeviceRecord, Pending
from mmid.session.license.record_book import RecordBook
from mmid.session.license.service import Exchange
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.product import Product
from mmid.status import Status
from tests.session.doubles import MemoryStore, TestClock, rehearsed

APP_ID = "mm_0123456789abcdef0123456789ab"
PRODUCT = Product(
    APP_ID, Secret("0123456789abcdef" * 2), Secret(f"sk-{'7' * 32}"), "llm-0123456789abcdef"
)
GIVEN = License(
    app_id=APP_ID, app_secret=PRODUCT.app_secret, api_key=PRODUCT.api_key, device_name="board1"
)
REGISTERED = DeviceRecord(
    app_id=APP_ID,
    app_secret=PRODUCT.app_secret,
    device_name="board1",
    nonce="ab" * 13,
    device_secret=Secret("0f" * 16),
)
PENDING = replace(
    REGISTERED, nonce="", device_secret=Secret(""), pending=Pending("board1", "cd" * 13, 5)
)


class Parts:
    """An access and all it works with; ``boot`` again for what a restart finds."""

    def __init__(
        self, store: Store, ask: Exchange, given: License, cloud: Cloud, rehearse: Rehearse
    ) -> None:
        self.book = RecordBook(store)
        self.clock = TestClock()
        self.status = Status()
        made = CLOUD.access(
            Settings(cloud=cloud, license=given),
            book=self.book,
            clock=self.clock,
            status=self.status,
            exchange=ask,
            rehearse=rehearse,
        )
        self.access = cast("LicenseAccess", made)  # pay-as-you-go has all that a test asks for

    async def refused(self) -> tuple[LicenseRefused, Next]:
        """Ask for a credential, and return the refusal and what follows."""
        with pytest.raises(LicenseRefused) as caught:
            await self.access.credential()
        following = self.access.after(caught.value)
        assert following is not None
        return caught.value, following


async def boot(
    ask: Exchange,
    store: Store | None = None,
    given: License = GIVEN,
    cloud: Cloud | None = None,
    rehearse: Rehearse = rehearsed,
) -> Parts:
    parts = Parts(store or MemoryStore(), ask, given, cloud or Cloud(), rehearse)
    await parts.book.load()
    parts.access.show()
    return parts


def stored(store: Store) -> DeviceRecord:
    payload = store.load()
    assert payload is not None
    return DeviceRecord.decode(payload)


def at(cloud: SimCloud) -> Cloud:
    return Cloud(license_url=cloud.line["license_url"], ca_file=str(cloud.ca_file))


def handled(cloud: SimCloud) -> list[tuple[str, str]]:
    """What the license service was asked, and its codes."""
    kinds = ("register", "token")
    return [
        (entry["kind"], entry["code"]) for entry in cloud.journal.entries if entry["kind"] in kinds
    ]


async def over_https(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
    """Do what the child process does, ten times quicker."""
    return await asyncio.to_thread(exchange_child.answer, request, timeout_s)

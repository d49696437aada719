"""A registration's answer that cannot be opened is kept, and opened by a corrected codec."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmid.child import from_plain
from mmid.errors import MalformedMessage, RegistrationUnreadable
from mmid.hal_linux.storage import open_store
from mmid.secrets import Secret
from mmid.session.effects import Next
from mmid.session.license import exchange_child
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import (
    ExchangeReply,
    ExchangeRequest,
    Identity,
    Kind,
    Refusal,
    Registration,
    ReplyNotOpened,
    Token,
    Unopened,
)
from mmid.session.license.protocol import open_reply
from mmid.simcloud.cloud import SimCloud
from mmid.status import LicenseState
from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import GIVEN, PENDING, PRODUCT, at, boot, handled, stored

KEPT = Unopened("board1", "ef" * 13, 7, '{"nonce":"n"}')


def not_opened(request: ExchangeRequest) -> ExchangeReply:
    """Answer as a codec that cannot open what the service said."""
    kept = replace(KEPT, nonce=request.nonce, request_time_ms=request.request_time_ms)
    raise ReplyNotOpened("it does not open", request.unopened or kept)


async def test_an_answer_that_cannot_be_opened_is_kept_as_it_came() -> None:
    store, desk = MemoryStore(), LicenseDesk(not_opened)
    parts = await boot(desk, store)
    with pytest.raises(RegistrationUnreadable, match="kept in the device record: correct license"):
        await parts.access.credential()
    kept = stored(store).unopened
    assert kept is not None
    assert (kept.nonce, kept.data) == (desk.requests[0].nonce, KEPT.data)
    assert stored(store).pending is not None
    assert not stored(store).registered


async def test_a_corrected_codec_opens_the_kept_answer_and_nobody_is_asked_to_register() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(registration(), token())
    parts = await boot(desk, store)
    assert parts.status.license_state is LicenseState.UNREGISTERED
    await parts.access.credential()
    opened, asked = desk.requests
    assert (opened.unopened, opened.nonce, opened.request_time_ms) == (KEPT, KEPT.nonce, 7)
    assert (asked.kind, asked.unopened) == (Kind.TOKEN, None)
    assert stored(store).registered
    assert stored(store).nonce == KEPT.nonce
    assert (stored(store).unopened, stored(store).pending) == (None, None)


async def test_a_codec_that_is_still_wrong_stops_again_and_nobody_is_asked() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(not_opened)
    for _ in range(3):
        parts = await boot(desk, store)
        with pytest.raises(RegistrationUnreadable):
            await parts.access.credential()
        assert parts.status.license_state is LicenseState.REFUSED
    assert [request.unopened for request in desk.requests] == [KEPT] * 3
    assert store.saved == []


async def test_after_a_reset_in_the_console_register_asks_anew() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(not_opened, not_opened, registration(), token())
    parts = await boot(desk, store)
    with pytest.raises(RegistrationUnreadable):
        await parts.access.credential()
    parts.access.forgive()
    await parts.access.credential()
    assert [request.unopened for request in desk.requests] == [KEPT, KEPT, None, None]
    assert desk.kinds == ["register", "register", "register", "token"]
    assert (stored(store).registered, stored(store).unopened) == (True, None)


async def test_register_without_a_reset_leaves_the_kept_answer_where_it_is() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    parts = await boot(LicenseDesk(not_opened, Refusal("100008")), store)
    parts.access.forgive()
    error, following = await parts.refused()
    assert (error.code, following) == ("100008", Next.STOP)
    assert stored(store).unopened == KEPT


async def test_the_kept_answer_of_another_name_does_not_stand_in_the_way() -> None:
    store = MemoryStore(replace(PENDING, unopened=KEPT).encode())
    desk = LicenseDesk(registration(), token())
    parts = await boot(desk, store, replace(GIVEN, device_name="board2"))
    await parts.access.credential()
    assert desk.requests[0].unopened is None
    assert stored(store).unopened is None


async def test_an_answer_that_cannot_be_kept_either_says_so_and_stops() -> None:
    store = MemoryStore()

    def answer(request: ExchangeRequest) -> ExchangeReply:
        store.broken = True
        return not_opened(request)

    parts = await boot(LicenseDesk(answer), store)
    with pytest.raises(RegistrationUnreadable, match=r"reset the device in the console"):
        await parts.access.credential()
    assert parts.status.license_state is LicenseState.REFUSED


async def test_the_built_in_codec_opens_what_it_could_not_with_a_wrong_secret(
    cloud_directory: Path, tmp_path: Path
) -> None:
    """With the real child: an answer in another's cipher, and then the right AppSecret."""
    other = Secret("f" * 32)
    store = open_store(f"file:{tmp_path}/device.bin")
    async with SimCloud(cloud_directory, product=PRODUCT) as cloud:

        async def misled(request: ExchangeRequest, *, timeout_s: float) -> ExchangeReply:
            """Send it rightly, and open the answer with the wrong secret."""
            identity = replace(request.identity, app_secret=other)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(exchange_child, "BuiltInCodec", misleading(identity))
                heard: list[Any] = []
                try:
                    return await asyncio.to_thread(
                        exchange_child.answer, request, timeout_s, heard.append
                    )
                except MalformedMessage as error:
                    [came] = [news["unopened"] for news in heard if "unopened" in news]
                    raise ReplyNotOpened(str(error), from_plain(Unopened, came)) from None

        parts = await boot(misled, store, cloud=at(cloud))
        with pytest.raises(RegistrationUnreadable, match="does not open with our AppSecret"):
            await parts.access.credential()
        parts = await boot(exchange, store, cloud=at(cloud))
        await parts.access.credential()
        assert handled(cloud) == [("register", "200"), ("token", "200")]


def misleading(identity: Identity) -> type[exchange_child.BuiltInCodec]:
    class Misled(exchange_child.BuiltInCodec):
        def open_reply(self, data: Mapping[str, Any]) -> Registration | Token:
            return open_reply(replace(self._request, identity=identity), data)

    return Misled

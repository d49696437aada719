"""A token is used until it expires by the service's clock, and is never stored."""

import random
from dataclasses import replace

import pytest

from tests.session.doubles import LicenseDesk, MemoryStore, registration, token
from tests.session.license.keeping import REGISTERED, boot


@pytest.fixture
def no_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a token be renewed as late as can be."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


@pytest.mark.usefixtures("no_spread")
async def test_a_token_is_used_until_it_expires_and_fetched_anew_then() -> None:
    desk = LicenseDesk(token("st-first", life_s=60), token("st-second", life_s=60))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    assert (await parts.access.credential()).token.reveal() == "st-first"
    parts.clock.offset_ms = 50_000
    assert (await parts.access.credential()).token.reveal() == "st-first"
    parts.clock.offset_ms = 57_000  # too near the end to connect with
    assert (await parts.access.credential()).token.reveal() == "st-second"
    assert desk.kinds == ["token", "token"]


async def test_devices_renew_tokens_of_one_moment_at_different_moments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that is early in the spread has a new token when another uses its old one still."""
    asked = []
    for share in (0.0, 1.0):
        monkeypatch.setattr(random, "random", lambda share=share: share)
        desk = LicenseDesk(token(life_s=60))
        parts = await boot(desk, MemoryStore(REGISTERED.encode()))
        await parts.access.credential()
        parts.clock.offset_ms = 48_000
        await parts.access.credential()
        asked.append(len(desk.requests))
    assert asked == [1, 2]


@pytest.mark.usefixtures("no_spread")
async def test_a_token_expires_by_the_services_clock() -> None:
    ahead = 600_000
    desk = LicenseDesk(token(life_s=60, skew_ms=ahead))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.access.credential()
    assert abs(parts.status.token_expiry - parts.clock.now_ms() - 60_000) < 10_000
    parts.clock.offset_ms = 57_000
    await parts.access.credential()
    assert desk.kinds == ["token", "token"]


async def test_a_token_that_was_refused_is_not_used_again() -> None:
    desk = LicenseDesk(token("st-first"), token("st-second"))
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.access.credential()
    parts.access.forget()
    assert (await parts.access.credential()).token.reveal() == "st-second"


async def test_a_token_is_never_stored() -> None:
    store = MemoryStore()
    await (await boot(LicenseDesk(registration(), token("st-secret")), store)).access.credential()
    assert not [payload for payload in store.saved if b"st-secret" in payload]


async def test_the_api_key_is_never_stored() -> None:
    store = MemoryStore()
    await (await boot(LicenseDesk(registration(), token()), store)).access.credential()
    assert store.saved
    assert not [payload for payload in store.saved if b"sk-" in payload]


async def test_a_clock_header_of_long_ago_makes_no_token_that_lives_for_decades() -> None:
    strange = replace(token(), clock_skew_ms=-800_000_000_000)
    desk = LicenseDesk(strange, token())
    parts = await boot(desk, MemoryStore(REGISTERED.encode()))
    await parts.access.credential()
    assert parts.status.token_expiry <= parts.clock.now_ms() + 60_000
    parts.clock.offset_ms = 60_000
    await parts.access.credential()
    assert desk.kinds == ["token", "token"]


async def test_a_clock_header_that_contradicts_the_reply_makes_no_negative_expiry() -> None:
    strange = replace(token(), expires_ms=946_684_860_000, clock_skew_ms=2_300_000_000_000)
    parts = await boot(LicenseDesk(strange), MemoryStore(REGISTERED.encode()))
    await parts.access.credential()
    assert parts.status.token_expiry == 0

"""The store that several relays share: a real Redis or Valkey, where one is installed."""

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from valkey.exceptions import TimeoutError  # noqa: A004 - what the store's library raises

from mmid_relay.answers import KEPT_S, Reply, SharedAnswers, connect
from mmid_relay.problems import Kind, Problem
from mmid_relay.settings import SettingsInvalid
from tests.certificates import make_authority
from tests.rig import Vendor, relay_for, settings_for

# The server's program is also the one that checks its files, and goes by the name it is called:
# so Debian's redis-tools is enough, which starts no service.
_PROGRAMS = ("valkey-server", "redis-server", "valkey-check-rdb", "redis-check-rdb")
_SERVER = next((found for program in _PROGRAMS if (found := shutil.which(program))), None)

pytestmark = pytest.mark.skipif(_SERVER is None, reason="no redis-tools or valkey-tools")

_REPLY = Reply(400, {"code": "100007", "data": None}, "100007", "refused", 5)


@pytest.fixture
async def store(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[str]:
    port = str(unused_tcp_port)
    process = await asyncio.create_subprocess_exec(
        "redis-server",
        *("--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)),
        executable=_SERVER,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    while b"eady to accept connections" not in await process.stdout.readline():
        pass
    yield f"redis://127.0.0.1:{port}/0"
    if process.returncode is None:
        process.terminate()
        await process.communicate()


@asynccontextmanager
async def _relays(store: str, wait_s: float = 2.0) -> AsyncIterator[list[SharedAnswers]]:
    """Give the stores of two relays."""
    pools = [connect(store) for _ in "12"]
    yield [SharedAnswers(pool, wait_s) for pool in pools]
    for pool in pools:
        await pool.aclose()


async def test_what_one_relay_was_answered_another_knows(store: str) -> None:
    async with _relays(store) as [one, other]:
        assert await one.claim("radio-1 n") is None
        await one.keep("radio-1 n", _REPLY)
        assert await other.claim("radio-1 n") == _REPLY
        assert await other.claim("radio-1 m") is None
        ttl = await one._store.ttl("mmid-relay/registration/radio-1 n")
        assert KEPT_S - 10 < ttl <= KEPT_S


async def test_a_refusal_for_good_is_no_other_from_another_relay(store: str) -> None:
    refused = Problem(Kind.WRONG_NAME, "withheld", sent=True)
    async with _relays(store) as [one, other]:
        await one.keep("k", refused)
        held = await other.claim("k")
    assert isinstance(held, Problem)
    assert vars(held) == vars(refused)


async def test_a_relay_waits_for_the_one_that_is_asking(store: str) -> None:
    async with _relays(store) as [one, other]:
        assert await one.claim("k") is None
        waiting = asyncio.create_task(other.claim("k"))
        await asyncio.sleep(0.01)
        await one.keep("k", Problem(Kind.VENDOR_SLOW, "slow", sent=True))
        held = await waiting
        assert isinstance(held, Problem)
        assert (held.kind, held.detail, held.sent) == (Kind.VENDOR_SLOW, "slow", True)


async def test_a_claim_of_a_relay_that_died_is_not_sent_again(store: str) -> None:
    async with _relays(store, 0.2) as [one, other]:
        assert await one.claim("k") is None
        held = await other.claim("k")
        assert isinstance(held, Problem)
        assert held.kind is Kind.VENDOR_SLOW


async def test_a_claim_that_the_store_took_without_a_word_is_known_for_ones_own_and_no_others(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _relays(store, 0.2) as [one, other]:
        really_set = one._store.set

        async def lose_the_answer(*words: Any, **options: Any) -> None:
            await really_set(*words, **options)
            raise TimeoutError

        with monkeypatch.context() as lossy:
            lossy.setattr(one._store, "set", lose_the_answer)
            with pytest.raises(Problem, match="nothing was sent"):
                await one.claim("k")
        assert isinstance(await other.claim("k"), Problem)
        assert await one.claim("k") is None
        held = await one.claim("k")
        assert isinstance(held, Problem), "what was sent once is not claimed again"


async def test_a_claim_that_was_given_up_is_free(store: str) -> None:
    async with _relays(store) as [one, _]:
        assert await one.claim("k") is None
        await one.forget("k")
        assert await one.claim("k") is None


async def test_a_relay_that_waits_takes_over_a_claim_that_is_given_up(store: str) -> None:
    async with _relays(store) as [one, other]:
        assert await one.claim("k") is None
        waiting = asyncio.create_task(other.claim("k"))
        await asyncio.sleep(0.01)
        await one.forget("k")
        assert await waiting is None


async def test_two_relays_send_one_registration_and_count_together(
    store: str, vendor: Vendor, ca_file: Path
) -> None:
    limits = {"store": store, "device_per_minute": 5}
    settings = settings_for(vendor, ca_file, limits=limits)
    async with relay_for(settings) as one, relay_for(settings) as other:
        answers = await asyncio.gather(one.register(), other.register(), one.register())
        assert [answer.status_code for answer in answers] == [200] * 3
        assert len({answer.text for answer in answers}) == 1
        assert len(vendor.calls) == 1
        assert (await one.http.get("/readyz")).json()["store"] == "ok"
        statuses = [(await board.get_token()).status_code for board in (one, other, one)]
        assert statuses == [200, 200, 429]


async def test_without_its_store_a_relay_registers_nobody_and_limits_nobody(
    vendor: Vendor, ca_file: Path
) -> None:
    limits = {"store": "redis://127.0.0.1:1/0", "device_per_minute": 1}
    async with relay_for(settings_for(vendor, ca_file, limits=limits)) as board:
        answer = await board.register()
        assert (answer.status_code, answer.json()["title"]) == (503, "store away")
        assert int(answer.headers["retry-after"]) > 0
        assert not vendor.calls
        assert [(await board.get_token()).status_code for _ in "12"] == [200, 200]
        ready = await board.http.get("/readyz")
        assert (ready.status_code, ready.json()["store"]) == (503, "away")


async def test_an_answer_that_cannot_be_kept_is_given_all_the_same(
    store: str, vendor: Vendor, ca_file: Path
) -> None:
    async def lose_the_store() -> None:
        async with _relays(store) as [one, _]:
            await one._store.shutdown(nosave=True)

    vendor.before = lose_the_store
    settings = settings_for(vendor, ca_file, limits={"store": store})
    async with relay_for(settings) as board:
        assert (await board.register()).status_code == 200


async def test_a_store_with_the_certificate_of_another_hears_nothing(tmp_path: Path) -> None:
    ca_file, cert = make_authority(tmp_path, "example.com")
    heard = []

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(1))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert)
    async with await asyncio.start_server(hear, "127.0.0.1", 0, ssl=context) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"rediss://:password@localhost:{port}/0?ssl_ca_certs={ca_file}"
        async with _relays(url) as [one, _]:
            assert not await one.ping()
    assert not any(heard)


@pytest.mark.parametrize("option", ["secret=1", "max_connections=secret", "ssl_ca_certs=/secret"])
def test_an_option_of_its_url_that_cannot_be_is_a_wrong_setting(option: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"limits\.store") as caught:
        connect(f"redis://127.0.0.1:1/0?{option}")
    assert "secret" not in str(caught.value)


async def test_the_url_of_a_valkey_is_one_too(store: str) -> None:
    async with _relays(store.replace("redis://", "valkey://")) as [one, _]:
        assert await one.ping()

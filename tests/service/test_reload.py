import asyncio
import json
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mmid.errors import TABLE, SettingsInvalid
from mmid.secrets import Secret
from mmid.service.reload import Reload
from mmid.settings import Settings
from mmid.settings.loading import Loading, start_loading

Ask = Callable[[str], Awaitable[list[Settings]]]

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def usual_logging() -> Iterator[None]:
    """Put back what a reload does to the log of the whole process."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Write new settings, have them read while a daemon runs with none, and wait for the end.

    Gives what the dialog was to go on with.
    """
    config = tmp_path / "mmid.toml"
    config.write_text("")
    settings = start_loading(config).finish()
    said: list[str] = []
    monkeypatch.setattr("mmid.service.sysd.notify", lambda **words: said.extend(words))

    async def ask(text: str) -> list[Settings]:
        used: list[Settings] = []
        reload = Reload(settings, lambda: start_loading(config))
        running = asyncio.create_task(reload.run(used.append))
        config.write_text(text)
        reload.ask()
        async with asyncio.timeout(30):
            while said != ["reloading", "ready"]:  # noqa: ASYNC110 - systemd's end is a list
                await asyncio.sleep(0.01)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return used

    return ask


async def test_the_log_level_changes_at_once(ask: Ask) -> None:
    assert not await ask('[log]\nlevel = "error"\n')
    assert logging.getLogger().level == logging.ERROR


async def test_what_a_connection_is_opened_with_is_taken_up_and_nothing_else(ask: Ask) -> None:
    (used,) = await ask(
        '[cloud]\nws_url = "wss://other.example/"\n[dialog]\nvoice = "longxiaochun"\n'
        "[audio]\nperiod_ms = 40\n"
    )
    assert (used.cloud.ws_url, used.dialog.voice) == ("wss://other.example/", "longxiaochun")
    assert used.audio.period_ms == 20


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("license", "api_key", Secret("sk-fresh-key")),
        ("license", "headers", Secret("X-Relay: fresh-key")),
        ("license", "user_id", "somebody"),
        ("cloud", "license_url", "https://relay.example"),
        ("dialog", "volume", 7),
        ("dialog", "speech_rate", 120),
        ("dialog", "pitch_rate", 80),
        ("dialog", "vocabulary_id", "words"),
        ("log", "wire", True),
    ],
)
async def test_no_restart_for_what_another_connection_can_take_up(
    ask: Ask, caplog: pytest.LogCaptureFixture, table: str, key: str, value: object
) -> None:
    written = value.reveal() if isinstance(value, Secret) else value
    (used,) = await ask(f"[{table}]\n{key} = {json.dumps(written)}\n")
    assert getattr(getattr(used, table), key) == value
    assert "restart" not in caplog.text


async def test_any_other_change_is_said_to_wait_for_a_restart(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    assert not await ask(f'[audio]\nperiod_ms = 40\n[storage]\nkey = "{SECRET * 2}"\n')
    assert "only a restart of mmid takes it up: storage.key, audio.period_ms" in caplog.text
    assert SECRET not in caplog.text


async def test_what_did_not_change_is_not_spoken_of(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    await ask('[log]\nlevel = "info"\n[audio]\nperiod_ms = 20\n')
    assert "restart" not in caplog.text


async def test_wrong_settings_are_told_and_change_nothing(
    ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    before = logging.getLogger().level
    await ask('[log]\nlevel = "chatty"\n')
    assert logging.getLogger().level == before
    (told,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert "log.level" in told.getMessage()
    assert "stay as they were" in told.getMessage()
    assert vars(told)["MESSAGE_ID"] == TABLE[SettingsInvalid].message_id


async def test_a_stop_does_not_wait_for_settings_that_never_come(tmp_path: Path) -> None:
    config = tmp_path / "mmid.toml"
    config.write_text("")
    settings = start_loading(config).finish()
    config.unlink()
    os.mkfifo(config)  # nobody writes into it
    loading = start_loading(config)
    reload = Reload(settings, lambda: loading)
    running = asyncio.create_task(reload.run(lambda _: None))
    reload.ask()
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert loading._child._process.wait() == -signal.SIGKILL


async def test_a_daemon_that_stops_while_it_reads_is_not_said_to_be_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr("mmid.service.sysd.notify", lambda **words: said.extend(words))

    class Endless(Loading):
        async def finished(self) -> Settings:
            await asyncio.Event().wait()
            return Settings()

    reload = Reload(Settings(), lambda: Endless.__new__(Endless))
    running = asyncio.create_task(reload.run(lambda _: None))
    reload.ask()
    await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running})
    assert said == ["reloading"]


@pytest.mark.parametrize(
    "other",
    [
        '[cloud]\nprotocol = "qwen-realtime"\nmodel = "qwen-omni"\n[license]\n',
        '[license]\nmode = "semi-managed"\nregister_url = "https://relay.example/"\n',
    ],
)
async def test_what_is_meant_for_another_cloud_or_license_waits_with_it_for_a_restart(
    ask: Ask, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ask(f'{other}token_url = "https://relay.example/"\n') == []
    assert "only a restart of mmid takes it up" in caplog.text

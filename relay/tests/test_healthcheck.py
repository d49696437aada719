"""What a container asks of itself: over TLS, over the socket, and of nobody."""

import asyncio
from pathlib import Path

import pytest

from mmid_relay.app import make_app
from mmid_relay.healthcheck import main
from tests.rig import Vendor, serving, settings_for


def settings_file(folder: Path, listen: str, cert: Path | None = None) -> str:
    path = folder / "relay.toml"
    tls = f'tls_cert = "{cert}"\n' if cert else ""
    path.write_text(f'[server]\nlisten = "{listen}"\n{tls}')
    return str(path)


async def test_it_asks_the_relay_that_the_settings_name(
    vendor: Vendor, authority: tuple[Path, Path], tmp_path: Path
) -> None:
    app = make_app(settings_for(vendor, authority[0]))
    async with app.router.lifespan_context(app), serving(app, authority[1]) as port:
        config = settings_file(tmp_path, f"0.0.0.0:{port}", authority[1])
        assert await asyncio.to_thread(main, [config]) == 0
    path = tmp_path / "relay.sock"
    app = make_app(settings_for(vendor, authority[0]))
    async with app.router.lifespan_context(app), serving(app, uds=path):
        config = settings_file(tmp_path, f"unix:{path}")
        assert await asyncio.to_thread(main, [config]) == 0


def test_it_says_why_there_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([settings_file(tmp_path, f"unix:{tmp_path}/nobody")]) == 1
    assert "does not answer" in capsys.readouterr().err
    assert main([str(tmp_path / "no-such-file")]) == 1

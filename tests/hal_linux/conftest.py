"""ALSA without a sound card: the real alsa-lib, with PCMs of our own definition."""

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

Define = Callable[[str], None]
Compile = Callable[[str], Path]


@pytest.fixture(scope="session")
def compile_plugin(tmp_path_factory: pytest.TempPathFactory) -> Compile:
    """Compile a plug-in for alsa-lib that lies here in C, and return its path."""
    folder = tmp_path_factory.mktemp("alsa")
    flags = ["-shared", "-fPIC", "-DPIC", "-Wall", "-Wextra", "-Werror", "-O1"]

    @cache
    def compiled(source: str) -> Path:
        plugin = folder / f"{Path(source).stem}.so"
        path = Path(__file__).with_name(source)
        subprocess.run(["cc", *flags, "-o", plugin, path, "-lasound"], check=True, timeout=60)
        return plugin

    return compiled


@pytest.fixture
def define(compile_plugin: Compile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Define:
    """Make the PCMs of an alsa-lib configuration the only ones of this test.

    ``null`` and the type ``paced`` are always there.
    """
    configuration = tmp_path / "asound.conf"
    paced = compile_plugin("paced_pcm.c")
    base = f'pcm.null {{ type null }}\npcm_type.paced {{ lib "{paced}" }}\n'

    def write(text: str) -> None:
        configuration.write_text(base + text)

    write("")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(configuration))
    return write

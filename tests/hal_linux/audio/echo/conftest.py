from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hal_linux.audio.echo.rehearsal import RoomLibrary


@pytest.fixture
def library(compile_plugin: Callable[[str], Path]) -> RoomLibrary:
    return RoomLibrary(compile_plugin("room_pcm.c"))

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import make_authority
from tests.rig import Board, Vendor, relay_for, serving, settings_for


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def ca_file(authority: tuple[Path, Path]) -> Path:
    return authority[0]


@pytest.fixture
async def vendor(authority: tuple[Path, Path]) -> AsyncIterator[Vendor]:
    vendor = Vendor()
    async with serving(vendor, authority[1]) as vendor.port:
        yield vendor


@pytest.fixture
async def board(vendor: Vendor, ca_file: Path) -> AsyncIterator[Board]:
    async with relay_for(settings_for(vendor, ca_file)) as board:
        yield board

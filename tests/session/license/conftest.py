"""A simulated cloud that knows the product of these tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mmid.simcloud.cloud import SimCloud
from tests.session.license.keeping import PRODUCT


@pytest.fixture
async def cloud(cloud_directory: Path) -> AsyncIterator[SimCloud]:
    async with SimCloud(cloud_directory, product=PRODUCT) as made:
        yield made

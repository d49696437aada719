"""Both versions of pyalsaaudio that mmid runs with."""

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
import pytest

from tests.hal_linux.audio.elder_double import elder_pcm


@pytest.fixture(params=["installed", "0.10"])
def either_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with what is installed, and once more with what 0.10 does."""
    if request.param == "0.10":
        monkeypatch.setattr(alsaaudio, "PCM", elder_pcm)

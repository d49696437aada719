from collections.abc import Callable
from pathlib import Path
from typing import Any

import alsaaudio  # type: ignore[import-not-found,unused-ignore]
import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio.hardware_parameters import HardwareParameters
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from tests.hal_linux.audio.playback.test_player import Audience
from tests.hal_linux.audio.test_alsa import PLUG

Define = Callable[[str], None]


class Card:
    """A PCM that counts how often it is asked."""

    def __init__(self, card_no: int) -> None:
        self.asked = 0
        self._card_no = card_no

    def info(self) -> dict[str, Any]:
        self.asked += 1
        return {"card_no": self._card_no, "device_no": 0, "asked": self.asked}

    def getratebounds(self) -> tuple[int, int]:
        return 8000, 48000


def test_a_plug_in_is_asked_once_for_each_name() -> None:
    parameters, card = HardwareParameters(), Card(-1)
    names = ["null", "null", "plug:SLAVE='null'", "null"]
    answers = [parameters.of(name, card, playback=True)["asked"] for name in names]
    assert answers == [1, 1, 2, 1]


def test_a_card_is_asked_once_for_as_long_as_it_is_in(tmp_path: Path) -> None:
    parameters, card = HardwareParameters(tmp_path), Card(1)
    node = tmp_path / "pcmC1D0c"
    node.touch()
    assert [parameters.of("hw:1", card, playback=False)["asked"] for _ in range(3)] == [1, 1, 1]
    node.rename(tmp_path / "taken-out")
    node.touch()
    assert [parameters.of("hw:1", card, playback=False)["asked"] for _ in range(3)] == [2, 2, 2]


def test_a_card_that_cannot_be_looked_at_is_asked_each_time(tmp_path: Path) -> None:
    parameters, card = HardwareParameters(tmp_path), Card(1)
    assert [parameters.of("hw:1", card, playback=True)["asked"] for _ in range(3)] == [1, 2, 3]


def test_a_device_that_failed_is_asked_again() -> None:
    parameters, card = HardwareParameters(), Card(-1)
    parameters.of("null", card, playback=True)
    parameters.forget()
    assert parameters.of("null", card, playback=True)["asked"] == 2


async def test_a_player_asks_its_device_once_and_again_after_a_failure(
    define: Define, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    away: list[str] = []
    real = alsaaudio.PCM

    class Counted:
        def __init__(self, **options: Any) -> None:
            if options["device"] in away:
                raise alsaaudio.ALSAAudioError(f"No such device [{options['device']}]")
            self._pcm, self._name = real(**options), options["device"]

        def __getattr__(self, name: str) -> Any:
            if name == "info":
                asked.append(self._name)
            return getattr(self._pcm, name)

    monkeypatch.setattr(alsaaudio, "PCM", Counted)
    define("pcm.out { type null }")
    player = AlsaPlayer("out", 24000, 20, SoftwareGain())
    for _ in range(3):
        player.start(Audience())
        player.flush()
    assert asked == ["out"]
    away.append("out")
    with pytest.raises(AudioDeviceFailed):
        player.start(Audience())
    away.clear()
    player.start(Audience())
    player.flush()
    assert asked == ["out", "out"]


async def test_a_card_that_has_another_rate_while_its_other_direction_is_open_is_converted(
    define: Define,
) -> None:
    player = AlsaPlayer("out", 24000, 20, SoftwareGain())

    def opened_with(card: str) -> str:
        define(PLUG + f"pcm.out {{ type paced {card} }}")
        player.start(Audience())
        player.flush()
        return player.format

    alone = opened_with("")
    assert "converted" not in alone
    assert "converted, the device has 16000 Hz" in opened_with("rate 16000")
    assert opened_with("") == alone

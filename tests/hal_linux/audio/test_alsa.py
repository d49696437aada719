import errno
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from mmid.errors import AudioDeviceFailed
from mmid.hal_linux.audio import alsa
from mmid.hal_linux.audio.alsa import DeviceLost, Direction, PcmRequest, failure

Define = Callable[[str], None]


def test_an_open_pcm_tells_the_sizes_it_really_has(define: Define) -> None:
    define("pcm.card { type paced }")
    opened = PcmRequest(Direction.CAPTURE, "card", 16000, 20, 500).open()
    assert opened.period_frames == 320
    assert opened.buffer_frames >= 8000
    opened.pcm.close()


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (errno.EBUSY, "busy: another program has it open"),
        (-errno.ENODEV, "is gone: unplugged"),
        (errno.EACCES, "group audio"),
        (errno.ENOSYS, "failed: Function not implemented"),
    ],
)
def test_a_failure_says_in_plain_words_what_is_wrong(cause: int, words: str) -> None:
    text = str(failure("hw:0", cause))
    assert "'hw:0'" in text
    assert words in text


def test_alsa_lib_itself_is_silent(define: Define, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AudioDeviceFailed, match="'nosuch' does not exist"):
        PcmRequest(Direction.PLAYBACK, "nosuch", 16000, 20, 200).open()
    assert capfd.readouterr() == ("", "")


def test_a_plug_in_that_is_not_installed_is_named(define: Define) -> None:
    define("pcm.odd { type mmid_nothing }")
    with pytest.raises(AudioDeviceFailed, match="'odd' does not exist: its alsa-lib plug-in"):
        PcmRequest(Direction.PLAYBACK, "odd", 16000, 20, 200).open()


# As /usr/share/alsa/alsa.conf defines it.
PLUG = "pcm.plug { @args [ SLAVE ] @args.SLAVE { type string } type plug slave.pcm $SLAVE }\n"
CARD = "pcm.card { @args [ CARD DEV ] @args.CARD { type string } @args.DEV { type integer } %s }\n"


@pytest.mark.parametrize(("direction"), list(Direction), ids=lambda one: one.name)
@pytest.mark.parametrize("device", ["card:0,0", "card:CARD=USB,DEV=0"])
def test_a_card_with_another_format_is_converted_by_alsa_itself(
    define: Define, direction: Direction, device: str
) -> None:
    define(PLUG + CARD % "type paced rate 48000 channels 2")
    opened = PcmRequest(direction, device, 16000, 20, 200).open()
    assert opened.period_frames == 320
    assert opened.format.startswith("16000 Hz mono S16_LE, period 20 ms, buffer ")
    assert opened.format.endswith("; converted, the device has 48000 Hz stereo S16_LE")
    opened.pcm.drop()
    opened.pcm.close()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_channel_that_a_card_has_not_is_not_made_of_others(define: Define, channels: int) -> None:
    define(PLUG + CARD % f"type paced channels {channels}")
    with pytest.raises(AudioDeviceFailed, match=r"offers 16000 Hz \w+ S16_LE, not .* 3 channels"):
        PcmRequest(Direction.CAPTURE, "card:0,0", 16000, 20, 500, channels=3).open()


def test_of_a_card_with_several_channels_only_the_rate_is_converted(define: Define) -> None:
    define(PLUG + CARD % "type paced rate 48000 channels 4")
    opened = PcmRequest(Direction.CAPTURE, "card:0,0", 16000, 20, 500, channels=3).open()
    assert opened.channels == 4
    assert opened.format.endswith("; converted, the device has 48000 Hz 4 channels S16_LE")
    opened.pcm.close()


def test_what_needs_no_conversion_has_none(define: Define) -> None:
    define(PLUG + CARD % "type paced")
    opened = PcmRequest(Direction.CAPTURE, "card:0,0", 16000, 20, 500).open()
    assert opened.format == "16000 Hz mono S16_LE, period 20 ms, buffer 500 ms"
    opened.pcm.close()


def test_without_a_converter_the_refusal_names_what_the_device_has(define: Define) -> None:
    define(CARD % "type paced rate 48000 channels 2")
    with pytest.raises(
        AudioDeviceFailed,
        match=r"offers 48000 Hz stereo S16_LE, not 16000 Hz mono.* plug does not help",
    ):
        PcmRequest(Direction.CAPTURE, "card:0,0", 16000, 20, 500).open()


def test_a_busy_device_is_named(define: Define, tmp_path: Path) -> None:
    define(f'pcm.card {{ type paced busy "{tmp_path}/busy" }}')
    (tmp_path / "busy").touch()
    with pytest.raises(AudioDeviceFailed, match="'card' is busy: another program"):
        PcmRequest(Direction.PLAYBACK, "card", 16000, 20, 200).open()


def test_who_holds_a_busy_device_is_named_where_the_kernel_says_so(
    define: Define, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    define(f'pcm.card {{ type paced busy "{tmp_path}/busy" }}')
    (tmp_path / "busy").touch()
    asked = []

    def kernel(playback: bool) -> list[str]:
        asked.append(playback)
        return ["aplay (process 12)"]

    monkeypatch.setattr(alsa, "holders", kernel)
    with pytest.raises(AudioDeviceFailed, match=r"'card' is busy: aplay \(process 12\) has"):
        PcmRequest(Direction.PLAYBACK, "card", 16000, 20, 200).open()
    assert asked == [True]


def test_what_opening_anew_may_mend_is_told_apart() -> None:
    lost = {number for number in errno.errorcode if isinstance(failure("hw:0", number), DeviceLost)}
    assert lost == {errno.ENODEV, errno.ESTRPIPE, errno.EBADFD, errno.EIO}


def test_a_device_that_is_slow_to_open_is_no_riddle(
    define: Define, caplog: pytest.LogCaptureFixture
) -> None:
    define("pcm.slow { type paced open_ms 150 }\npcm.quick { type paced }")
    caplog.set_level(logging.WARNING)
    PcmRequest(Direction.CAPTURE, "quick", 16000, 20, 200).open().pcm.close()
    assert not caplog.messages
    PcmRequest(Direction.CAPTURE, "slow", 16000, 20, 200).open().pcm.close()
    assert "'slow' took 0." in caplog.messages[0]

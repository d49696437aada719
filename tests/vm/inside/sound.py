"""The daemon on a sound card of the kernel, and what goes wrong with one."""

import asyncio
import os
import subprocess
import time
from pathlib import Path

from mmid.errors import AudioDeviceFailed, AudioFormatRefused
from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
from mmid.hal_linux.audio.playback.gain import SoftwareGain
from mmid.hal_linux.audio.playback.player import AlsaPlayer
from tests.rig.listener import Listener
from tests.vm.inside.loopback import (
    LISTENED_AT,
    LOUDSPEAKER,
    LOUDSPEAKER_HZ,
    MICROPHONE,
    MICROPHONE_HZ,
    LoopbackBoard,
    Sounds,
    holding,
    load_driver,
    noise,
    plug_in_new_card,
    talking_board,
    unplug_card,
)

_STEADY_FRAMES = 40

_MIXED = f"""\
</usr/share/alsa/alsa.conf>
pcm.mixed {{
    type plug
    slave.pcm {{
        type dmix
        ipc_key 1917
        slave {{ pcm "{LOUDSPEAKER}" format S16_LE rate 48000 period_time 125000 periods 4 }}
    }}
}}
"""

_AUDIO = "org.mmid1.Audio"
_TURNS = 3
_SPEECH_S = 3.0


async def a_dialog_over_plain_hw_devices_is_bit_exact(place: Path) -> str:
    """What is said reaches the cloud and what it answers the loudspeaker; the mixer is a card's."""
    load_driver("snd-dummy")
    spoken = noise(60 * MICROPHONE_HZ)
    mixer = {"mixer_device": "hw:Dummy", "mixer_control": "Master"}
    async with talking_board(place, spoken, LoopbackBoard.audio(**mixer)) as board:
        listener = await board.start()
        await _mixer_follows(listener)
        with Sounds(place, place / "microphone.pcm") as sounds:
            before = _cpu_s(board.process("mmid").pid)
            await _turn(listener, _SPEECH_S)
            used = _cpu_s(board.process("mmid").pid) - before
            recorded = sounds.end()
        heard, sent = _transferred(board)
        pss = _pss_kib(board.process("mmid").pid)
        counts = await listener.client.get_all(_AUDIO)
    said = heard.lstrip(b"\0")  # the cable is silent for a moment when it is plugged in
    assert len(said) > (_SPEECH_S - 0.5) * MICROPHONE_HZ * 2, len(said)
    assert said in spoken, "samples were lost or doubled on the way to the cloud"
    assert len(sent) == 3 * LOUDSPEAKER_HZ, len(sent)
    assert sent in recorded, "samples were lost or doubled on the way to the loudspeaker"
    assert (counts["RecorderOverruns"], counts["PlayerUnderruns"]) == (0, 0), counts
    return (
        f"{len(said)} bytes said, {len(sent)} answered, all equal; volume on the card; "
        f"PSS {pss} KiB, {used:.2f} s of this slow CPU for the turn"
    )


async def a_busy_microphone_is_named(place: Path) -> str:
    """A device that another program holds is refused with its name and the reason."""
    load_driver("snd-aloop")
    with holding(MICROPHONE):
        recorder = AlsaRecorder(MICROPHONE, MICROPHONE_HZ, 20)
        try:
            recorder.start(_Ears())
        except AudioDeviceFailed as error:
            message = str(error)
        else:
            raise AssertionError("a busy device was opened")
    assert repr(MICROPHONE) in message, message
    assert "busy: arecord (process" in message, message
    return message


async def _mixer_follows(listener: Listener) -> None:
    """See that Volume and Muted are the card's own; snd-dummy has no switch for it."""
    await listener.client.set(_AUDIO, "Volume", 40)
    for muted, wanted in ((False, "[40%]"), (True, "[0%]"), (False, "[40%]")):
        await listener.client.set(_AUDIO, "Muted", muted)
        shown = _amixer("Master")
        assert wanted in shown, (muted, shown)


async def an_overrun_of_a_card_is_counted(place: Path) -> str:
    """A loop that is busy for longer than the card's buffer costs samples, and that is told."""
    load_driver("snd-aloop")
    recorder, ears = AlsaRecorder(MICROPHONE, MICROPHONE_HZ, 20), _Ears()
    recorder.start(ears)
    await ears.until_heard(MICROPHONE_HZ // 5)
    time.sleep(1.0)  # noqa: ASYNC251 - the loop is busy
    await ears.until_heard(ears.frames + MICROPHONE_HZ // 2)
    recorder.stop()
    assert recorder.overruns == 1, recorder.overruns
    return "1 overrun, and the recording went on"


async def a_steady_reply_over_long_periods_behind_the_converter_is_not_torn(_place: Path) -> str:
    """125 ms a period at another rate, as cheap cards have it: no gap in four seconds."""
    return await _steady_reply(f"plug{LOUDSPEAKER}", 125)


async def a_steady_reply_over_dmix_is_not_torn(place: Path) -> str:
    """alsa-lib's own mixer, whose position moves by whole periods, here of 125 ms."""
    configuration = place / "asound.conf"
    configuration.write_text(_MIXED)
    os.environ["ALSA_CONFIG_PATH"] = str(configuration)
    try:
        return await _steady_reply("mixed", 20)
    finally:
        del os.environ["ALSA_CONFIG_PATH"]


async def _steady_reply(device: str, period_ms: int) -> str:
    """Play a reply that comes in real time: it has no gap."""
    load_driver("snd-aloop")
    player, heard = AlsaPlayer(device, LOUDSPEAKER_HZ, period_ms, SoftwareGain()), _Audience()
    frame, loop = noise(LOUDSPEAKER_HZ // 10), asyncio.get_running_loop()
    with holding(LISTENED_AT, 48_000):
        player.start(heard)
        began = loop.time()
        for number in range(_STEADY_FRAMES):
            # The one wait for time here: it is how a cloud sends.
            await asyncio.sleep(began + number / 10 - loop.time())
            player.write(frame)
        player.finish()
        async with asyncio.timeout(10):
            await heard.finished.wait()
    assert "period 125 ms" in player.format, player.format
    assert "converted" in player.format, player.format
    assert player.underruns == 0, player.underruns
    return f"{_STEADY_FRAMES / 10:g} s of reply without a gap: {player.format}"


async def an_unplugged_card_is_used_again_when_it_is_back(place: Path) -> str:
    """The card goes in mid-speech: that is told; it comes back: the next turn is whole."""
    spoken = noise(60 * MICROPHONE_HZ)
    async with talking_board(place, spoken, LoopbackBoard.audio()) as board:
        listener = await board.start()
        with Sounds(place, place / "microphone.pcm"):
            await listener.wait_for(".State", "listening")
            await listener.call("StartSpeech")
            await listener.wait_for("AsrIncomplete")
            unplugging = asyncio.create_task(asyncio.to_thread(unplug_card))
            told = await listener.wait_for("Error")
        async with asyncio.timeout(20):
            await unplugging
        assert told.values[0] == "audio-device", told
        await asyncio.to_thread(plug_in_new_card)
        turns = [await _is_whole(board, listener, spoken)]
        while not turns[-1] and len(turns) < _TURNS:  # the ear may stumble over a new card
            turns.append(await _is_whole(board, listener, spoken))
    assert turns[-1], f"of {_TURNS} turns none was whole"
    return f"told {told.values[1]!r}; then turn {len(turns)} was whole"


async def _is_whole(board: LoopbackBoard, listener: Listener, spoken: bytes) -> bool:
    """Have a turn; return whether all of it was transferred, both ways."""
    with Sounds(board.directory, board.directory / "microphone.pcm") as sounds:
        await _turn(listener, 1.0, after=len(listener.heard))
        recorded = sounds.end()
    heard, sent = _transferred(board)
    heard = heard.lstrip(b"\0")
    assert len(heard) > MICROPHONE_HZ, len(heard)
    assert sent, "no reply"
    return heard in spoken and sent in recorded


async def _turn(listener: Listener, seconds: float, *, after: int = 0) -> None:
    """Speak for a while, and hear the reply out."""
    if await listener.state() != "listening":
        await listener.wait_for(".State", "listening", after=after)
    start = len(listener.heard)
    await listener.call("StartSpeech")
    await asyncio.sleep(seconds)  # it is how long a person speaks
    await listener.call("StopSpeech")
    ended = await listener.wait_for("TtsEnd", after=start, timeout_s=40)
    await listener.wait_for("SpeechPrepare", after=listener.heard.index(ended))


def _transferred(board: LoopbackBoard) -> tuple[bytes, bytes]:
    """Return what the cloud heard last and what it sent last."""
    folder = board.directory / "heard"
    heard, sent = (max(folder.glob(f"{stem}-*.pcm")) for stem in ("speech", "reply"))
    return heard.read_bytes(), sent.read_bytes()


def _amixer(control: str) -> str:
    command = ["amixer", "-M", "-c", "Dummy", "sget", control]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / float(os.sysconf("SC_CLK_TCK"))


class _Ears:
    """Counts what a recorder gives."""

    def __init__(self) -> None:
        self.frames = 0
        self._news = asyncio.Event()

    def recorder_audio(self, data: bytes) -> None:
        self.frames += len(data) // 2
        self._news.set()

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        raise error

    async def until_heard(self, frames: int) -> None:
        async with asyncio.timeout(10):
            while self.frames < frames:
                self._news.clear()
                await self._news.wait()


class _Audience:
    """Hears a reply to its end."""

    def __init__(self) -> None:
        self.finished = asyncio.Event()

    def player_started(self) -> None:
        """It can be heard."""

    def player_finished(self) -> None:
        self.finished.set()

    def player_failed(self, error: AudioDeviceFailed) -> None:
        raise error

    def player_refused(self, error: AudioFormatRefused) -> None:
        raise error

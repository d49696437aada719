"""What the board itself must offer: the time, sound."""

from mmid.cli.doctor.finding import Finding, failed, fine, skipped, warned
from mmid.cli.mmid.hal_test import make_player, make_recorder
from mmid.errors import TABLE, AudioDeviceFailed, ClockNotSet, SettingsInvalid
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.audio import GLANCE_S, check_player, check_recorder
from mmid.hal_linux.time.clock import KernelClock
from mmid.settings import RAW_OPUS_BITS_PER_S, Audio, Dialog, Settings

# In duplex, or in the middle of a speech, a card that only one can open is the daemon's.
_HELD_BY_MMID = " is busy: mmid (process "


def check_clock(settings: Settings) -> Finding:
    """Whether the time can be trusted to sign with."""
    required = settings.clock.require_sync
    if KernelClock(required).synchronized:
        how = "is synchronised" if required else "is past the release of mmid, as the settings ask"
        return fine("clock", f"the clock {how}")
    text = "the clock is not synchronised" if required else "the clock stands before the release"
    return failed("clock", text, TABLE[ClockNotSet].remedy)


async def check_capture(settings: Settings) -> Finding:
    """Record 0.3 s as a dialog does, and throw it away."""
    recorder = make_recorder(settings, settings.audio.capture_device)
    result = await check_recorder(recorder, settings.dialog.us_sample_rate, GLANCE_S)
    return _heard("capture", result, recorder.format)


async def check_playback(settings: Settings) -> Finding:
    """Play 0.3 s of silence as a dialog plays a reply."""
    player = make_player(settings, settings.audio.playback_device)
    result = await check_player(player, settings.dialog.ds_sample_rate, GLANCE_S)
    return _heard("playback", result, player.format)


def _heard(check: str, result: CheckResult, negotiated: str) -> Finding:
    if result.passed:
        return fine(check, f"{result.detail}; {negotiated}")
    if result.measured:  # it ran, but not well: a busy board can be the reason
        remedy = "Try again while the board is idle; mmid hal-test --audio listens longer."
        return warned(check, result.detail, remedy)
    if _HELD_BY_MMID in result.detail:
        return skipped(check, f"{result.detail}: the daemon uses it, as it may")
    command = "arecord" if check == "capture" else "aplay"
    remedy = f"audio.{check}_device names it; {command} -L lists the names that there are."
    return failed(check, result.detail, remedy)


def check_codecs(settings: Settings) -> Finding:
    """Whether the libraries are there that codecs and echo canceller of the settings need."""
    dialog = settings.dialog
    try:
        load_codecs(dialog)
        load_echo_canceller(settings.audio)
    except SettingsInvalid as error:
        return failed("codecs", str(error), "Install the library that the message names.")
    return fine("codecs", f"{dialog.upstream_mode} up, {dialog.downstream_mode} down")


def load_codecs(dialog: Dialog) -> None:
    """Load the libraries that the daemon would.

    Raises:
        SettingsInvalid: one is missing; the message names its package.
    """
    from mmid.hal_linux.audio.codecs import make_decoder, make_encoder  # noqa: PLC0415

    if dialog.upstream_mode != "pcm":
        make_encoder(dialog.upstream_mode, dialog.us_sample_rate, RAW_OPUS_BITS_PER_S)
    if dialog.downstream_mode != "pcm":
        make_decoder(dialog.downstream_mode, dialog.ds_sample_rate)


def load_echo_canceller(audio: Audio) -> None:
    """Load the library that the daemon would, if one is set.

    Raises:
        SettingsInvalid: it is missing; the message names its package.
    """
    if audio.echo_canceller != "none":
        from mmid.hal_linux.audio.echo.libspeexdsp import load  # noqa: PLC0415 - only if asked for

        load()


def check_mixer(settings: Settings) -> Finding:
    """Whether the mixer control is there that the settings name."""
    from mmid.hal_linux.audio.playback.mixer import AlsaMixer  # noqa: PLC0415

    audio = settings.audio
    if not audio.mixer_control:
        return skipped("mixer", "no audio.mixer_control: mmid scales the samples itself")
    try:
        mixer = AlsaMixer(audio.mixer_device, audio.mixer_control)
        volume, muted = mixer.volume, mixer.muted
    except AudioDeviceFailed as error:
        return failed(
            "mixer", str(error), f"amixer -D {audio.mixer_device} scontrols lists the controls."
        )
    text = f"{audio.mixer_device} {audio.mixer_control} stands at {volume} %"
    if muted or volume == 0:
        remedy = "Nobody hears the replies: mmictl mute off, mmictl volume 80."
        return warned("mixer", f"{text}{', muted' if muted else ''}", remedy)
    return fine("mixer", text)

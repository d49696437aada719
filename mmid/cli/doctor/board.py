"""What the board itself must offer: the record's flash, the time, sound."""

from mmid.cli.doctor.finding import Finding, Verdict, failed, fine, skipped, warned
from mmid.cli.mmid.hal_test import make_player, make_recorder
from mmid.cli.mmid.storage import load_record
from mmid.errors import TABLE, AudioDeviceFailed, ClockNotSet, SettingsInvalid, StorageFailed
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.audio import GLANCE_S, check_player, check_recorder
from mmid.hal_linux.storage import SlotReport, SlotState, describe
from mmid.hal_linux.time.clock import KernelClock
from mmid.session.clouds import cloud_of
from mmid.session.license.record import DeviceRecord
from mmid.settings import RAW_OPUS_BITS_PER_S, Audio, Dialog, Settings

# In duplex, or in the middle of a speech, a card that only one can open is the daemon's.
_HELD_BY_MMID = " is busy: mmid (process "


def check_record(settings: Settings) -> Finding:
    """Whether the device record can be read, in all its copies."""
    target, key = settings.storage.target, settings.storage.key
    try:
        copies = describe(target, key)
        if not key and any(copy.sealed for copy in copies):
            return fine("record", f"{target} holds a sealed record; the daemon has its key")
        record = load_record(settings.storage)
    except StorageFailed as error:
        return failed("record", str(error), _storage_remedy(error))
    damaged = [copy for copy in copies if copy.state is SlotState.DAMAGED]
    if damaged:
        return _damaged(damaged, lost=record is None)
    how = "sealed" if any(copy.sealed for copy in copies) else "plain"
    return _whose(settings, record, how)


def _whose(settings: Settings, record: DeviceRecord | None, how: str) -> Finding:
    """Say which device the record makes of this board; None: there is no record yet."""
    target, cloud = settings.storage.target, cloud_of(settings.cloud.protocol)
    held = record or DeviceRecord()
    name = held.known_as or "no name yet"
    if objection := cloud.objection(settings, held):
        remedy = "Correct license.device_name: by another name the cloud counts another device."
        return failed("record", f"{target} holds {name}: {objection}", remedy)
    if record is not None:
        return fine("record", f"{target} holds {name}, {how}")
    if not cloud.registers(settings):
        return fine("record", f"{target} is empty, as it may be: nothing is registered")
    return warned(
        "record",
        f"{target} is empty: this device was never registered",
        "Provision it (mmid provision) and let mmid connect; it registers by itself.",
    )


def check_workspace(settings: Settings, dialog: Finding) -> Finding:
    """Whether anything names the workspace that the first message of a dialog needs.

    Args:
        settings: one place for it; the device record is another.
        dialog: what was found of the dialog: one that is there has it, from the token.
    """
    try:
        record = load_record(settings.storage) or DeviceRecord()
    except StorageFailed:
        return skipped("workspace", "the record cannot be read, which may name it")
    if workspace := settings.cloud.workspace_id or record.workspace_id:
        return fine("workspace", workspace)
    if not cloud_of(settings.cloud.protocol).registers(settings):
        return fine("workspace", "none, and a dialog here needs none")
    if dialog.verdict is Verdict.OK:
        return fine("workspace", "the token brings it")
    if not record.registered:
        return skipped("workspace", "nothing is registered yet, and the token may bring it")
    return warned(
        "workspace",
        "neither cloud.workspace_id nor the device record names a workspace",
        "A dialog needs one: if the token does not bring it, set cloud.workspace_id.",
    )


def _damaged(copies: list[SlotReport], *, lost: bool) -> Finding:
    text = "; ".join(f"{copy.place}: {copy.problem or 'damaged'}" for copy in copies)
    if lost:
        return failed(
            "record",
            f"no copy can be read: {text}",
            "Look at the flash (dmesg), and at what else writes there; mmid storage show tells "
            "more. A registered name cannot be registered again: ask the vendor to reset it.",
        )
    return warned(
        "record",
        f"one copy cannot be read, the other serves: {text}",
        "Nothing is lost; the next save mends it. If it comes again, the flash is failing.",
    )


def _storage_remedy(error: StorageFailed) -> str:
    if isinstance(error.__cause__, PermissionError):
        return "Run it as root: the record is for root and the daemon alone."
    return error.remedy


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

"""``mmid hal-test``: the vendor's acceptance test on the configured devices, and more.

What it prints for the vendor is the log of the SDK's own test, to the
letter; ``--audio``, ``--acoustic`` and ``--echo`` go beyond it, for the factory line. The
exit status is 1 if any check failed.
"""

import argparse
import asyncio
import itertools
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from mmid.cli.daemon_user import become_daemon_user
from mmid.cli.mmid.storage import try_to_load
from mmid.cli.streams import print_json, print_lines
from mmid.errors import AudioDeviceFailed, SettingsInvalid, StorageFailed
from mmid.hal_linux import acceptance
from mmid.hal_linux.acceptance import CheckResult
from mmid.hal_linux.acceptance.acoustic import judge
from mmid.hal_linux.acceptance.audio import (
    check_decoder,
    check_encoder,
    check_player,
    check_recorder,
    record_sweep,
)
from mmid.hal_linux.storage import open_store
from mmid.hal_linux.storage.store_lock import hold_store
from mmid.hal_linux.time.clock import KernelClock
from mmid.session.license.record import DeviceRecord
from mmid.settings import Settings

if TYPE_CHECKING:
    from mmid.hal_linux.audio.capture.recorder import AlsaRecorder
    from mmid.hal_linux.audio.playback.player import AlsaPlayer

# The log of the SDK's test library to the letter, as both of the vendor's porting guides
# print it: no blank after the prefix, 21 stars before a step, and behind it as many as
# make 58 columns.
_INFO = "[UT][I][aliyun_sdk_test]"
_ERROR = "[UT][E][aliyun_sdk_test]"
_STARS = "*" * 21
_STEP_COLUMNS = 58

# A sweep lasts two seconds, and the whole test at most twenty.
_MOST_PAIRS = 6

Say = Callable[[str], None]


def hal_test(settings: Settings, options: argparse.Namespace) -> int:
    """Run the checks and print what they found.

    Raises:
        SettingsInvalid: the options make no sense together.
    """
    pairs = _pairs(settings, options)
    # JSON is one object at the end.
    say: Say = (lambda _: None) if options.json else (lambda line: print_lines([line]))
    results = list(_vendor_s(settings, say))
    serial = _serial(settings) if options.json else ""
    if options.audio or options.acoustic or options.echo:
        become_daemon_user()
        results += asyncio.run(_sound(settings, options, pairs, say))
    passed = all(result.passed for result in results)
    if options.json:
        checks = [asdict(result) for result in results]
        print_json({"serial": serial, "passed": passed, "checks": checks})
    return 0 if passed else 1


def _serial(settings: Settings) -> str:
    """Return the device's name: of the settings, else of the record; empty if it has none."""
    if settings.license.device_name:
        return settings.license.device_name
    record, _ = try_to_load(settings.storage)  # what failed is the business of its check
    return record.device_name if record else ""


# --- the vendor's five ----------------------------------------------------------------------


def _vendor_s(settings: Settings, say: Say) -> Iterator[CheckResult]:
    """Run the five modules in the SDK's order, and print its log."""
    clock = KernelClock(settings.clock.require_sync)
    checks: list[Callable[[], CheckResult]] = [
        acceptance.check_memory,
        lambda: acceptance.check_time(clock),
        lambda: _check_storage(settings),
        acceptance.check_random,
        acceptance.check_mutex,
    ]
    _say_step(say, "Hal Test Start")
    for check in checks:
        result = check()
        if "now_ms" in result.measured:
            say(f"{_INFO}time is {result.measured['now_ms']}")
        if result.passed:
            _say_step(say, f"{result.check} test done")
        else:
            say(f"{_ERROR}{result.check} test failed: {result.detail}")
        yield result
    _say_step(say, "Hal Test End")


def _say_step(say: Say, text: str) -> None:
    say(_INFO + f"{_STARS} {text} ".ljust(_STEP_COLUMNS, "*"))


def _check_storage(settings: Settings) -> CheckResult:
    storage = settings.storage
    try:
        with hold_store(storage.target):
            store = open_store(storage.target, key=storage.key)
            return acceptance.check_storage(store, DeviceRecord().encode())
    except StorageFailed as error:
        return CheckResult("storage", False, f"{error}. {error.advice}".removesuffix(". "))


# --- beyond the SDK -------------------------------------------------------------------------


def _pairs(settings: Settings, options: argparse.Namespace) -> list[tuple[str, str]]:
    """Return which microphone is to hear which loudspeaker."""
    if not options.acoustic:
        if options.capture or options.playback:
            raise SettingsInvalid("--capture and --playback go with --acoustic")
        return []
    capture = options.capture or [settings.audio.capture_device]
    playback = options.playback or [settings.audio.playback_device]
    pairs = list(itertools.product(capture, playback))
    if len(pairs) > _MOST_PAIRS:
        raise SettingsInvalid(
            f"--capture and --playback make {len(pairs)} pairs, {_MOST_PAIRS} is the most: "
            "test the channels in two runs"
        )
    return pairs


async def _sound(
    settings: Settings, options: argparse.Namespace, pairs: list[tuple[str, str]], say: Say
) -> list[CheckResult]:
    results: list[CheckResult] = []
    if options.audio:
        results += await _check_audio(settings)
        _show(results, say)
    for capture, playback in pairs:
        found = await _check_room_twice(settings, capture, playback)
        _show(found, say)
        results += found
    if options.echo:
        found = [await _check_echo(settings)]
        _show(found, say)
        results += found
    return results


def _show(results: list[CheckResult], say: Say) -> None:
    for result in results:
        say(f"{'ok' if result.passed else 'FAILED':7} {result.check:20} {result.detail}")


async def _check_audio(settings: Settings) -> list[CheckResult]:
    """Run recorder and player in silence, and open the codecs of the settings."""
    audio, dialog = settings.audio, settings.dialog
    recorder = make_recorder(settings, audio.capture_device)
    player = make_player(settings, audio.playback_device)
    recorded = await check_recorder(recorder, dialog.us_sample_rate)
    played = await check_player(player, dialog.ds_sample_rate)
    return [
        replace(recorded, measured={**recorded.measured, "format": recorder.format}),
        replace(played, measured={**played.measured, "format": player.format}),
        check_encoder(dialog.upstream_mode, dialog.us_sample_rate),
        check_decoder(dialog.downstream_mode, dialog.ds_sample_rate),
    ]


async def _check_room_twice(settings: Settings, capture: str, playback: str) -> list[CheckResult]:
    """Play the sweep to one PCM, record it from another, and judge what was heard."""
    results = await _check_room(settings, capture, playback)
    failed = {result.check for result in results if not result.passed}
    if failed == {"acoustic delay"}:
        # The board may have been busy just when the clock was read.
        results = await _check_room(settings, capture, playback)
    return results


async def _check_room(settings: Settings, capture: str, playback: str) -> list[CheckResult]:
    dialog = settings.dialog
    recorder, player = make_recorder(settings, capture), make_player(settings, playback)
    where = {"capture": capture, "playback": playback}
    try:
        recording = await record_sweep(
            recorder, dialog.us_sample_rate, player, dialog.ds_sample_rate
        )
    except AudioDeviceFailed as error:
        return [CheckResult("acoustic", False, str(error), {**where})]
    return [
        replace(result, check=f"acoustic {result.check}", measured={**where, **result.measured})
        for result in judge(recording)
    ]


async def _check_echo(settings: Settings) -> CheckResult:
    """Measure the echo canceller, with the settings' devices, tail and reference."""
    from mmid.hal_linux.acceptance.echo import check_echo  # noqa: PLC0415 - only if asked for
    from mmid.hal_linux.audio.echo.cancellation import connect  # noqa: PLC0415

    audio = settings.audio
    recorder = make_recorder(settings, audio.capture_device)
    player = make_player(settings, audio.playback_device)
    try:
        echo = connect(
            recorder,
            player,
            tail_ms=audio.echo_tail_ms,
            microphone=audio.capture_channel,
            loopback=audio.loopback_channel,
        )
    except SettingsInvalid as error:
        return CheckResult("echo", False, str(error))
    return await check_echo(recorder, player, echo)


# alsa-lib is loaded here only, so that a board without it can pass the vendor's test.


def make_recorder(settings: Settings, device: str) -> "AlsaRecorder":
    """Return the recorder that the daemon would make, for a PCM."""
    from mmid.hal_linux.audio.capture.recorder import AlsaRecorder  # noqa: PLC0415

    return AlsaRecorder(device, settings.dialog.us_sample_rate, settings.audio.period_ms)


def make_player(settings: Settings, device: str) -> "AlsaPlayer":
    """Return the player that the daemon would make, for a PCM."""
    from mmid.hal_linux.audio.playback.gain import SoftwareGain  # noqa: PLC0415
    from mmid.hal_linux.audio.playback.player import AlsaPlayer  # noqa: PLC0415

    rate_hz, period_ms = settings.dialog.ds_sample_rate, settings.audio.period_ms
    return AlsaPlayer(device, rate_hz, period_ms, SoftwareGain())

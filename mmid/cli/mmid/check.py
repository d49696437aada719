"""``mmid check``: what the daemon would use, and whether it could.

It changes nothing, but notes where the service keeps its state that the settings are good
(``mmid.settings.proven``): the service need not judge them again.

It stays on the board: whether the servers answer is a question for ``mmictl doctor``.
"""

from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from mmid.cli.doctor.as_daemon import as_daemon
from mmid.cli.doctor.board import load_codecs, load_echo_canceller
from mmid.cli.doctor.exposure import exposures
from mmid.cli.doctor.finding import Finding, Verdict
from mmid.cli.doctor.network import check_trust, ways_of
from mmid.cli.streams import print_lines
from mmid.errors import TABLE, InvalidArgument, NotProvisioned, SettingsInvalid, StorageFailed
from mmid.gateway.prompts import Occasion, read_prompt
from mmid.hal_linux.storage import describe, open_store
from mmid.hal_linux.time.clock import KernelClock
from mmid.secrets import MASK
from mmid.session.clouds import cloud_of
from mmid.session.license.record import DeviceRecord
from mmid.settings import License, PromptFiles, Settings, Storage


def check(settings: Settings, options: Namespace) -> int:
    """Print the report; the exit status is 0.

    Sound devices that fail are told in it and no error: mmid starts without them.

    Raises:
        SettingsInvalid: what the cloud cannot do without is not set; a codec or an echo canceller
            is asked for whose library is not installed; a prompt cannot be played; or the file of
            authorities or the proxy of the service cannot be used.
        StorageFailed: the device record cannot be read.
    """
    if missing := cloud_of(settings.cloud.protocol).missing(settings):
        raise SettingsInvalid(
            f'{missing} not set: cloud.protocol = "{settings.cloud.protocol}" needs it'
        )
    load_codecs(settings.dialog)
    load_echo_canceller(settings.audio)
    _read_prompts(settings.prompts)
    storage = settings.storage
    record = open_store(storage.target, key=storage.key).load()
    clock = KernelClock(settings.clock.require_sync)
    tried = _try(settings)
    report = _report(settings, record, tried, clock_is_set=clock.synchronized)
    print_lines(f"{topic:8} {facts}" for topic, facts in report)
    open_ones = exposures(options.config, settings)
    print_lines(f"{'open':8} {one.text}: {one.remedy}" for one in open_ones)
    return 0


def _read_prompts(files: PromptFiles) -> None:
    """Read the prompts as the daemon would, which reads one only when it is to be heard."""
    for occasion in Occasion:
        name = getattr(files, occasion.value)
        if not (files.directory and name):
            continue
        try:
            read_prompt(Path(files.directory, name))
        except InvalidArgument as error:
            raise SettingsInvalid(f'prompts.{occasion} = "{name}": {error}') from None


def _try(settings: Settings) -> dict[str, str]:
    """Use authorities, proxy and sound as the daemon does; say what came of it, by topic."""
    trust = check_trust(settings)
    if trust.verdict is Verdict.FAILURE:
        raise SettingsInvalid(trust.text)
    ways = ways_of(settings)
    proxies = dict.fromkeys(proxy.shown for _, _, proxy in ways if proxy)
    heard = {name: as_daemon(name, "board", settings)[0] for name in ("capture", "playback")}
    told = {name: _told(finding) for name, finding in {"trust": trust, **heard}.items()}
    return {**told, "proxy": " and ".join(proxies) or "none"}


def _told(finding: Finding) -> str:
    if finding.verdict is Verdict.OK:
        return finding.text
    return f"{finding.verdict.upper()}: {finding.text}. {finding.remedy}".removesuffix(". ")


def _report(
    settings: Settings, record: bytes | None, tried: Mapping[str, str], *, clock_is_set: bool
) -> Iterator[tuple[str, str]]:
    """What the daemon would use, by topic."""
    cloud, license_, audio = settings.cloud, settings.license, settings.audio
    spoken_to = cloud_of(cloud.protocol)
    addresses = spoken_to.addresses(settings)
    yield "cloud", f"{cloud.protocol} at {addresses['cloud.ws_url']}"
    yield "trust", tried["trust"]
    yield "proxy", tried["proxy"]
    registers = spoken_to.registers(settings)
    yield "license", spoken_to.proof(settings)
    yield "device", _identity(license_, registers=registers)
    held = "empty; this mode needs none"
    if record:
        held = f"{_held(settings.storage, record)}{_holder(record)}"
    elif registers:
        held = _nothing_held(license_)
    if objection := spoken_to.objection(settings, _decoded(record)):
        held += f": {objection}. So mmid will not connect"
    yield "record", f"{settings.storage.target}: {held}"
    trusted = "set" if clock_is_set else "not set; mmid would wait for it"
    yield "clock", f"{trusted} (clock.require_sync = {str(settings.clock.require_sync).lower()})"
    yield "audio", f"records from {audio.capture_device}, plays to {audio.playback_device}"
    if audio.echo_canceller != "none":
        reference = f"reference {audio.echo_reference}"
        yield "echo", f"{audio.echo_canceller}, tail {audio.echo_tail_ms} ms, {reference}"
    yield "capture", tried["capture"]
    yield "playback", tried["playback"]
    yield "dialog", settings.dialog.work_mode
    dialog = settings.dialog
    up = f"{dialog.upstream_mode} at {dialog.us_sample_rate} Hz up"
    yield "codecs", f"{up}, {dialog.downstream_mode} at {dialog.ds_sample_rate} Hz down"
    yield "bus", settings.dbus.bus


def _identity(identity: License, *, registers: bool) -> str:
    unused = " (not used when semi-managed: remove it)" if identity.mode == "semi-managed" else ""
    known = {
        "AppId": identity.app_id,
        "AppSecret": MASK if identity.app_secret else "",
        "API key": MASK + unused if identity.api_key else "",
    }
    # Where nothing is registered, what is not set is not needed either.
    told = [f"{name} {value or 'not set'}" for name, value in known.items() if value or registers]
    return ", ".join([f"name {identity.device_name or 'as in the record'}", *told])


def _decoded(payload: bytes | None) -> DeviceRecord:
    try:
        return DeviceRecord.decode(payload) if payload else DeviceRecord()
    except StorageFailed:  # it was not asked what it holds; mmid storage show tells
        return DeviceRecord()


def _holder(payload: bytes) -> str:
    """Say whose record it is, and whether a cloud has activated the device by that name."""
    record = _decoded(payload)
    if record.activated_name:
        return f", activated as {record.activated_name}"
    return f", of {record.device_name}" if record.device_name else ""


def _held(storage: Storage, record: bytes) -> str:
    """Say what the store holds, and who could read it."""
    sealed = any(slot.sealed for slot in describe(storage.target, storage.key))
    if sealed:
        protection = "sealed"
    elif storage.key:
        protection = "plain; the next save seals it"
    else:
        protection = "plain; whoever reads the flash has the secrets, storage.key seals them"
    return f"{len(record)} bytes, {protection}"


def _nothing_held(identity: License) -> str:
    """Say what the daemon would do about an empty store."""
    if identity.app_id and identity.app_secret and identity.device_name:
        return "empty; the device would register"
    return f"empty, and the device cannot register. {TABLE[NotProvisioned].remedy}"

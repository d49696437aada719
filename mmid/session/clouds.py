"""The clouds that mmid speaks to: one line each, and what every cloud says of itself.

This is the only list of clouds. A cloud's folder in ``session.dialects`` exports one
``Cloud``, which is loaded when the settings choose it. Nothing outside that folder, its
table of the settings and its folder in simcloud knows the cloud by its name.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmid.errors import SettingsInvalid
from mmid.frozen import frozen
from mmid.json_text import read_json
from mmid.regular_file import require_regular_file
from mmid.session.endpoint import Endpoint
from mmid.settings import Settings, WorkMode

if TYPE_CHECKING:  # whoever judges settings needs none of these, nor asyncio, which they bring
    from mmid.session.access import Access
    from mmid.session.dialects.dialect import Dialect
    from mmid.session.license.record import DeviceRecord

# What a file of the settings adds to the first message, which a cloud takes up to some limit.
_LONGEST_JSON_BYTES = 64 * 1024

# Protocol, as cloud.protocol names it: the module whose CLOUD describes it.
CLOUDS = {
    "multimodal-dialog": "mmid.session.dialects.multimodal_dialog.cloud",
    "qwen-realtime": "mmid.session.dialects.qwen_realtime.cloud",
    "baidu-rtc": "mmid.session.dialects.baidu_rtc.cloud",
}


@frozen
class CloudAudio:
    """What a cloud takes of speech, and gives of a reply: mono, in the rates and codecs named.

    Attributes:
        upstream_codecs: values of dialog.upstream_mode that it understands.
        downstream_codecs: values of dialog.downstream_mode that it can send.
        upstream_hz: sample rates of speech; the first is the protocol's own.
        downstream_hz: sample rates of replies; the first is the protocol's own.
        frame_ms: length of the speech in one frame.
    """

    upstream_codecs: Sequence[str]
    downstream_codecs: Sequence[str]
    upstream_hz: Sequence[int]
    downstream_hz: Sequence[int]
    frame_ms: int


@frozen
class Opening:
    """What a dialect is made of: one connection's beginning.

    Attributes:
        settings: how to talk with the cloud, and as whom.
        credential: what the connection was opened with.
        work_mode: how one talks on it.
        dialog_id: the dialog to go on with, or empty for a new one.
        ready_by: monotonic time by which the cloud must take speech.
        nonce: 32 hex digits that were never used before.
    """

    settings: Settings
    credential: Any
    work_mode: WorkMode
    dialog_id: str
    ready_by: float
    nonce: str


@frozen
class Contradiction:
    """A key that cannot work with others: the line an operator reads names it and says why."""

    key: str
    why: str


@frozen
class Cloud:
    """All that the rest of mmid knows of a cloud.

    Attributes:
        protocol: its name in cloud.protocol.
        audio: what it takes and gives.
        modules: what a connection needs of it, imported once the daemon is ready.
        access: makes its ``Access`` from the settings and, by name, the device record
            (``book``), the ``clock``, the ``status``, what asks its services (``exchange``), what
            goes the way to the cloud before anything that cannot be undone (``rehearse``), and
            what tells the ``work_mode``.
        endpoint: where a connection goes, for the settings and a credential.
        dialect: makes its ``Dialect``.
        contradictions: what of the settings cannot work with it.
        addresses: the URL of each server it needs, by the key that may name another.
        registers: whether the device record holds a registration that it cannot do without.
        proof: says in a line what the board proves itself with; no secret is in it.
        missing: the keys that are not set and that no record can stand in for; empty: none.
        objection: why this device may not be called what settings and device record say, where a
            name is for ever; empty: it may.
    """

    protocol: str
    audio: CloudAudio
    modules: Sequence[str]
    access: Callable[..., "Access"]
    endpoint: Callable[[Settings, Any], Endpoint]
    dialect: Callable[[Opening], "Dialect"]
    contradictions: Callable[[Settings], Iterator[Contradiction]]
    addresses: Callable[[Settings], Mapping[str, str]]
    registers: Callable[[Settings], bool]
    proof: Callable[[Settings], str]
    missing: Callable[[Settings], str] = lambda _: ""
    objection: Callable[[Settings, "DeviceRecord"], str] = lambda *_: ""


def json_file(path: str, kind: type) -> Any:
    """Return what a JSON file of the settings holds; without a path, what is empty.

    Args:
        path: the file, or empty.
        kind: ``dict`` or ``list``, what the file must hold.

    Raises:
        SettingsInvalid: it cannot be read, is too large, or holds something else.
    """
    if not path:
        return kind()
    try:
        require_regular_file(path, _LONGEST_JSON_BYTES)
        with Path(path).open("rb") as file:
            data = file.read(_LONGEST_JSON_BYTES)
        held = read_json(data.decode("utf-8-sig"))
    except OSError as error:
        raise SettingsInvalid(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SettingsInvalid(f"{path}: not JSON: {error}") from error
    if not isinstance(held, kind):
        raise SettingsInvalid(f"{path}: must hold {'an object' if kind is dict else 'an array'}")
    return held


def cloud_of(protocol: str) -> Cloud:
    """Return the description of a cloud.

    Raises:
        SettingsInvalid: there is no such cloud.
    """
    if protocol not in CLOUDS:
        there = ", ".join(f'"{name}"' for name in CLOUDS)
        raise SettingsInvalid(f'cloud.protocol = "{protocol}": must be one of {there}')
    cloud: Cloud = import_module(CLOUDS[protocol]).CLOUD
    return cloud


def with_own_rates(settings: Settings) -> Settings:
    """Return the settings with the protocol's own sample rates where they set none."""
    audio, dialog = cloud_of(settings.cloud.protocol).audio, settings.dialog
    rates: dict[str, Any] = {
        "us_sample_rate": dialog.us_sample_rate or audio.upstream_hz[0],
        "ds_sample_rate": dialog.ds_sample_rate or audio.downstream_hz[0],
    }
    return replace(settings, dialog=replace(dialog, **rates))


def contradictions(settings: Settings) -> Iterator[Contradiction]:
    """Yield what of the settings cannot work with the cloud they name."""
    cloud, settings = cloud_of(settings.cloud.protocol), with_own_rates(settings)
    audio, dialog = cloud.audio, settings.dialog
    able = {
        "upstream_mode": audio.upstream_codecs,
        "downstream_mode": audio.downstream_codecs,
        "us_sample_rate": audio.upstream_hz,
        "ds_sample_rate": audio.downstream_hz,
    }
    for key, there in able.items():
        chosen = getattr(dialog, key)
        if chosen not in there:
            has = ", ".join(str(one) for one in there)
            yield Contradiction(f"dialog.{key}", f"{cloud.protocol} has {has}")
    yield from cloud.contradictions(settings)

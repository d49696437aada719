"""Every option of mmid: its default, its range and its help, as frozen plain data.

One frozen dataclass a table; the keys are those of mmid.toml(5). The standard
library is all this needs, so the resident daemon holds it for nothing;
``mmid.settings.load`` reads and validates the files with pydantic-settings and
hands over a ``Settings``. Settings are read once and passed down: no other
module reads a file or the environment for them.
"""

from dataclasses import field
from typing import Literal

from mmid.frozen import frozen
from mmid.secrets import Secret
from mmid.settings.baidu import Baidu as Baidu
from mmid.settings.dialog import RAW_OPUS_BITS_PER_S as RAW_OPUS_BITS_PER_S
from mmid.settings.dialog import Dialog as Dialog
from mmid.settings.dialog import WorkMode as WorkMode
from mmid.settings.option import (
    HEADERS,
    HTTPS,
    HTTPS_OR_EMPTY,
    KEY,
    KEY_FORM,
    WSS_OR_EMPTY,
    at_once,
    at_start,
    per_connection,
)
from mmid.settings.prompts import PromptFiles as PromptFiles
from mmid.settings.qwen import Qwen


@frozen
class Cloud:
    """The cloud service that holds the dialog."""

    protocol: str = at_start(
        "multimodal-dialog",
        "The wire protocol: the cloud that is spoken to.",
        max_length=64,
    )
    ws_url: str = per_connection(
        "",
        "Where the dialog connects. Empty: the protocol's own address. TLS only: ws:// is refused.",
        pattern=WSS_OR_EMPTY,
        form="a wss:// URL, or empty",
    )
    license_url: str = per_connection(
        "https://bailian.multimodalagent.aliyuncs.com",
        "Base of the license service; the documented paths are appended. "
        "TLS only: http:// is refused.",
        pattern=HTTPS,
        form="an https:// URL",
    )
    ca_file: str = per_connection(
        "",
        "PEM file with the authorities to trust instead of the system's. "
        "The cloud has used GlobalSign R3 and R46: a file must hold both.",
    )
    connect_timeout_s: float = per_connection(
        15.0, "Longest time from TCP to the first Listening, in seconds.", ge=1, le=120
    )
    workspace_id: str = per_connection(
        "",
        "Workspace of the application (llm- and 16 characters). Needed in pay-as-you-go mode; "
        "in the license modes the cloud knows it.",
        max_length=64,
    )
    model: str = per_connection(
        "", "Model named in the first message. Empty: the protocol's own.", max_length=64
    )


@frozen
class License:
    """Who this device is, and how it proves it."""

    mode: Literal["fully-managed", "semi-managed", "pay-as-you-go"] = at_start(
        "fully-managed",
        "fully-managed: the device registers with the cloud; semi-managed: through the vendor's "
        "own server; pay-as-you-go: no registration, the API key is the credential.",
    )
    app_id: str = per_connection(
        "",
        "AppId of the product (mm_ and lower-case hex).",
        pattern=r"^(mm_[0-9a-f]{1,32})?$",
        form="mm_ and 1 to 32 of 0-9 a-f",
    )
    app_secret: Secret = per_connection(
        Secret(""),
        "AppSecret of the product, 32 hex characters. Better as the systemd credential app_secret.",
        pattern=r"^([0-9A-Fa-f]{32})?$",
        form="32 hexadecimal digits",
    )
    api_key: Secret = per_connection(
        Secret(""),
        "API key. Better as the systemd credential api_key. Not needed when semi-managed, nor "
        "when a relay gives temporary keys (token_url, with a cloud that has no license).",
        pattern=KEY,
        form=KEY_FORM,
    )
    device_name: str = per_connection(
        "",
        "Name of this device, unique within the product and never changed: a serial number "
        "or MAC. Empty: the one already in the device record.",
        pattern=r"^[A-Za-z0-9_-]{0,32}$",
        form="at most 32 of A-Z a-z 0-9 _ -",
    )
    register_url: str = per_connection(
        "",
        "Whole URL to register at, instead of license_url and its path.",
        pattern=HTTPS_OR_EMPTY,
        form="an https:// URL, or empty",
    )
    token_url: str = per_connection(
        "",
        "Whole URL to fetch tokens from, instead of license_url and its path. With a cloud that "
        "has no license: the relay that gives a temporary key for each connection, instead of "
        "api_key.",
        pattern=HTTPS_OR_EMPTY,
        form="an https:// URL, or empty",
    )
    headers: Secret = per_connection(
        Secret(""),
        "Further HTTP headers for the license service or the relay: a TOML table of names and "
        "values, or a text with a line 'Name: value' each. Better as the systemd credential "
        "license_headers.",
        pattern=HEADERS,
        form="lines 'Name: value' of printable ASCII",
    )
    client_cert: str = per_connection(
        "",
        "PEM file with the certificate that this device shows to the license service or the "
        "relay. May be a systemd credential: /run/credentials/mmid.service/NAME.",
        max_length=255,
    )
    client_key: str = per_connection(
        "",
        "PEM file with the key of client_cert, without a passphrase. Empty: it is in client_cert.",
        max_length=255,
    )
    codec: str = per_connection(
        "built-in",
        "What seals and opens the license's messages: built-in, or vendor:/PATH of the vendor's "
        "own library (packaging/vendor-codec).",
        pattern=r"^(built-in|vendor:/\S+)$",
        form="built-in or vendor:/PATH",
    )
    sign_tasks: bool = per_connection(
        False,
        "true: put a License signature into the first message of each connection. The built-in "
        "codec's is a guess, the vendor's documents do not tell it: for license.codec = vendor.",
    )
    user_id: str = per_connection(
        "", "User the dialog is counted for. Empty: the device name.", max_length=36
    )


@frozen
class Storage:
    """Where the device record is kept."""

    target: str = at_start(
        "file:/var/lib/mmid/device.bin",
        "block:/dev/disk/by-partlabel/NAME: a partition of its own on eMMC, SD or disk; "
        "ubi:/dev/ubiX_Y: a dynamic UBI volume on NAND; mtd:/dev/mtdN or mtd:name=NAME: raw NOR "
        "flash; file:/PATH: a file, for development. All keep two copies and survive power cuts.",
        pattern=r"^(file:/\S+|block:/dev/\S+|ubi:/dev/\S+|mtd:(/dev/\S+|name=\S+))$",
        form="file:/PATH, block:/dev/NAME, ubi:/dev/NAME, mtd:/dev/NAME or mtd:name=NAME",
    )
    key: Secret = at_start(
        Secret(""),
        "Key to seal the record with (AES-256-GCM), 64 hex characters. Better as the systemd "
        "credential storage_key. Empty: the record is kept plain.",
        pattern=r"^([0-9A-Fa-f]{64})?$",
        form="64 hexadecimal digits, or empty",
    )


@frozen
class Clock:
    """When the wall clock is trusted to sign with."""

    require_sync: bool = at_start(
        True,
        "true: wait until the kernel says the clock is synchronised; false: trust any time "
        "after this release was made (boards with an RTC and no NTP, containers).",
    )


@frozen
class Audio:
    """The sound devices."""

    capture_device: str = at_start("default", "ALSA PCM to record from.", max_length=255)
    playback_device: str = at_start("default", "ALSA PCM to play to.", max_length=255)
    mixer_device: str = at_start(
        "default", "ALSA mixer (card) that holds mixer_control.", max_length=255
    )
    mixer_control: str = at_start(
        "",
        "Simple mixer control that sets the volume, such as Master or Headphone,1. Empty: mmid "
        "scales the samples itself.",
        max_length=64,
    )
    period_ms: int = at_start(
        20,
        "ALSA period, and the length of the first chunk of speech that is sent. "
        "Shorter answers sooner, longer costs less.",
        ge=10,
        le=100,
    )
    jitter_buffer_ms: int = at_start(
        50,
        "How long the first reply after the start is collected before it is heard, in ms; with "
        "periods of more than 25 ms a little longer. Those that follow go by how the replies "
        "before them arrived.",
        ge=0,
        le=500,
    )
    echo_canceller: Literal["none", "speex"] = at_start(
        "none",
        "speex: take what the loudspeaker plays out of what the microphone hears, in duplex "
        "(libspeexdsp1; docs/duplex.md). none: the board does it, or has no duplex.",
    )
    echo_tail_ms: int = at_start(
        200,
        "How long the room answers to a sound, for echo_canceller. Longer costs CPU, and learns "
        "more slowly.",
        ge=50,
        le=500,
    )
    echo_reference: str = at_start(
        "playback",
        "Where echo_canceller has the loudspeaker's sound from. playback: what mmid plays itself; "
        "channel:N: channel N of capture_device, counted from 0, on boards that loop it back.",
        pattern=r"^(playback|channel:[0-9]{1,2})$",
        form="playback, or channel:N",
    )
    capture_channel: int = at_start(
        0,
        "The microphone's channel of capture_device, counted from 0, where echo_reference is "
        "another one.",
        ge=0,
        le=99,
    )

    @property
    def loopback_channel(self) -> int | None:
        """The channel of echo_reference; None where mmid's own playback is the reference."""
        if self.echo_canceller == "none" or self.echo_reference == "playback":
            return None
        return int(self.echo_reference.removeprefix("channel:"))


@frozen
class DBus:
    """Which bus org.mmid1 is on."""

    bus: str = at_start(
        "system",
        "system, session, or a D-Bus address such as unix:path=/run/x.",
        pattern=r"^(system|session|[a-z]+:\S+)$",
        form="system, session, or an address such as unix:path=/run/x",
    )


@frozen
class Log:
    """What the journal says."""

    level: Literal["debug", "info", "warning", "error"] = at_once(
        "info", "Least important lines that are written."
    )
    wire: bool = per_connection(
        False,
        "true: write every text message of the cloud at level debug (what people say is in "
        "them). Secrets are masked in any case; audio is never written.",
    )


@frozen
class Settings:
    """All tables."""

    cloud: Cloud = field(default_factory=Cloud)
    license: License = field(default_factory=License)
    qwen: Qwen = field(default_factory=Qwen)
    baidu: Baidu = field(default_factory=Baidu)
    storage: Storage = field(default_factory=Storage)
    clock: Clock = field(default_factory=Clock)
    audio: Audio = field(default_factory=Audio)
    dialog: Dialog = field(default_factory=Dialog)
    prompts: PromptFiles = field(default_factory=PromptFiles)
    dbus: DBus = field(default_factory=DBus)
    log: Log = field(default_factory=Log)

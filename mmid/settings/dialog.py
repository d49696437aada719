"""The table ``dialog`` of the settings: how one talks with the cloud."""

from typing import Literal

from mmid.frozen import frozen
from mmid.settings.option import COORDINATES_OR_EMPTY, at_start, per_connection

# Speech that is sent as Opus. The cloud is not told and does not limit it; from
# here on nobody hears a difference.
RAW_OPUS_BITS_PER_S = 32_000

WorkMode = Literal["push2talk", "tap2talk", "duplex"]
_RATE = Literal[0, 8000, 16000, 24000, 48000]


@frozen
class Dialog:
    """How one talks with it."""

    work_mode: WorkMode = at_start(
        "push2talk",
        "push2talk: StartSpeech and StopSpeech frame the speech; tap2talk: StartSpeech opens the "
        "microphone, the cloud hears the end; duplex: the microphone is always open, and an echo "
        "canceller must be in front of it.",
    )
    press_wait_s: float = at_start(
        2.0,
        "How long a press that comes before the dialog is ready waits for it, in seconds; what "
        "is said meanwhile is kept. 0: StartSpeech fails at once with NotReady.",
        ge=0,
        le=5,
    )
    idle_disconnect_s: float = at_start(
        0.0,
        "After so many seconds without a turn the connection is left; a press, Ask or Say opens it "
        "again and waits press_wait_s for it. For products that pay for connections, or run on a "
        "battery. 0: stay connected. Nothing in duplex, where nobody presses.",
        ge=0,
        le=86400,
    )
    text_mode: Literal["both", "asr", "llm", "none"] = per_connection(
        "both", "Which texts the cloud sends: what it understood (asr), what it replies (llm)."
    )
    voice: str = per_connection(
        "", "Voice of the replies. Empty: the one set in the cloud's console.", max_length=64
    )
    upstream_mode: Literal["pcm", "raw-opus"] = at_start("pcm", "Codec of the speech sent.")
    downstream_mode: Literal["pcm", "opus", "mp3", "raw-opus"] = at_start(
        "pcm", "Codec of the replies."
    )
    us_sample_rate: _RATE = at_start(
        0, "Sample rate of the speech sent, in Hz. 0: the protocol's own."
    )
    ds_sample_rate: _RATE = at_start(0, "Sample rate of the replies, in Hz. 0: the protocol's own.")
    recorder_rb_size: int = per_connection(
        8192,
        "Most bytes of speech that wait for the network once the cloud listens. Beyond it the "
        "oldest are dropped and counted. What is recorded before has its own room of 5 s.",
        ge=2048,
        le=1048576,
    )
    player_rb_size: int = at_start(
        65536,
        "Bytes of samples that are decoded ahead of the loudspeaker when replies come in a "
        "codec, 0.5 s of them at least. What is beyond waits as it came, like all of a reply in "
        "pcm: up to 4 MiB, then the network waits.",
        ge=4096,
        le=4194304,
    )
    volume: int = per_connection(50, "Loudness the cloud synthesises replies with.", ge=0, le=100)
    speech_rate: int = per_connection(100, "Speed of the voice, percent.", ge=50, le=200)
    pitch_rate: int = per_connection(100, "Pitch of the voice, percent.", ge=50, le=200)
    transmit_rate_limit: int = per_connection(
        0, "Most bytes a second the cloud may send; 0: as fast as it likes.", ge=0, le=10_000_000
    )
    frame_size: Literal[10, 20, 40, 60, 100, 120] = per_connection(
        60, "Length of an Opus packet of the replies, in ms."
    )
    bit_rate: int = per_connection(32, "Bit rate of Opus replies, in kbit/s.", ge=6, le=510)
    enable_cbr: bool = per_connection(False, "true: Opus replies at a constant bit rate.")
    vocabulary_id: str = per_connection(
        "", "Hot-word list, instead of the console's.", max_length=128
    )
    replace_words_file: str = per_connection(
        "",
        "JSON file with an array of what to put for words that are misunderstood "
        "(source, target, match_mode).",
        max_length=255,
    )
    biz_params_file: str = per_connection(
        "",
        "JSON file with the object of biz_params that each connection begins with.",
        max_length=255,
    )
    sandbox: bool = per_connection(False, "true: the application's test configuration.")
    city_name: str = per_connection("", "City that the board is in.", max_length=31)
    coordinates: str = per_connection(
        "",
        "Latitude and longitude of the board, in degrees.",
        pattern=COORDINATES_OR_EMPTY,
        form='such as "30.2741,120.1551", or empty',
    )
    incremental_response: bool = per_connection(
        False,
        "true: the cloud sends only what is new of a reply's text, which saves traffic; the "
        "signals carry the whole text all the same.",
    )
    video: bool = per_connection(
        False, "true: announce that frames of video may follow; the application must allow it."
    )
    max_speech_s: float = per_connection(
        120.0,
        "Longest speech of one press, in seconds; then the microphone is closed as if it had "
        "been released. Nothing in duplex, where nobody presses.",
        ge=5,
        le=600,
    )

    @property
    def speech_bytes_per_s(self) -> int:
        """How many bytes a second of the speech sent comes to."""
        if self.upstream_mode == "raw-opus":
            return RAW_OPUS_BITS_PER_S // 8
        return self.us_sample_rate * 2

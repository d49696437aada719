"""The codecs of the wire: what turns a reply into samples, and speech into packets.

    mode       downlink                              uplink
    pcm        ``pcm``: WAV is unwrapped              no codec
    mp3        ``mp3`` over libmpg123                -
    opus       ``ogg_opus`` over ``ogg``, libopus    -
    raw-opus   ``raw_opus`` over libopus             ``raw_opus`` over libopus

The two libraries are called through ctypes, and loaded when a mode asks for
them: docs/codecs.md has the reasons and the numbers.
"""

import ctypes

from mmid.errors import SettingsInvalid
from mmid.hal import Decoder, Encoder

# A decoder looks at so many bytes of a stream, then other work has its turn: bytes that
# are no frame at all are searched one by one, in Python.
SLICE_BYTES = 1024


def make_decoder(mode: str, rate_hz: int) -> Decoder:
    """Return a decoder whose samples are mono at ``rate_hz``.

    Args:
        mode: ``pcm``, ``mp3``, ``opus`` (in Ogg) or ``raw-opus``.
        rate_hz: 8000, 16000, 24000 or 48000.

    Raises:
        SettingsInvalid: its library is not installed.
    """
    setting = f"dialog.downstream_mode = {mode!r}"
    match mode:
        case "pcm":
            from mmid.hal_linux.audio.codecs.pcm import PcmDecoder  # noqa: PLC0415

            return PcmDecoder(rate_hz)
        case "mp3":
            from mmid.hal_linux.audio.codecs.mp3 import Mp3Decoder  # noqa: PLC0415 - only if asked for

            return Mp3Decoder(rate_hz, setting)
        case "opus":
            from mmid.hal_linux.audio.codecs.ogg_opus import OggOpusDecoder  # noqa: PLC0415

            return OggOpusDecoder(rate_hz, setting)
        case "raw-opus":
            from mmid.hal_linux.audio.codecs.raw_opus import RawOpusDecoder  # noqa: PLC0415

            return RawOpusDecoder(rate_hz, setting)
    raise ValueError(f"no decoder for {mode!r}")


def make_encoder(mode: str, rate_hz: int, bits_per_s: int) -> Encoder:
    """Return an encoder of mono samples.

    Args:
        mode: ``raw-opus``.
        rate_hz: 8000, 16000, 24000 or 48000.
        bits_per_s: what the packets come to on average.

    Raises:
        SettingsInvalid: its library is not installed.
    """
    if mode != "raw-opus":
        raise ValueError(f"no encoder for {mode!r}")
    from mmid.hal_linux.audio.codecs.raw_opus import RawOpusEncoder  # noqa: PLC0415 - only if asked for

    return RawOpusEncoder(rate_hz, bits_per_s, f"dialog.upstream_mode = {mode!r}")


def load_library(
    soname: str, setting: str, packages: str, *, otherwise: str = "pcm"
) -> ctypes.CDLL:
    """Load a library by the name that its ABI has.

    Args:
        soname: such as ``libopus.so.0``.
        setting: key and value that ask for it, for the message.
        packages: where it is to be had, for the message.
        otherwise: the value that needs no library.

    Raises:
        SettingsInvalid: it is not installed.
    """
    try:
        return ctypes.CDLL(soname)
    except OSError as error:
        raise SettingsInvalid(
            f"{setting} needs {soname}, which cannot be loaded ({error}): install {packages}; "
            f"it is no Python package, pip does not have it. Or set the key to {otherwise!r}"
        ) from error

"""What a stream of sound is, told by its first bytes, when it is not what was asked for."""

from mmid.hal_linux.audio.codecs.mp3_frames import layer_of

# So much of a stream tells: two frames of MPEG audio.
HEAD_BYTES = 3072

# What a mode asks for, in words, and the containers that its decoder opens by itself.
ASKED = {
    "pcm": "16-bit samples",
    "mp3": "MP3",
    "opus": "Opus in Ogg",
    "raw-opus": "bare Opus packets",
}
_TAKES = {"pcm": "WAV", "mp3": "MPEG", "opus": "Ogg"}

_OGG_CODECS = {
    b"OpusHead": "Opus",
    b"\1vorbis": "Vorbis",
    b"Speex   ": "Speex",
    b"\x7fFLAC": "FLAC",
}
_OGG_SEGMENTS_AT, _OGG_MAGIC_BYTES = 26, 8


def ogg_format(packet: bytes) -> str:
    """Return what a logical stream of Ogg is, by its first packet."""
    names = (name for magic, name in _OGG_CODECS.items() if packet.startswith(magic))
    return f"{next(names, 'an unknown codec')} in Ogg"


def foreign_format(head: bytes, mode: str) -> str:
    """Return what came in the place of what was asked for, in words.

    Args:
        head: how the reply begins, 3 KiB of it as soon as they are there.
        mode: the codec that was asked for.

    Returns:
        Empty if the decoder may try. That is so, too, for what has no mark of its
        own: samples and bare packets may begin with any bytes.
    """
    container, name = _format(head, mode)
    return "" if container == _TAKES.get(mode) else name


def _format(head: bytes, mode: str) -> tuple[str, str]:
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "WAV", "a WAV file"
    if head.startswith(b"OggS\0") and len(head) > _OGG_SEGMENTS_AT:
        packet = head[_OGG_SEGMENTS_AT + 1 + head[_OGG_SEGMENTS_AT] :]
        return ("Ogg", ogg_format(packet)) if len(packet) >= _OGG_MAGIC_BYTES else ("", "")
    if head.startswith(b"fLaC"):
        return "FLAC", "FLAC"
    if head.startswith(b"ID3"):
        return "MPEG", "MP3 with an ID3 tag"
    # A bare Opus packet may begin with the same bits, so there it is no mark.
    layer = layer_of(head) if mode != "raw-opus" else 0
    return ("MPEG", "MP3" if layer == 3 else f"MPEG audio, layer {layer}") if layer else ("", "")

"""Silence in the codec of the speech, for the clouds that listen while nobody talks."""

from mmid.session.effects import SendAudio
from mmid.settings import Dialog

# 20 ms of silence, as any Opus encoder writes it and any decoder reads it (RFC 6716:
# mono CELT at full bandwidth, the digital silence flag).
_OPUS_SILENCE = b"\xf8\xff\xfe"
_OPUS_SILENCE_S = 0.02


def silence(settings: Dialog, seconds: float) -> list[SendAudio]:
    """Return silence; it pushes no speech out of the queue.

    Args:
        settings: the codec and the rate of the speech.
        seconds: how long; at least 0.02.
    """
    if settings.upstream_mode != "pcm":
        return [SendAudio(_OPUS_SILENCE, backlog=True)] * round(seconds / _OPUS_SILENCE_S)
    samples = round(seconds * settings.us_sample_rate)
    return [SendAudio(bytes(2 * samples), backlog=True)]

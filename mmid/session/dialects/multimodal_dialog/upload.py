"""What goes up besides speech: silence.

The cloud ends a session that sends it no audio for 20 s when it wants some
(444 ClientAudioTimeout, section 7). Silence counts as audio [deduced].
"""

from math import inf

from mmid.session.effects import SendAudio
from mmid.settings import Dialog

# So long without audio, then a frame of silence: five seconds before the cloud gives up.
SILENCE_EVERY_S = 15.0

# Silence after a release, where the cloud itself hears the end of a speech: more than
# any pause that its detector may be set to wait for [unconfirmed].
TAIL_S = 2.0

# The cloud's cadence: a binary frame in 100 ms (section 8).
FRAME_MS = 100

# 20 ms of silence, as any Opus encoder writes it and any decoder reads it (RFC 6716:
# mono CELT at full bandwidth, the digital silence flag).
_OPUS_SILENCE = b"\xf8\xff\xfe"
_OPUS_SILENCE_S = 0.02


class Upload:
    """When audio was sent last, and silence in the codec of the speech.

    Args:
        settings: the codec and the rate.
    """

    def __init__(self, settings: Dialog) -> None:
        self._sent_at = inf  # nothing is due before the cloud listened
        self._coded = settings.upstream_mode != "pcm"
        self._bytes_per_s = settings.speech_bytes_per_s

    def sent(self, now: float) -> None:
        """Audio was sent, or the time begins to count."""
        self._sent_at = now

    @property
    def silence_due(self) -> float:
        """When silence must be sent; ``inf`` before the first ``sent``."""
        return self._sent_at + SILENCE_EVERY_S

    def silence(self, seconds: float = FRAME_MS / 1000) -> list[SendAudio]:
        """Return silence, at least a frame; it pushes no speech out of the queue."""
        if self._coded:
            return [SendAudio(_OPUS_SILENCE, backlog=True)] * round(seconds / _OPUS_SILENCE_S)
        samples = round(seconds * self._bytes_per_s / 2)
        return [SendAudio(bytes(2 * samples), backlog=True)]

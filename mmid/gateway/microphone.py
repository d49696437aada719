"""The microphone: lent to one client at a time, or opened by the dialog itself.

Who holds it shows in ``Status.talker``. In duplex nobody does: the dialog
opens it for as long as it is connected.
"""

from mmid.errors import AudioDeviceFailed, Busy, NotTalking
from mmid.hal import Recorder, RecorderListener
from mmid.status import Status

__all__ = ["Microphone"]


class Microphone:
    """Opens and closes the recorder, and knows whose it is.

    Args:
        recorder: the device.
        status: shows who holds it, and what was lost.
        listener: hears what it records.
    """

    def __init__(self, recorder: Recorder, status: Status, listener: RecorderListener) -> None:
        self._recorder = recorder
        self._status = status
        self._listener = listener
        self._last_talker = ""
        self._failure = ""
        self._dropped_before = 0

    @property
    def level(self) -> int:
        """How loud it is now, 0 to 100; 0 while it is closed."""
        return self._recorder.level

    @property
    def overdue_s(self) -> float:
        """How long ago it should have fetched samples, in seconds; 0 if it need not."""
        return self._recorder.overdue_s

    def check_free(self) -> None:
        """Raise Busy if a client holds it."""
        if self._status.talker:
            raise Busy(f"{self._status.talker} holds the microphone")

    def lend(self, client: str) -> None:
        """Open it for a client.

        Raises:
            Busy: another client holds it.
            AudioDeviceFailed: it cannot be opened.
        """
        self.check_free()
        self.open()
        self._status.update(talker=client)
        self._last_talker = client

    def take_back(self, client: str) -> bool:
        """Close it at its holder's wish; False if the cloud already ended this client's speech.

        Raises:
            NotTalking: the client does not hold it.
        """
        if self._status.talker == client:
            self.close()
            return True
        if not self._status.talker and self._last_talker == client:
            self._last_talker = ""
            return False
        holder = self._status.talker or "nobody"
        raise NotTalking(f"{client} does not hold the microphone, {holder} does")

    def open(self) -> None:
        """Open it, if it is not open; nobody holds it.

        Raises:
            AudioDeviceFailed: it cannot be opened.
        """
        self._dropped_before = self._status.speech_dropped_bytes
        if not self._recorder.recording:
            self._recorder.start(self._listener)
        self._failure = ""

    def close(self) -> None:
        """Hand out what was recorded up to now, and close it; nobody holds it any more."""
        self._recorder.stop()
        self.ended()

    def ended(self) -> None:
        """It is closed: nobody holds it."""
        self._status.update(talker="", recorder_overruns=self._recorder.overruns)

    def is_news(self, error: AudioDeviceFailed) -> bool:
        """Whether this failure is another than the last one since it worked.

        The dialog tries an absent microphone again and again.
        """
        again, self._failure = str(error) == self._failure, str(error)
        return not again

    def dropped(self, count: int) -> bool:
        """Count bytes of speech that the network was too slow for; True if the first since open."""
        first = self._status.speech_dropped_bytes == self._dropped_before
        self._status.update(speech_dropped_bytes=self._status.speech_dropped_bytes + count)
        return first

"""Taps on the microphone: pipes by which programs of the board hear it, beside the dialog.

For a wake word, a meter, a recording for a test. A tap holds nothing: the microphone's one holder
is who presses, and a reader that stalls loses samples and keeps nobody waiting.
"""

import logging
import os
from collections.abc import Callable
from select import PIPE_BUF

from mmid.errors import AudioDeviceFailed, Busy
from mmid.hal import Recorder
from mmid.status import Status

_log = logging.getLogger(__name__)

# Each is written to ten times a second; nobody has more ideas at once.
MOST_TAPS = 4


class Tap:
    """One pipe; a ``RecorderListener``.

    Args:
        client: who reads it.
        closed: called when it has no reader any more, or the microphone failed.
        lost: gets how many bytes its reader was too slow for.

    Attributes:
        client: the same.
        reader: the reading end, for the client; whoever passes it on closes it.
    """

    def __init__(
        self, client: str, closed: Callable[["Tap"], None], lost: Callable[[int], None]
    ) -> None:
        self.client = client
        self.reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._closed = closed
        self._lost = lost
        self._slow = False

    def recorder_audio(self, data: bytes) -> None:
        try:
            self._write(data)
        except BrokenPipeError:
            self._closed(self)

    def recorder_failed(self, error: AudioDeviceFailed) -> None:
        _log.warning("%s hears the microphone no more: %s", self.client, error)
        self._closed(self)

    def close(self) -> None:
        """Close it: its reader comes to the end. Safe to call again."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def _write(self, data: bytes) -> None:
        # So much goes into a pipe whole or not at all (pipe(7)): no sample is ever cut in two.
        for start in range(0, len(data), PIPE_BUF):
            piece = data[start : start + PIPE_BUF]
            try:
                os.write(self._writer, piece)
            except BlockingIOError:
                self._lose(len(piece))

    def _lose(self, count: int) -> None:
        if not self._slow:  # whoever stalls once may stall for long
            _log.warning("%s does not read its tap: samples are lost", self.client)
        self._slow = True
        self._lost(count)


class Taps:
    """Opens and closes them.

    Args:
        recorder: the microphone; it is open while there is a tap.
        status: shows who listens, and what was lost.
    """

    def __init__(self, recorder: Recorder, status: Status) -> None:
        self._recorder = recorder
        self._status = status
        self._taps: list[Tap] = []
        self._lost_bytes = 0

    def open(self, client: str) -> int:
        """Open a tap for a client; return the pipe's reading end, which is the caller's.

        Raises:
            Busy: there are too many.
            AudioDeviceFailed: the microphone cannot be opened.
        """
        if len(self._taps) >= MOST_TAPS:
            raise Busy(f"{MOST_TAPS} taps on the microphone are open; one has to be closed first")
        tap = Tap(client, self._close, self._lose)
        try:
            self._recorder.add_tap(tap)
        except AudioDeviceFailed:
            tap.close()
            os.close(tap.reader)
            raise
        self._taps.append(tap)
        _log.info("%s hears the microphone", client)
        self._show()
        return tap.reader

    def left(self, client: str) -> None:
        """A client left the bus: it hears nothing any more, whoever has its pipe now."""
        for tap in [one for one in self._taps if one.client == client]:
            self._close(tap)

    def _close(self, tap: Tap) -> None:
        if tap not in self._taps:
            return
        self._taps.remove(tap)
        tap.close()
        self._recorder.remove_tap(tap)
        _log.info("%s does not hear the microphone any more", tap.client)
        self._show()

    def _lose(self, count: int) -> None:
        self._lost_bytes += count
        self._status.update(listener_dropped_bytes=self._lost_bytes)

    def _show(self) -> None:
        self._status.update(listeners=sorted(tap.client for tap in self._taps))

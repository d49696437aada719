"""The log's last step: every entry is redacted and of bounded length.

``mmid.service.sysd`` decides where the entries go. Here an entry becomes text, and as
the last thing that happens to it this text passes ``mmid.secrets.clean``:
arguments, tracebacks and journal fields are text by then, so there is no way
around it.
"""

import logging
import sys
import time
from abc import ABC, abstractmethod
from typing import TextIO

from mmid.secrets import clean


class RedactingHandler(logging.Handler, ABC):
    """What both ways of writing share: redaction, and never raising."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            # Formatted first: a secret may be in an argument or in a traceback, too.
            self.write(record, clean(self.format(record)))
        except Exception as error:  # noqa: BLE001 - a log call must not break its caller
            self._give_up(record, error)

    @abstractmethod
    def write(self, record: logging.LogRecord, text: str) -> None:
        """Write one entry; ``text`` is clean, the record's own is not."""

    def _give_up(self, record: logging.LogRecord, error: Exception) -> None:
        """Say that a line is lost; the usual handler would print its raw arguments."""
        try:
            sys.stderr.write(
                f"mmid: a line of {record.name}:{record.lineno} cannot be logged "
                f"({type(error).__name__})\n"
            )
        except (OSError, ValueError):
            return  # there is no stderr to say it on


class LineHandler(RedactingHandler):
    """Plain lines, such as ``2026-11-20T22:41:07.123 info  mmid.session.link: text``.

    Args:
        stream: where to; None is whatever stderr is at the time.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream

    def write(self, record: logging.LogRecord, text: str) -> None:
        """Write one line, or more for a text that has more."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(record.created))
        milliseconds = int(record.msecs)
        level = record.levelname.lower()
        # Further lines are set in, so that no text can pass for an entry of its own.
        text = text.replace("\n", "\n    ")
        stream = self._stream or sys.stderr
        stream.write(f"{moment}.{milliseconds:03} {level:5} {record.name}: {text}\n")
        stream.flush()

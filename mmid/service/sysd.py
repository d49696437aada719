"""systemd's side of the daemon: readiness, the watchdog, the journal.

The only module that imports systemd, and only when systemd started us;
elsewhere the notifications do nothing and the log is plain lines on stderr.

Log with ``extra={"MESSAGE_ID": ..., "MMID_CODE": ...}`` to give a journal
entry fields; names that begin with ``MMID_`` are free to use. ``mmid.service.log``
sees to it that no entry holds a secret.
"""

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from mmid.secrets import clean
from mmid.service.log import LineHandler, RedactingHandler

_log = logging.getLogger(__name__)

# --- service notifications ------------------------------------------------------------------


def notify(
    *,
    ready: bool = False,
    reloading: bool = False,
    stopping: bool = False,
    watchdog: bool = False,
    status: str = "",
) -> None:
    """Tell systemd how the service is; does nothing when systemd is not listening.

    Args:
        ready: start-up is complete, or reading the settings again is.
        reloading: the settings are being read again.
        stopping: the service is about to end.
        watchdog: it is alive; ``Watchdog`` does this.
        status: one line for ``systemctl status``.
    """
    if "NOTIFY_SOCKET" not in os.environ:
        return
    from systemd.daemon import notify as send  # noqa: PLC0415 - 0.8 MiB, not needed elsewhere

    said = {
        "READY=1": ready,
        "RELOADING=1": reloading,
        "STOPPING=1": stopping,
        "WATCHDOG=1": watchdog,
    }
    lines = [line for line, wanted in said.items() if wanted]
    if status:
        lines.append(f"STATUS={clean(' '.join(status.split()))}")
    try:
        send("\n".join(lines))
    except OSError as error:
        # Such as while systemd restarts itself; there will be another notification.
        _log.warning("systemd cannot be told %s: %s", " ".join(lines), error)


class StatusLine:
    """The line of ``systemctl status``, told only when it is another: it wakes systemd."""

    def __init__(self) -> None:
        self._told = ""

    def show(self, text: str) -> None:
        """Tell systemd the line, if it is not the one that it was told last."""
        if text != self._told:
            self._told = text
            notify(status=text)


def runtime_directory() -> Path:
    """Return the unit's ``RuntimeDirectory``: on a tmpfs, kept from one start to the next."""
    directories = os.environ.get("RUNTIME_DIRECTORY", "")
    return Path(directories.partition(":")[0] or "/run/mmid")


class Watchdog:
    """Pings systemd at half its watchdog interval, as long as the daemon is healthy.

    Without a watchdog in the unit there is no timer. An exception of the
    health check goes to the loop's handler, and there is no ping after it.

    Args:
        standing_still: names the part of the daemon that shows no sign of life,
            empty if there is none. The loop itself does, or it would not ask.
    """

    def __init__(self, standing_still: Callable[[], str]) -> None:
        self._standing_still = standing_still
        self._interval_s = _watchdog_interval_s()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; needs a running loop."""
        if self._interval_s:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s / 2, self._tick)

    def stop(self) -> None:
        """End. systemd's own stop time-out is in force from here."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        if part := self._standing_still():
            _log.error("%s stands still: systemd hears of it, and will restart mmid", part)
        else:
            notify(watchdog=True)
        self.start()


def _watchdog_interval_s() -> float:
    """The unit's ``WatchdogSec``, 0 if it has none or means another process."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    process = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    # A child of the service inherits both variables, and is not the one that is watched.
    if not microseconds.isdecimal() or process != str(os.getpid()):
        return 0.0
    return int(microseconds) / 1_000_000


# --- the log --------------------------------------------------------------------------------

# Libraries that would log payloads at level debug: they do not know log.wire.
_CHATTY = ("asyncio", "dbus_next", "websockets")


def configure_logging(level: str) -> None:
    """Send the log of the whole process to the journal, or to stderr as plain lines.

    Warnings and exceptions that nobody caught go the same way, so they too
    are redacted. May be called again to change the level.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, RedactingHandler)]:
        root.removeHandler(handler)
    root.addHandler(JournalHandler() if stderr_is_journal() else LineHandler())
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )
    sys.unraisablehook = lambda args: _log_uncaught(
        args.exc_type, args.exc_value, args.exc_traceback
    )


def stderr_is_journal() -> bool:
    """Whether systemd connected stderr to the journal (``JOURNAL_STREAM`` names that socket)."""
    try:
        found = os.fstat(2)
    except OSError:
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _log_uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if issubclass(kind, SystemExit):
        return  # how a thread may end
    found = error or kind()
    _log.critical("nobody caught %s", kind.__name__, exc_info=(kind, found, traceback))


class JournalHandler(RedactingHandler):
    """Entries of the journal, with fields.

    Args:
        send: takes ``FIELD=value`` texts; None is systemd's ``sd_journal_sendv``.
    """

    _PRIORITIES = (
        (logging.CRITICAL, 2),
        (logging.ERROR, 3),
        (logging.WARNING, 4),
        (logging.INFO, 6),
        (logging.NOTSET, 7),
    )

    def __init__(self, send: Callable[..., Any] | None = None) -> None:
        super().__init__()
        if send is None:
            # systemd.journal re-exports this, and brings the journal's reader: 0.7 MiB more.
            from systemd._journal import sendv  # noqa: PLC0415 - only under systemd

            send = sendv
        self._send: Callable[..., Any] = send

    def write(self, record: logging.LogRecord, text: str) -> None:
        """Send one entry."""
        priority = next(number for level, number in self._PRIORITIES if record.levelno >= level)
        fields = {
            "PRIORITY": priority,
            "LOGGER": record.name,
            "THREAD_NAME": record.threadName,
            "CODE_FILE": record.pathname,
            "CODE_LINE": record.lineno,
            "CODE_FUNC": record.funcName,
            "SYSLOG_IDENTIFIER": "mmid",
        }
        fields |= {
            name: value
            for name, value in vars(record).items()
            if name == "MESSAGE_ID" or name.startswith("MMID_")
        }
        self._send(
            f"MESSAGE={text}", *(f"{name}={clean(str(value))}" for name, value in fields.items())
        )

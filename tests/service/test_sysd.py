import asyncio
import logging
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmid.secrets import MASK, Secret
from mmid.service.sysd import (
    JournalHandler,
    StatusLine,
    Watchdog,
    notify,
    runtime_directory,
    stderr_is_journal,
)

ROOT = Path(__file__).parents[2]
SECRET = "correct-horse-battery-staple"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """systemd's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield end


def said(systemd: socket.socket) -> list[str]:
    return systemd.recv(4096).decode().splitlines()


# --- notifications --------------------------------------------------------------------------


def test_systemd_hears_each_notification(systemd: socket.socket) -> None:
    notify(ready=True, status="listening as lamp-1")
    assert said(systemd) == ["READY=1", "STATUS=listening as lamp-1"]
    notify(reloading=True)
    assert said(systemd) == ["RELOADING=1"]
    notify(stopping=True)
    assert said(systemd) == ["STOPPING=1"]


def test_a_status_is_one_line_without_secrets(systemd: socket.socket) -> None:
    secret = Secret(SECRET)
    notify(status=f"one\nREADY=1 {secret.reveal()}")
    assert said(systemd) == [f"STATUS=one READY=1 {MASK}"]


def test_a_status_is_told_again_only_when_it_is_another(systemd: socket.socket) -> None:
    line = StatusLine()
    for text in ("listening", "listening", "thinking", "listening"):
        line.show(text)
    told = [said(systemd) for _ in range(3)]
    assert told == [["STATUS=listening"], ["STATUS=thinking"], ["STATUS=listening"]]
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(1)


def test_outside_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(ready=True, stopping=True, watchdog=True, status="nobody listens")


def test_a_notification_that_cannot_be_sent_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify(ready=True)
    assert "systemd cannot be told READY=1" in caplog.text


# --- the watchdog ---------------------------------------------------------------------------


async def test_the_watchdog_pings_again_and_again_while_healthy(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    watchdog = Watchdog(lambda: "")
    watchdog.start()
    for _ in range(3):
        assert await asyncio.to_thread(said, systemd) == ["WATCHDOG=1"]
    watchdog.stop()


async def test_the_watchdog_is_silent_while_a_part_stands_still(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "2000")
    asked = asyncio.Event()
    answers = iter(["the loudspeaker", "the loudspeaker", ""])

    def standing_still() -> str:
        answer = next(answers, "")
        if answer:
            systemd.setblocking(False)
            with pytest.raises(BlockingIOError):
                systemd.recv(1)
        else:
            asked.set()
            watchdog.stop()
        return answer

    watchdog = Watchdog(standing_still)
    watchdog.start()
    await asyncio.wait_for(asked.wait(), 5)
    watchdog.stop()
    systemd.settimeout(5)
    assert said(systemd) == ["WATCHDOG=1"]
    assert caplog.text.count("the loudspeaker stands still") == 2


@pytest.mark.parametrize(
    ("microseconds", "process"),
    [("", ""), ("no", "1"), ("20000", "1"), pytest.param("0", str(os.getpid()), id="zero-ours")],
)
async def test_without_a_watchdog_of_ours_there_is_no_timer(
    microseconds: str, process: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    monkeypatch.setenv("WATCHDOG_PID", process)
    watchdog = Watchdog(lambda: "")
    watchdog.start()
    assert watchdog._timer is None


# --- the journal ----------------------------------------------------------------------------


def test_an_entry_of_the_journal_has_its_fields_and_no_secret() -> None:
    entries = list[dict[str, str]]()

    def send(*fields: str) -> None:
        entries.append(dict(field.split("=", 1) for field in fields))

    secret = Secret(SECRET)
    log = logging.Logger("mmid.session")  # noqa: LOG001 - off the tree
    log.addHandler(JournalHandler(send))
    fields = {"MESSAGE_ID": "ab" * 16, "MMID_CODE": "100007", "MMID_URL": f"?k={SECRET}", "own": 1}
    log.warning("refused %s %s", secret, SECRET, extra=fields)
    (entry,) = entries
    assert entry["MESSAGE"] == f"refused Secret({MASK}) {MASK}"
    assert (entry["PRIORITY"], entry["LOGGER"]) == ("4", "mmid.session")
    assert (entry["MESSAGE_ID"], entry["MMID_CODE"]) == ("ab" * 16, "100007")
    assert entry["MMID_URL"] == f"?k={MASK}"
    assert Path(entry["CODE_FILE"]) == Path(__file__)
    assert "own" not in entry
    assert SECRET not in str(entry)


@pytest.mark.parametrize(
    ("level", "priority"), [(10, "7"), (20, "6"), (30, "4"), (40, "3"), (50, "2"), (5, "7")]
)
def test_a_level_is_syslog_s_priority(level: int, priority: str) -> None:
    sent = list[str]()
    handler = JournalHandler(lambda *fields: sent.extend(fields))
    handler.handle(logging.LogRecord("mmid", level, "f.py", 1, "text", None, None))
    assert f"PRIORITY={priority}" in sent


def test_the_journal_is_known_by_the_socket_that_stderr_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = os.fstat(2)
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino}")
    assert stderr_is_journal()
    monkeypatch.setenv("JOURNAL_STREAM", f"{stderr.st_dev}:{stderr.st_ino + 1}")
    assert not stderr_is_journal()
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not stderr_is_journal()


# --- the whole process: no way out for a secret ---------------------------------------------

LEAKS = {
    "an argument": "log.info('leak %s %r', secret, [secret])",
    "a revealed argument": "log.info('leak %s', secret.reveal())",
    "an f-string": "log.info(f'leak {secret.reveal()}')",
    "a level that is off": "log.debug('leak %s', value); log.info('leak')",
    "a broken format": "log.info('leak %d', value)",
    "fields": "log.info('leak', extra={'MMID_KEY': value, 'key': value})",
    "a chain of tracebacks": """
        try:
            try:
                raise ValueError(f'leak {value}')
            except ValueError as error:
                raise RuntimeError(f'leak {value}') from error
        except RuntimeError:
            log.exception('leak')
        """,
    "a note on an exception": """
        try:
            error = ValueError('leak')
            error.add_note(value)
            raise error
        except ValueError:
            log.exception('leak')
        """,
    "a stack": "log.info('leak', stack_info=True)",
    "a warning": "import warnings; warnings.warn(f'leak {value}', stacklevel=1)",
    "an exception in a callback of the loop": """
        import asyncio
        def fail():
            raise ValueError(f'leak {value}')
        async def main():
            asyncio.get_running_loop().call_soon(fail)
            await asyncio.sleep(0)
        asyncio.run(main())
        """,
    "the context of the loop's exception handler": """
        import asyncio
        async def main():
            asyncio.get_running_loop().call_exception_handler(
                {'message': f'leak {value}', 'own': value})
        asyncio.run(main())
        """,
    "a task whose exception nobody fetched": """
        import asyncio, gc
        async def fail():
            raise ValueError(f'leak {value}')
        async def main():
            task = asyncio.create_task(fail())
            await asyncio.wait([task])
            del task
            gc.collect()
        asyncio.run(main())
        """,
    "an exception in a thread": """
        import threading
        def fail():
            raise ValueError(f'leak {value}')
        thread = threading.Thread(target=fail); thread.start(); thread.join()
        """,
    "an exception in a destructor": """
        class Fails:
            def __del__(self):
                raise ValueError(f'leak {value}')
        Fails()
        """,
    "an exception that nobody caught": "raise ValueError(f'leak {value}')",
    "a library's logger": "logging.getLogger('websockets.client').warning('leak %s', value)",
    "a bearer credential never declared": "log.info('leak Authorization: Bearer ' + value[::-1])",
}

PROLOGUE = """
import logging
from mmid.service import sysd
from mmid.secrets import Secret
sysd.configure_logging("info")
log = logging.getLogger("mmid.test")
value = "-".join(["correct", "horse", "battery", "staple"])
secret = Secret(value)
"""


def output_of(script: str) -> str:
    """What a process that runs the script writes, on both streams."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    ).stdout


@pytest.mark.parametrize("leak", LEAKS)
def test_no_secret_gets_out_by(leak: str) -> None:
    output = output_of(PROLOGUE + textwrap.dedent(LEAKS[leak]))
    assert "leak" in output or "cannot be logged (TypeError)" in output
    assert SECRET not in output
    assert SECRET[::-1] not in output


def test_libraries_do_not_log_payloads_even_at_level_debug() -> None:
    output = output_of(
        PROLOGUE + "sysd.configure_logging('debug')\n"
        "logging.getLogger('websockets.client').debug('< TEXT what somebody said')\n"
        "log.debug('ours')\n"
    )
    assert "debug mmid.test: ours" in output
    assert "somebody" not in output


def test_configuring_twice_writes_lines_once() -> None:
    output = output_of(PROLOGUE + "sysd.configure_logging('info')\nlog.info('once')\n")
    assert output.count("once") == 1


@pytest.mark.parametrize(
    ("variable", "directory"),
    [(None, "/run/mmid"), ("", "/run/mmid"), ("/run/a", "/run/a"), ("/run/a:/run/b", "/run/a")],
)
def test_the_runtime_directory_is_the_units_first(
    monkeypatch: pytest.MonkeyPatch, variable: str | None, directory: str
) -> None:
    monkeypatch.delenv("RUNTIME_DIRECTORY", raising=False)
    if variable is not None:
        monkeypatch.setenv("RUNTIME_DIRECTORY", variable)
    assert runtime_directory() == Path(directory)

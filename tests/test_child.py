import asyncio
import os
import signal
import threading
from pathlib import Path

import pytest

from mmid import child as module
from mmid.child import Child, Ended, python
from mmid.secrets import Secret
from tests.rig.script import run_script

AMPLE_S = 30.0


def run(script: str, question: bytes = b"", timeout_s: float = AMPLE_S) -> Ended:
    return Child.run(python("-c", script), question).finish(timeout_s)


def test_a_child_answers_its_question_whatever_their_lengths() -> None:
    question = bytes(1 << 20)
    ended = run("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])", question)
    assert ended == Ended(0, question, b"")


def test_where_the_memory_runs_out_a_child_is_ended_before_its_parent() -> None:
    """It has given way by the time that its question arrives."""
    tell = "print(open('/proc/self/oom_score_adj').read())"
    assert int(run(f"input(); {tell}", b"\n").output) == 600
    assert forked(f"print(int(Child.fork(lambda: {tell} or 0).finish(30).output))\n") == ["600"]


def test_a_child_that_ends_without_reading_its_question_is_heard_all_the_same() -> None:
    assert run("print('no')", bytes(1 << 20)) == Ended(0, b"no\n", b"")


def test_what_is_more_than_anybody_has_to_say_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 1000)
    ended = run("import sys; print('x' * 300_000); sys.stderr.write('y' * 300_000)")
    assert (ended.status, ended.output, ended.complaint) == (0, b"x" * 1000, b"y" * 1000)


def test_the_last_line_of_a_traceback_is_told_without_its_secrets() -> None:
    secret = Secret("swordfish-4711")
    ended = run("raise RuntimeError('no ' + input())", secret.reveal().encode())
    assert (ended.status, ended.last_words) == (1, "RuntimeError: no ***")


@pytest.mark.parametrize("way", ["time.sleep(60)", "os.close(1); os.close(2); time.sleep(60)"])
def test_a_child_that_does_not_end_is_killed_and_what_it_said_counts(way: str) -> None:
    ended = run(f"import os, time; print(os.getpid(), flush=True); {way}", timeout_s=1.0)
    assert ended.status is None
    with pytest.raises(ProcessLookupError):
        os.kill(int(ended.output), 0)


def test_an_abandoned_child_is_waited_for_no_longer() -> None:
    child = Child.run(python("-c", "import time; time.sleep(60)"))
    threading.Timer(0.1, child.abandon).start()
    assert child.finish(AMPLE_S).status == -signal.SIGKILL


async def test_who_is_cancelled_leaves_no_child_behind() -> None:
    child = Child.run(python("-c", "import time; time.sleep(60)"))
    waiting = asyncio.create_task(child.finished(AMPLE_S))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert child._process.returncode == -signal.SIGKILL


async def test_the_loop_goes_on_meanwhile() -> None:
    child = Child.run(python("-c", "input()"), b"go")
    assert (await child.finished(AMPLE_S)).status == 0


def test_a_program_that_is_not_there_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError):
        Child.run(["/no/such/program"])


def forked(script: str) -> list[str]:
    """Run a script in a process without threads, and return the lines that it prints."""
    done = run_script(f"import os, signal, sys\nfrom mmid.child import Child\n{script}")
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_fork_answers_with_what_it_prints_and_its_status() -> None:
    assert forked(
        "def function():\n    print('out')\n    print('err', file=sys.stderr)\n    return 3\n"
        "print(Child.fork(function).finish(30))\n"
    ) == ["Ended(status=3, output=b'out\\n', complaint=b'err\\n')"]


def test_an_error_in_a_fork_is_told_without_its_secrets() -> None:
    assert forked(
        "from mmid.secrets import Secret\nsecret = Secret('swordfish-4711')\n"
        "def function(): raise RuntimeError(secret.reveal())\n"
        "ended = Child.fork(function).finish(30)\nprint(ended.status, ended.last_words)\n"
    ) == ["1 RuntimeError: ***"]


def test_a_fork_may_complain_of_a_name_in_any_encoding() -> None:
    assert forked(
        "def function(): raise OSError(os.fsdecode(b'caf\\xe9'))\n"
        "print(Child.fork(function).finish(30).last_words)\n"
    ) == [r"OSError: caf\udce9"]


def test_a_fork_does_not_end_as_the_process_it_was_forked_from() -> None:
    assert forked(
        "import atexit\natexit.register(print, 'ended')\nprint('said before', end='')\n"
        "Child.fork(lambda: 0).finish(30)\nprint()\n"
    ) == ["said before", "ended"]


def test_a_fork_that_does_not_end_is_killed_and_reaped() -> None:
    assert forked(
        "print(Child.fork(signal.pause).finish(0.2).status)\n"
        "try: os.waitpid(-1, 0)\nexcept ChildProcessError: print('reaped')\n"
    ) == ["None", "reaped"]


def test_a_fork_that_is_killed_has_the_signal_as_its_status() -> None:
    script = "print(Child.fork(lambda: os.kill(os.getpid(), signal.SIGKILL)).finish(30).status)\n"
    assert forked(script) == ["-9"]


def test_a_process_that_is_started_with_sigchld_ignored_has_children_too() -> None:
    ignored = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
    assert forked(
        ignored + "print(Child.fork(lambda: print('here') or 0).finish(30).output)\n"
    ) == ["b'here\\n'"]


def test_a_child_imports_nothing_from_where_somebody_happens_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("print('not the real one')\n")
    monkeypatch.chdir(tmp_path)
    assert run("import json").output == b""

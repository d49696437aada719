import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from mmid.errors import StorageFailed
from mmid.hal_linux.storage import sealing as module
from mmid.hal_linux.storage.record_format import SEALING_BYTES
from mmid.hal_linux.storage.sealing import Sealing
from mmid.hal_linux.storage.sealing_child import seal, unseal
from mmid.secrets import Secret

KEY = Secret("0123456789abcdef" * 4)
HEADER = b"header"


def test_what_was_sealed_opens_in_another_process_with_the_same_key() -> None:
    sealed = Sealing(KEY).seal(b"payload", HEADER)
    assert len(sealed) == len(b"payload") + SEALING_BYTES
    assert Sealing(KEY).unseal(sealed, HEADER, "here") == b"payload"


def test_another_key_or_header_or_any_changed_byte_does_not_open() -> None:
    key = bytes(32)
    sealed = seal(key, b"payload", HEADER)
    assert unseal(key, sealed, HEADER) == b"payload"
    changed = [
        sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :] for at in range(len(sealed))
    ]
    attempts = [(key, text, HEADER) for text in changed]
    attempts += [(bytes(31) + b"\x01", sealed, HEADER), (key, sealed, b"Header")]
    for attempt in attempts:
        with pytest.raises(InvalidTag):
            unseal(*attempt)


@pytest.mark.parametrize("sealed", [b"", bytes(5), bytes(12), bytes(27), bytes(28)])
def test_what_does_not_open_names_the_place_and_the_credential(sealed: bytes) -> None:
    with pytest.raises(StorageFailed, match=r"in /the/place does not open .* storage_key"):
        Sealing(KEY).unseal(sealed, HEADER, "/the/place")


def test_a_nonce_never_repeats() -> None:
    nonces = {seal(bytes(32), b"", b"")[:12] for _ in range(5000)}
    assert len(nonces) == 5000


def test_reading_back_what_was_sealed_starts_no_child(monkeypatch: pytest.MonkeyPatch) -> None:
    sealing = Sealing(KEY)
    sealed = sealing.seal(b"payload", HEADER)
    monkeypatch.setattr(module, "_CHILD", Path("no_such_program.py"))
    assert sealing.unseal(sealed, HEADER, "here") == b"payload"
    with pytest.raises(StorageFailed, match=r"ended with status 2: .*no_such_program"):
        sealing.unseal(sealed, b"Header", "here")


def test_the_key_is_in_no_argument_and_in_no_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    spy = tmp_path / "python"
    spy.write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/seen\nenv >> {tmp_path}/seen\n'
        f'exec {sys.executable} "$@"\n'
    )
    spy.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(spy))
    Sealing(KEY).seal(b"payload", HEADER)
    seen = (tmp_path / "seen").read_text()
    assert "sealing_child" in seen
    assert KEY.reveal() not in seen


def test_a_child_that_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = tmp_path / "python"
    hanging.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))
    monkeypatch.setattr(module, "_LONGEST_S", 0.5)
    with pytest.raises(StorageFailed, match=r"not sealed or opened within 0\.5 s"):
        Sealing(KEY).seal(b"payload", HEADER)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_child_that_cannot_be_started_is_a_storage_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(StorageFailed, match="cannot be started: No such file"):
        Sealing(KEY).seal(b"payload", HEADER)


def test_a_wrong_question_is_a_failure_and_no_answer() -> None:
    child = subprocess.run(
        [sys.executable, "-m", "mmid.hal_linux.storage.sealing_child"],
        input="{}",
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert child.returncode
    assert child.stdout == ""

"""The journal, in memory and on disk."""

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from mmid.secrets import Secret
from mmid.simcloud.core.journal import Journal


async def test_what_is_there_is_found_and_what_comes_is_waited_for() -> None:
    journal = Journal()
    journal.add("connect", device_name="a")
    assert (await journal.wait_for("connect"))["device_name"] == "a"
    waiting = [
        asyncio.create_task(journal.wait_for("connect", nth=2)),
        asyncio.create_task(journal.wait_for(lambda entry: entry.get("device_name") == "b")),
    ]
    await asyncio.sleep(0)
    journal.add("directive", name="Start")
    await asyncio.sleep(0)
    journal.add("connect", device_name="b")
    assert {(await task)["device_name"] for task in waiting} == {"b"}


async def test_what_never_comes_is_named() -> None:
    journal = Journal()
    journal.add("connect")
    with pytest.raises(TimeoutError, match=r"number 2 of connect .*'kind': 'connect'"):
        await journal.wait_for("connect", nth=2, timeout_s=0.01)


async def test_files_hold_every_line_and_the_exact_audio(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "folder")
    journal.add("connect", t=1.5, device_name="a")
    journal.add_speech(b"\x01\x02" * 1600, 0.1, "stop", 2.0)
    journal.add_reply([b"\x03", b"\x04"], "pcm", cut=False)
    journal.add_reply([b"\x05\x06"], "pcm", cut=True)
    folder = tmp_path / "new" / "folder"
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert lines == list(journal.entries)
    assert lines[0] == {"t": 1.5, "kind": "connect", "device_name": "a"}
    assert (folder / "speech-0001.pcm").read_bytes() == b"\x01\x02" * 1600
    assert (folder / "reply-0002.pcm").read_bytes() == b"\x05\x06"
    assert lines[2]["sha256"] == hashlib.sha256(b"\x03\x04").hexdigest()
    assert (list(journal.heard), list(journal.said)) == (
        [b"\x01\x02" * 1600],
        [b"\x03\x04", b"\x05\x06"],
    )
    journal.close()


async def test_packets_are_kept_with_their_lengths(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add_speech(b"\x01\x02" * 1600, 0.1, "stop", 2.0, [b"abc", b"d"])
    journal.add_reply([b"ef", b""], "raw-opus", cut=False)
    journal.add_reply([b"gh", b"i"], "mp3", cut=False)
    journal.close()
    assert (tmp_path / "speech-0001.pcm").read_bytes() == b"\x01\x02" * 1600
    assert (tmp_path / "speech-0001.packets").read_bytes() == b"\0\x03abc\0\x01d"
    assert (tmp_path / "reply-0001.packets").read_bytes() == b"\0\x02ef\0\0"
    assert (tmp_path / "reply-0002.mp3").read_bytes() == b"ghi"
    assert journal.entries[0]["packets"] == 2


async def test_a_secret_does_not_reach_the_file(tmp_path: Path) -> None:
    secret = Secret("9c6a3f1e55aa9c6a3f1e55aa9c6a3f1e")
    journal = Journal(tmp_path)
    journal.add("refusal", reason=f"bad key {secret.reveal()}")
    journal.close()
    assert secret.reveal() not in (tmp_path / "journal.jsonl").read_text()

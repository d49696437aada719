"""What happened in the simulated clouds, for tests, the demo and a person who debugs.

One dict a happening: ``t`` (monotonic seconds; of what was sent, before it was), ``kind``,
and the kind's fields:

    connect        credential, device_name        disconnect   code
    rejected       reason (at the HTTP upgrade)   refusal      reason, status, error
    directive      name, ...                      event        name, ... (a text that was sent)
    speech-begin                                  speech-end   how, bytes, seconds, sha256, number,
                                                               packets
    reply-begin                                   reply-end    cut, bytes, sha256, number
    stray-audio    bytes                          fault        when, do

and whatever else a cloud notes, as ``register`` and ``token`` of the license
service. Secrets never come here.
With a directory the journal is also a file of JSON lines, and the audio of every
speech and reply lies beside it, exactly as it crossed the wire: as .pcm, .mp3 or
.opus (in Ogg). Of raw-opus it is .packets, each with its length before it, two
bytes, the high one first; a speech so sent is there as .pcm too, decoded.
"""

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any

from mmid.secrets import redact

Entry = dict[str, Any]

_ENTRIES = 20_000  # of the oldest are forgotten; the file keeps all
_RECORDINGS = 16


class Journal:
    """The journal. Used from one event loop only.

    Args:
        directory: where the files go, or None for no files.

    Attributes:
        entries: the latest entries, oldest first.
        heard: the bytes of the latest speeches.
        said: the bytes of the latest replies.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._file: IO[str] | None = None
        self._news = asyncio.Event()
        self._numbers = {"speech": 0, "reply": 0}
        self.entries: deque[Entry] = deque(maxlen=_ENTRIES)
        self.heard: deque[bytes] = deque(maxlen=_RECORDINGS)
        self.said: deque[bytes] = deque(maxlen=_RECORDINGS)
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            self._file = (directory / "journal.jsonl").open("w", buffering=1, encoding="utf-8")

    def add(self, kind: str, t: float | None = None, **fields: Any) -> None:
        """Write an entry that happened at ``t``, or now."""
        entry = {"t": time.monotonic() if t is None else t, "kind": kind, **fields}
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(redact(json.dumps(entry, ensure_ascii=False)) + "\n")
        self._news.set()

    def add_speech(
        self, data: bytes, seconds: float, how: str, t: float, packets: Sequence[bytes] = ()
    ) -> None:
        """Keep a speech, and say why it ended: ``how``."""
        self.heard.append(data)
        facts = self._keep("speech", data, "pcm")
        if packets:
            facts["packets"] = len(packets)
            self._write(f"speech-{facts['number']:04}.packets", _framed(packets))
        self.add("speech-end", t, how=how, seconds=round(seconds, 3), **facts)

    def add_reply(self, frames: Sequence[bytes], mode: str, *, cut: bool) -> None:
        """Keep a reply, as it was sent in ``mode``."""
        suffix = "packets" if mode == "raw-opus" else mode
        data = _framed(frames) if mode == "raw-opus" else b"".join(frames)
        self.said.append(data)
        self.add("reply-end", cut=cut, **self._keep("reply", data, suffix))

    async def wait_for(
        self, what: str | Callable[[Entry], bool], *, timeout_s: float = 10.0, nth: int = 1
    ) -> Entry:
        """Return the nth entry of a kind, or that a test accepts; wait until it is there.

        Raises:
            TimeoutError: it did not come; the text has the latest entries.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while (entry := self._find(what, nth)) is None:
                    self._news.clear()
                    await self._news.wait()
                return entry
        except TimeoutError:
            latest = list(self.entries)[-8:]
            raise TimeoutError(f"number {nth} of {what} is not in the journal: {latest}") from None

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _find(self, what: str | Callable[[Entry], bool], nth: int) -> Entry | None:
        matches = (
            entry
            for entry in self.entries
            if (entry["kind"] == what if isinstance(what, str) else what(entry))
        )
        return next(islice(matches, nth - 1, None), None)

    def _keep(self, stem: str, data: bytes, suffix: str) -> dict[str, Any]:
        """Write the audio beside the journal; return what identifies it."""
        self._numbers[stem] += 1
        number = self._numbers[stem]
        self._write(f"{stem}-{number:04}.{suffix}", data)
        digest = hashlib.sha256(data).hexdigest()
        return {"bytes": len(data), "sha256": digest, "number": number}

    def _write(self, name: str, data: bytes) -> None:
        if self._directory is not None:
            (self._directory / name).write_bytes(data)


def _framed(packets: Sequence[bytes]) -> bytes:
    """Join packets so that they can be taken apart again."""
    return b"".join(len(packet).to_bytes(2, "big") + packet for packet in packets)

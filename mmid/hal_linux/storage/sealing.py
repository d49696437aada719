"""Keeps the device record secret on flash that can be read out: AES-256-GCM.

The resident daemon must not hold cryptography (8 MiB on a board with 64), and
seals a few times a day at most. So a short-lived child, ``sealing_child``,
does it: one JSON object in, one out, through pipes, because a command line is
readable by all.
"""

import json
from pathlib import Path
from typing import Any

from mmid.child import Child, python
from mmid.errors import StorageFailed
from mmid.secrets import Secret

# Run as a file: as a module it would import all of the package that it lies in. It has our
# suffix, because an image may hold no .py, only .pyc.
_CHILD = Path(__file__).with_stem("sealing_child")
# A slow board needs three seconds.
_LONGEST_S = 30.0


class Sealing:
    """Seals payloads with one key, a fresh nonce each time.

    The last payload is remembered with what it was sealed to, so that reading
    back what was just written, or read before, starts no child.

    Args:
        key: 64 hex digits.
    """

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._last: tuple[bytes, bytes, bytes] | None = None

    def seal(self, payload: bytes, header: bytes) -> bytes:
        """Return nonce, ciphertext and tag.

        Args:
            payload: what to keep secret.
            header: what is authenticated with it.

        Raises:
            StorageFailed: the child could not do it.
        """
        answer = self._ask("seal", payload, header)
        sealed = bytes.fromhex(answer["data"])
        self._last = (sealed, header, payload)
        return sealed

    def unseal(self, sealed: bytes, header: bytes, where: str) -> bytes:
        """Return the payload.

        Raises:
            StorageFailed: it was sealed with another key, or changed since.
        """
        if self._last is not None and self._last[:2] == (sealed, header):
            return self._last[2]
        answer = self._ask("unseal", sealed, header)
        if "data" not in answer:
            raise StorageFailed(
                f"the device record in {where} does not open with our key: it was sealed with "
                "another one, so give that as the credential storage_key",
                advice="Give the key that it was sealed with; without it only a backup helps.",
            )
        payload = bytes.fromhex(answer["data"])
        self._last = (sealed, header, payload)
        return payload

    def _ask(self, action: str, data: bytes, header: bytes) -> dict[str, Any]:
        question = {
            "action": action,
            "key": self._key.reveal(),
            "data": data.hex(),
            "header": header.hex(),
        }
        try:
            # The question goes through a pipe: it holds the key.
            child = Child.run(python(_CHILD), json.dumps(question).encode()).finish(_LONGEST_S)
        except OSError as error:
            raise StorageFailed(
                f"the process that seals the device record cannot be started: {error.strerror}"
            ) from None
        if child.status is None:
            raise StorageFailed(
                f"the device record was not sealed or opened within {_LONGEST_S:g} s"
            )
        if child.status:
            # Not the key's fault, but a broken installation or a killed process.
            raise StorageFailed(
                f"the process that seals the device record ended with status {child.status}: "
                f"{child.last_words or 'no message'}"
            )
        answer: dict[str, Any] = json.loads(child.output)
        return answer

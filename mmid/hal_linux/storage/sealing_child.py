"""The child process of ``sealing``: seals or opens one payload and ends.

Reads one JSON object from standard input and prints one to standard output.
The only module of the HAL that imports cryptography, which is gone with it.
"""

import json
import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


def seal(key: bytes, payload: bytes, header: bytes) -> bytes:
    """Return nonce, ciphertext and tag.

    The nonce is the kernel's randomness: two alike within the 2**32 records
    that one device can ever write have a chance of 2**-33.
    """
    nonce = os.getrandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, payload, header)


def unseal(key: bytes, sealed: bytes, header: bytes) -> bytes:
    """Return the payload.

    Raises:
        InvalidTag: another key, or a byte was changed.
    """
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], header)


def main() -> int:
    """Do what standard input says, and return the exit status."""
    question = json.load(sys.stdin)
    key, data, header = (bytes.fromhex(question[name]) for name in ("key", "data", "header"))
    action = {"seal": seal, "unseal": unseal}[question["action"]]
    try:
        answer = {"data": action(key, data, header).hex()}
    except (InvalidTag, ValueError):  # ValueError: too short to have a nonce and a tag
        answer = {"failure": "not ours"}
    json.dump(answer, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())

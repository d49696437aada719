"""Reads what somebody else chose, a pipe maybe: no further than a limit, no longer than a time.

A file that a command line names may be a pipe: ``<(pass show product)`` of a shell is one. What
settings name is read without anybody there to see why it waits: ``mmid.regular_file``.
"""

import errno
import os
import select
import time
from contextlib import suppress
from pathlib import Path

# Whoever writes into the pipe may have to ask for a passphrase first.
_WAIT_S = 60.0


def read_named_file(path: str | Path, longest_bytes: int, wait_s: float = _WAIT_S) -> bytes:
    """Return what a file holds that a command line names.

    Raises:
        OSError: it cannot be read, is longer, or is a pipe without an end in time.
    """
    # Without O_NONBLOCK a FIFO that nobody writes into would not even open.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        data = read_descriptor(descriptor, longest_bytes + 1, wait_s)
    finally:
        os.close(descriptor)
    if len(data) > longest_bytes:
        raise OSError(errno.EFBIG, f"it is over {longest_bytes} bytes")
    return data


def read_descriptor(descriptor: int, longest_bytes: int, wait_s: float) -> bytes:
    """Return what comes out of a descriptor that does not block, to its end or as many bytes.

    Raises:
        OSError: it cannot be read; ``TimeoutError`` if there was no end in time.
    """
    deadline = time.monotonic() + wait_s
    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    data = bytearray()
    while len(data) < longest_bytes:
        if not ready.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(errno.ETIMEDOUT, f"nobody wrote it to its end within {wait_s:g} s")
        with suppress(BlockingIOError):  # another reader of this pipe was quicker
            piece = os.read(descriptor, longest_bytes - len(data))
            if not piece:
                break
            data += piece
    return bytes(data)

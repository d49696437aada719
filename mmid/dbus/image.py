"""Reads the image that a client passes as a file descriptor.

The client decides what is behind the descriptor, so nothing about it is
trusted: not its size, not its kind, not that it ever delivers. It is read by a
thread of its own (a file may be on a slow card, a pipe's writer may sleep), no
further than the limit and no longer than the time-out.
"""

import asyncio
import os
import stat
import threading
from concurrent.futures import Future

from mmid.bounded_read import read_descriptor
from mmid.dbus.failures import LIMITS_EXCEEDED, CallFailed
from mmid.dbus.stream import close_descriptors
from mmid.errors import InvalidArgument

IMAGE_LIMIT = 1024 * 1024
_TIMEOUT_S = 5.0
# Each may take the limit's memory, and a thread until its file answers.
_AT_ONCE = 2

_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}


class ImageReader:
    """Reads images, a few at a time."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(_AT_ONCE)

    async def read(self, descriptor: int, mime: str) -> bytes:
        """Return the image; the descriptor stays the caller's.

        Args:
            descriptor: a regular file or memfd, read whole wherever its
                position is, or a pipe, read to its end.
            mime: ``image/jpeg`` or ``image/png``; the content must be that.

        Raises:
            InvalidArgument: it is not such a thing, or not such an image.
            CallFailed: too many are being read already.
        """
        if mime not in _MAGIC:
            raise InvalidArgument(f"the type {mime[:40]!r} is not {' or '.join(_MAGIC)}")
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                image = await asyncio.wrap_future(self._begin(descriptor))
        except TimeoutError:
            raise _too_slow() from None
        found = image_type(image)
        if found != mime:
            raise InvalidArgument(f"the image is said to be {mime}, but it is {found or 'neither'}")
        return image

    def _begin(self, descriptor: int) -> "Future[bytes]":
        """Start a thread that reads; it ends by itself, and its place is free only then."""
        if not self._places.acquire(blocking=False):
            text = f"{_AT_ONCE} images are being read already; try again later"
            raise CallFailed(LIMITS_EXCEEDED, text)
        answer: Future[bytes] = Future()
        answer.set_running_or_notify_cancel()  # who waits may leave, the reading goes on
        own = -1

        def free() -> None:
            close_descriptors([own])
            self._places.release()

        def work() -> None:
            try:
                image = _read(own)
            except Exception as error:  # noqa: BLE001 - it is raised again where it is awaited
                free()
                answer.set_exception(error)
            else:
                free()
                answer.set_result(image)

        try:
            own = os.dup(descriptor)
            threading.Thread(target=work, name="image-reader", daemon=True).start()
        except (OSError, RuntimeError) as error:  # RLIMIT_NOFILE, or TasksMax= of the unit
            free()
            raise CallFailed(LIMITS_EXCEEDED, f"the image cannot be read now: {error}") from error
        return answer


def image_type(image: bytes) -> str:
    """Return the MIME type that the first bytes stand for; empty if it is none of ours."""
    return next((mime for mime, magic in _MAGIC.items() if image.startswith(magic)), "")


def _read(descriptor: int) -> bytes:
    """Read all of it; may block, but at a pipe not for longer than the time-out."""
    mode = os.fstat(descriptor).st_mode
    try:
        if stat.S_ISREG(mode):
            return _read_file(descriptor)
        if stat.S_ISFIFO(mode):
            return _read_pipe(descriptor)
    except OSError as error:
        raise InvalidArgument(f"the image cannot be read: {error}") from error
    raise InvalidArgument("the file descriptor must be a regular file, a memfd or a pipe")


def _read_file(descriptor: int) -> bytes:
    # From the start: who has just written a memfd has its position at the end.
    image = b""
    while piece := os.pread(descriptor, IMAGE_LIMIT + 1 - len(image), len(image)):
        image += piece
    return _within_limit(image)


def _read_pipe(descriptor: int) -> bytes:
    os.set_blocking(descriptor, False)
    try:
        return _within_limit(read_descriptor(descriptor, IMAGE_LIMIT + 1, _TIMEOUT_S))
    except TimeoutError:
        raise _too_slow() from None


def _within_limit(image: bytes) -> bytes:
    if not image:
        raise InvalidArgument("the image is empty")
    if len(image) > IMAGE_LIMIT:
        raise InvalidArgument(f"the image has more than {IMAGE_LIMIT} bytes")
    return image


def _too_slow() -> InvalidArgument:
    return InvalidArgument(f"the image did not arrive within {_TIMEOUT_S:g} s")

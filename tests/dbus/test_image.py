import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmid.dbus import image as image_module
from mmid.dbus.client import Client
from mmid.dbus.failures import LIMITS_EXCEEDED, CallFailed
from mmid.dbus.front import Front
from mmid.dbus.image import IMAGE_LIMIT, ImageReader, image_type
from mmid.dbus.interface import DIALOG
from mmid.errors import InvalidArgument
from tests.dbus.descriptors import copies
from tests.dbus.private_bus import WAIT_S, NotingApplication

JPEG = b"\xff\xd8\xff\xe0 a photograph"
PNG = b"\x89PNG\r\n\x1a\n a drawing"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's reading and writing end."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@pytest.fixture
def memfd() -> Iterator[int]:
    descriptor = os.memfd_create("image")
    yield descriptor
    os.close(descriptor)


def image_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "image-reader"]


@pytest.mark.parametrize(("image", "mime"), [(JPEG, "image/jpeg"), (PNG, "image/png")])
async def test_a_memfd_that_was_just_written_is_read_from_its_start(
    memfd: int, image: bytes, mime: str
) -> None:
    os.write(memfd, image)
    assert await ImageReader().read(memfd, mime) == image
    assert await ImageReader().read(memfd, mime) == image


async def test_a_file_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(JPEG.ljust(IMAGE_LIMIT, b"."))
    with path.open("rb") as file:
        assert len(await ImageReader().read(file.fileno(), "image/jpeg")) == IMAGE_LIMIT
    path.write_bytes(JPEG.ljust(IMAGE_LIMIT + 1, b"."))
    with path.open("rb") as file, pytest.raises(InvalidArgument, match="more than 1048576"):
        await ImageReader().read(file.fileno(), "image/jpeg")


async def test_a_pipe_is_read_to_its_end(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    image = JPEG.ljust(300_000, b".")
    read = asyncio.create_task(ImageReader().read(reading, "image/jpeg"))
    await asyncio.to_thread(os.write, writing, image)
    os.dup2(os.open(os.devnull, os.O_RDONLY), writing)  # ends the pipe
    assert await asyncio.wait_for(read, WAIT_S) == image


async def test_a_pipe_without_end_is_read_no_further_than_the_limit(
    pipe: tuple[int, int],
) -> None:
    reading, writing = pipe
    read = asyncio.create_task(ImageReader().read(reading, "image/jpeg"))
    await asyncio.to_thread(os.write, writing, bytes(IMAGE_LIMIT + 1))
    with pytest.raises(InvalidArgument, match="more than 1048576"):
        await asyncio.wait_for(read, WAIT_S)


async def test_a_pipe_that_says_nothing_is_given_up(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_module, "_TIMEOUT_S", 0.05)
    with pytest.raises(InvalidArgument, match=r"within 0\.05 s"):
        await ImageReader().read(pipe[0], "image/jpeg")
    for thread in image_threads():
        await asyncio.to_thread(thread.join, WAIT_S)
    assert copies(pipe[0]) == 2  # its two ends


async def test_a_pipe_that_trickles_is_given_up_as_well(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_module, "_TIMEOUT_S", 0.2)
    reading, writing = pipe
    read = asyncio.create_task(ImageReader().read(reading, "image/jpeg"))
    while not read.done():
        os.write(writing, b"\xff")
        await asyncio.wait({read}, timeout=0.01)
    with pytest.raises(InvalidArgument, match=r"within 0\.2 s"):
        await read
    for thread in image_threads():
        await asyncio.to_thread(thread.join, WAIT_S)


async def test_a_file_that_never_answers_costs_its_place_and_nothing_more(
    memfd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()

    def hang(_: int) -> bytes:
        answers.wait(WAIT_S)
        return JPEG

    monkeypatch.setattr(image_module, "_TIMEOUT_S", 0.05)
    monkeypatch.setattr(image_module, "_read", hang)
    reader = ImageReader()
    for _ in range(2):
        with pytest.raises(InvalidArgument, match="did not arrive"):
            await reader.read(memfd, "image/jpeg")
    with pytest.raises(CallFailed, match="2 images are being read") as caught:
        await reader.read(memfd, "image/jpeg")
    assert caught.value.name == LIMITS_EXCEEDED
    threads = image_threads()
    answers.set()
    for thread in threads:
        await asyncio.to_thread(thread.join, WAIT_S)
    assert copies(memfd) == 1
    assert await reader.read(memfd, "image/jpeg") == JPEG


async def test_a_descriptor_that_cannot_be_copied_costs_no_place(memfd: int) -> None:
    os.write(memfd, JPEG)
    reader = ImageReader()
    for _ in range(3):
        with pytest.raises(CallFailed, match="cannot be read now"):
            await reader.read(-1, "image/jpeg")
    assert await reader.read(memfd, "image/jpeg") == JPEG


async def test_a_process_that_may_have_no_more_threads_refuses_and_leaks_nothing(
    memfd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    os.write(memfd, JPEG)
    reader = ImageReader()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(3):
            with pytest.raises(CallFailed, match="cannot be read now"):
                await reader.read(memfd, "image/jpeg")
    assert copies(memfd) == 1
    assert await reader.read(memfd, "image/jpeg") == JPEG


@pytest.mark.parametrize(
    ("image", "mime", "reason"),
    [
        (b"", "image/jpeg", "is empty"),
        (JPEG, "image/png", "said to be image/png, but it is image/jpeg"),
        (b"GIF89a", "image/png", "but it is neither"),
        (JPEG, "image/gif", "'image/gif' is not image/jpeg or image/png"),
        (JPEG, "x" * 10_000, "is not image/jpeg"),
    ],
    ids=["empty", "other", "unknown", "mime", "long mime"],
)
async def test_what_is_no_such_image_is_refused_with_the_reason(
    memfd: int, image: bytes, mime: str, reason: str
) -> None:
    os.write(memfd, image)
    with pytest.raises(InvalidArgument, match=reason) as caught:
        await ImageReader().read(memfd, mime)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("kind", ["directory", "device", "socket", "write only", "path only"])
async def test_what_cannot_be_read_as_an_image_is_refused_and_does_not_block(
    tmp_path: Path, kind: str
) -> None:
    one, other = socket.socketpair()
    with one, other, tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        descriptor = {
            "directory": lambda: os.open(tmp_path, os.O_RDONLY),
            "device": lambda: os.open("/dev/zero", os.O_RDONLY),
            "socket": lambda: os.dup(one.fileno()),
            "write only": lambda: os.open(file.name, os.O_WRONLY),
            "path only": lambda: os.open(file.name, os.O_PATH),
        }[kind]()
        try:
            with pytest.raises(InvalidArgument, match=r"must be a regular file|cannot be read"):
                await ImageReader().read(descriptor, "image/jpeg")
        finally:
            os.close(descriptor)


def test_an_image_is_known_by_its_first_bytes() -> None:
    assert [image_type(image) for image in (JPEG, PNG, b"", b"\xff\xd8")] == [
        "image/jpeg",
        "image/png",
        "",
        "",
    ]


async def test_an_image_comes_over_the_bus_and_no_descriptor_stays_open(
    client: Client, application: NotingApplication, memfd: int
) -> None:
    os.write(memfd, PNG)
    arguments = ("What is this?", "image/png", 0)
    await client.call(DIALOG, "AskAboutImage", "ssh", *arguments, descriptors=[memfd])
    assert await application.next_call() == ("ask_about_image", "What is this?", PNG)
    assert copies(memfd) == 1


async def test_a_frame_of_a_video_comes_the_same_way(
    client: Client, application: NotingApplication, memfd: int
) -> None:
    os.write(memfd, JPEG)
    await client.call(DIALOG, "SendVideoFrame", "sh", "image/jpeg", 0, descriptors=[memfd])
    assert await application.next_call() == ("send_video_frame", JPEG)


async def test_an_image_may_come_without_words_but_not_with_wrong_ones(
    client: Client, application: NotingApplication, memfd: int
) -> None:
    os.write(memfd, JPEG)
    await client.call(DIALOG, "AskAboutImage", "ssh", "", "image/jpeg", 0, descriptors=[memfd])
    assert (await application.next_call())[1] == ""
    arguments = ("\a", "image/jpeg", 0)
    with pytest.raises(CallFailed, match=r"U\+0007"):
        await client.call(DIALOG, "AskAboutImage", "ssh", *arguments, descriptors=[memfd])
    assert copies(memfd) == 1


@pytest.mark.parametrize("index", [0, 5])
async def test_a_call_without_the_descriptor_is_refused(
    client: Client, application: NotingApplication, memfd: int, index: int
) -> None:
    descriptors = [memfd] * index
    with pytest.raises(CallFailed, match="the file descriptor did not arrive"):
        await client.call(
            DIALOG, "AskAboutImage", "ssh", "x", "image/jpeg", index, descriptors=descriptors
        )
    assert copies(memfd) == 1


@pytest.mark.parametrize(
    ("member", "signature", "arguments"),
    [
        ("Connect", "", []),
        ("Shout", "", []),
        ("Ask", "s", [""]),
        ("Ask", "u", [1]),
        ("AskAboutImage", "ssh", ["x", "image/tiff", 0]),
        ("Ask", "s", ["long" * 1_000_000]),
    ],
    ids=["done", "unknown", "refused", "misfit", "waits and refused", "too long"],
)
async def test_a_descriptor_that_nobody_wants_is_closed_however_the_call_ends(
    *,
    client: Client,
    application: NotingApplication,
    memfd: int,
    member: str,
    signature: str,
    arguments: list[object],
) -> None:
    call = client.call(DIALOG, member, signature, *arguments, descriptors=[memfd] * 3)
    outcomes = await asyncio.gather(call, return_exceptions=True)
    assert isinstance(outcomes[0], CallFailed) == (member != "Connect")
    assert copies(memfd) == 1


async def test_closing_the_service_closes_what_waits_to_be_read(
    client: Client, front: Front, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = pipe
    call = asyncio.create_task(
        client.call(DIALOG, "AskAboutImage", "ssh", "", "image/png", 0, descriptors=[reading])
    )
    async with asyncio.timeout(WAIT_S):
        while not (threads := image_threads()):  # noqa: ASYNC110 - a thread tells nobody
            await asyncio.sleep(0.001)
    await front.close()
    os.dup2(os.open(os.devnull, os.O_RDONLY), writing)
    for thread in threads:
        await asyncio.to_thread(thread.join, WAIT_S)
    with pytest.raises(CallFailed):
        await asyncio.wait_for(call, WAIT_S)
    assert copies(reading) == 1

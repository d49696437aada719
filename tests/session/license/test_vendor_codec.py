"""A library with the vendor's functions as the codec: in a real child, against simcloud."""

import ctypes
import itertools
import os
import selectors
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mmid import child
from mmid.errors import (
    LicenseCodecFailed,
    MalformedMessage,
    NotProvisioned,
    RegistrationUnreadable,
    SettingsInvalid,
    StorageFailed,
)
from mmid.secrets import Secret
from mmid.session.license import exchange as exchange_module
from mmid.session.license.access import LicenseAccess
from mmid.session.license.codec import Context, Message, unseal
from mmid.session.license.exchange import exchange
from mmid.session.license.messages import (
    ExchangeRequest,
    HttpsEndpoint,
    Identity,
    Kind,
    TaskSignature,
    make_nonce,
)
from mmid.session.license.record_book import RecordBook
from mmid.session.license.service import _EXCHANGE_S as EXCHANGE_S
from mmid.settings import Cloud, License, Settings
from mmid.simcloud.cloud import SimCloud
from mmid.simcloud.core.product import Product
from mmid.simcloud.license.server import LicenseServer
from mmid.status import LicenseState, Status
from tests.session.doubles import MemoryStore, TestClock, rehearsed

PACKAGING = Path(__file__).parents[3] / "packaging/vendor-codec"
PRODUCT = Product(
    "mm_0123456789abcdef0123456789ab",
    Secret("0123456789abcdef" * 2),
    Secret(f"sk-{'7' * 32}"),
    "llm-0123456789abcdef",
)
TASK = "00112233445566778899aabbccddeeff"

Build = Callable[..., str]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Make the shared library as an OEM does, with packaging/vendor-codec; return the setting."""
    folder = tmp_path_factory.mktemp("vendor")

    @cache
    def built(generation: int = 12) -> str:
        archive = folder / f"lib{generation}.a"
        compiled = archive.with_suffix(".o")
        source = Path(__file__).with_name("vendor_library.c")
        flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-fPIC"]
        library = archive.with_suffix(".so")
        commands: tuple[list[str | Path], ...] = (
            ["cc", *flags, f"-DGENERATION={generation}", "-c", source, "-o", compiled],
            ["ar", "rcs", archive, compiled],
            ["make", "-s", "-C", PACKAGING, f"VENDOR={archive}", f"OUTPUT={library}"],
        )
        for command in commands:
            subprocess.run(command, check=True, timeout=60, env=_clean_environment())
        return f"vendor:{library}"

    return built


def _clean_environment() -> dict[str, str]:
    """Without what a make that runs these tests tells the makes below it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}


@pytest.fixture
async def cloud(cloud_directory: Path) -> AsyncIterator[SimCloud]:
    async with SimCloud(cloud_directory, product=PRODUCT) as made:
        yield made


class Board:
    """A device that has been started; ``restarted`` with the same store is the next boot."""

    def __init__(self, cloud: SimCloud, codec: str, store: MemoryStore, **given: Any) -> None:
        self.store = store
        self.book = RecordBook(store)
        self.status = Status()
        self.cloud = cloud
        settings = License(
            app_id=PRODUCT.app_id,
            app_secret=PRODUCT.app_secret,
            api_key=PRODUCT.api_key,
            device_name="board1",
            codec=codec,
        )
        self.access = LicenseAccess(
            Settings(
                cloud=Cloud(license_url=cloud.line["license_url"], ca_file=str(cloud.ca_file)),
                license=replace(settings, **given),
            ),
            book=self.book,
            clock=TestClock(),
            status=self.status,
            exchange=exchange,
            rehearse=rehearsed,
        )

    async def restarted(self, codec: str, **given: Any) -> "Board":
        return await boot(self.cloud, codec, self.store, **given)

    @property
    def asked(self) -> list[tuple[str, str]]:
        """What the service was asked, and how it answered."""
        kinds = ("register", "token")
        entries = self.cloud.journal.entries
        return [(one["kind"], one["code"]) for one in entries if one["kind"] in kinds]


async def boot(
    cloud: SimCloud, codec: str, store: MemoryStore | None = None, **given: Any
) -> Board:
    board = Board(cloud, codec, store or MemoryStore(), **given)
    await board.book.load()
    board.access.show()
    return board


def misbehave(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setenv("VENDOR_FAULT", fault)


# --- what it does -----------------------------------------------------------------------------


@pytest.mark.parametrize("generation", [11, 12])
async def test_a_device_registers_once_and_connects_with_the_vendors_library(
    cloud: SimCloud, build: Build, generation: int
) -> None:
    board = await boot(cloud, build(generation))
    credential = await board.access.credential()
    assert cloud.find(LicenseServer).token_valid(credential.token.reveal()) == "board1"
    record = board.book.record
    assert (record.registered, record.device_secret) == (True, Secret(""))
    assert record.pending is None

    board = await board.restarted(build(generation), app_secret=Secret(""))
    assert board.status.license_state is LicenseState.REGISTERED
    credential = await board.access.credential()
    assert cloud.find(LicenseServer).token_valid(credential.token.reveal()) == "board1"
    assert board.asked == [("register", "200"), ("token", "200"), ("token", "200")]
    assert credential.request_ip == "127.0.0.1"
    # Only 1.2 has a function that tells the workspace.
    assert credential.workspace_id == (PRODUCT.workspace_id if generation == 12 else "")


async def test_the_vendors_library_goes_on_where_the_built_in_codec_registered(
    cloud: SimCloud, build: Build
) -> None:
    board = await boot(cloud, "built-in")
    await board.access.credential()
    board = await board.restarted(build())
    await board.access.credential()
    assert board.asked == [("register", "200"), ("token", "200"), ("token", "200")]


async def test_what_the_vendors_library_registered_it_alone_can_use(
    cloud: SimCloud, build: Build
) -> None:
    board = await boot(cloud, build())
    await board.access.credential()
    board = await board.restarted("built-in")
    with pytest.raises(NotProvisioned, match=r"set license\.codec to that library"):
        await board.access.credential()


@pytest.mark.parametrize("codec", ["built-in", 11, 12])
async def test_a_task_is_signed_with_the_device_secret_for_its_id(
    cloud: SimCloud, build: Build, codec: str | int
) -> None:
    secret = Secret("0f" * 16)
    named = codec if isinstance(codec, str) else build(codec)
    identity = Identity(PRODUCT.app_id, PRODUCT.app_secret, "board1", secret)
    asked = ExchangeRequest(
        Kind.SIGN,
        HttpsEndpoint(""),
        identity,
        make_nonce(),
        time.time_ns() // 1_000_000,
        codec=named,
        task_id=TASK,
    )
    signature = await exchange(asked, timeout_s=20)
    assert isinstance(signature, TaskSignature)
    opened = [
        unseal(Context(message, identity, nonce), sealed)
        for message, nonce, sealed in (
            (Message.TASK_LICENSE, TASK[:26], signature.license_info),
            (Message.TASK_DEVICE, TASK[-26:], signature.device_info),
        )
    ]
    shared = {"taskId": TASK, "timestamp": signature.timestamp}
    assert opened == [
        {"appId": PRODUCT.app_id, "payMode": "LICENSE", **shared},
        {"deviceName": "board1", **shared},
    ]


async def test_what_the_library_does_at_the_processs_end_holds_nobody_up(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave(monkeypatch, "at-exit:hang")
    await (await boot(cloud, build())).access.credential()


async def test_what_the_library_prints_goes_nowhere(
    cloud: SimCloud, build: Build, capfd: pytest.CaptureFixture[str]
) -> None:
    await (await boot(cloud, build())).access.credential()
    told = capfd.readouterr()
    assert "printed-secrets" not in told.out + told.err


async def test_what_the_library_writes_to_our_own_descriptor_is_passed_over(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave(monkeypatch, "c_license_init:scribble")
    board = await boot(cloud, build())
    await board.access.credential()
    assert board.book.record.registered


# --- what packaging/vendor-codec gives it -----------------------------------------------------


@pytest.fixture
def firmware(build: Build) -> ctypes.CDLL:
    return ctypes.CDLL(build().removeprefix("vendor:"))


def test_the_storage_gives_back_what_it_was_given_and_no_more(firmware: ctypes.CDLL) -> None:
    firmware.util_storage_erase()
    data, read = (ctypes.c_uint8 * 176)(*range(176)), (ctypes.c_uint8 * 176)()
    assert firmware.util_storage_load(read, 176) != 0
    assert firmware.util_storage_storage(data, 176) == 0
    assert firmware.util_storage_load(read, 176) == 0
    assert bytes(read) == bytes(data)
    assert firmware.util_storage_load((ctypes.c_uint8 * 177)(), 177) != 0
    assert firmware.util_storage_storage(data, 1 << 20) != 0
    assert firmware.util_storage_storage(None, 1) != 0
    assert firmware.util_storage_erase() == 0
    assert firmware.util_storage_load(read, 1) != 0


def test_a_seed_does_not_make_random_numbers_come_again(firmware: ctypes.CDLL) -> None:
    drawn = []
    for _ in range(2):
        assert firmware.util_random_init(7) == 0
        drawn.append([firmware.util_random() for _ in range(4)])
    assert drawn[0] != drawn[1]


def test_the_time_is_this_boards(firmware: ctypes.CDLL) -> None:
    for name in ("util_get_timestamp", "util_get_timestamp_ms"):
        getattr(firmware, name).restype = ctypes.c_int64
        assert abs(getattr(firmware, name)() - time.time() * 1000) < 5000
    firmware.util_now_ms.restype = ctypes.c_int64
    before = firmware.util_now_ms()
    firmware.util_msleep(15)
    assert firmware.util_now_ms() - before >= 15


def test_a_mutex_is_held_by_one_and_waited_for_as_long_as_said(firmware: ctypes.CDLL) -> None:
    firmware.util_mutex_create.restype = ctypes.c_void_p
    mutex = ctypes.c_void_p(firmware.util_mutex_create())
    assert firmware.util_mutex_lock(mutex, -1) == 0
    assert firmware.util_mutex_lock(mutex, 20) != 0
    assert firmware.util_mutex_unlock(mutex) == 0
    assert firmware.util_mutex_lock(mutex, 0) == 0
    assert firmware.util_mutex_unlock(mutex) == 0
    firmware.util_mutex_delete(mutex)
    firmware.util_mutex_delete(None)
    assert firmware.util_mutex_lock(None, 0) != 0


# --- when it does what it must not ------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("c_license_init:refuse", "c_license_init returned 3"),
        ("c_license_gen_register_str_v2:refuse", "c_license_gen_register_str_v2 returned 3"),
        ("c_license_gen_register_str_v2:nonsense", "gave nonsense: .* not JSON"),
        ("c_license_gen_register_str_v2:crash", r"crashed \(SIGSEGV\) over the register request"),
        ("c_license_get_storage_data:nonsense", "bytes to be stored, not 1 to 1024"),
        ("c_license_gen_register_str_v2:exit", "ended the process over the register request"),
        ("c_license_init:crash", r"crashed \(SIGSEGV\).*nothing was sent"),
    ],
)
async def test_a_library_that_fails_before_anything_is_sent_is_tried_again(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch, fault: str, said: str
) -> None:
    misbehave(monkeypatch, fault)
    board = await boot(cloud, build())
    with pytest.raises(LicenseCodecFailed, match=said):
        await board.access.credential()
    assert board.asked == []
    assert board.status.license_state is LicenseState.UNREGISTERED
    monkeypatch.delenv("VENDOR_FAULT")
    await board.access.credential()


async def test_of_a_library_that_crashes_beside_the_request_nobody_says_that_nothing_was_sent(
    cloud: SimCloud, build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of its own may do so; here the child says that it is asking, and dies of it."""
    board = await boot(cloud, build())
    (tmp_path / "dying_child.py").write_text(
        "import os, signal\n"
        'print(\'{"stage": "asking"}\', flush=True)\n'
        "os.kill(os.getpid(), signal.SIGSEGV)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(exchange_module, "_CHILD", "dying_child")
    said = r"crashed \(SIGSEGV\) beside the register request, which may have been sent$"
    with pytest.raises(LicenseCodecFailed, match=said):
        await board.access.credential()


@pytest.fixture
def impatient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as the library hangs, half a minute has gone by for whoever waits for the child."""
    hangs, looks = tmp_path / "hangs", itertools.count()
    monkeypatch.setenv("VENDOR_HANGS", str(hangs))

    class OftenAwake(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            return super().select(0.05 if timeout is None else min(timeout, 0.05))

    def late() -> float:
        # Not at the first looks: what was written before it hung is still to be read.
        gone = hangs.exists() and next(looks) > 5
        return time.monotonic() + (EXCHANGE_S if gone else 0.0)

    monkeypatch.setattr(
        child,
        "selectors",
        SimpleNamespace(**{**vars(selectors), "DefaultSelector": OftenAwake}),
    )
    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=late))


@pytest.mark.usefixtures("impatient")
async def test_a_library_that_hangs_before_anything_is_sent_ends_with_the_time_out(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave(monkeypatch, "c_license_gen_register_str_v2:hang")
    with pytest.raises(LicenseCodecFailed, match=r"did not end within 30 s .* nothing was sent"):
        await (await boot(cloud, build())).access.credential()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("c_license_analyze_register_rsp:crash", r"crashed \(SIGSEGV\) over the service's answer"),
        (
            "c_license_analyze_register_rsp:refuse",
            "c_license_analyze_register_rsp of .* returned 3",
        ),
    ],
)
async def test_an_answer_that_the_library_fails_over_is_kept_and_opened_when_it_is_mended(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch, fault: str, said: str
) -> None:
    board = await boot(cloud, build())
    misbehave(monkeypatch, fault)
    with pytest.raises(RegistrationUnreadable, match=said):
        await board.access.credential()
    assert board.status.license_error["remedy"] == "fix-codec"
    assert board.book.record.unopened is not None

    board = await board.restarted(build())
    with pytest.raises(RegistrationUnreadable, match="kept in the device record"):
        await board.access.credential()
    assert board.asked == [("register", "200")], "nobody is asked again"

    monkeypatch.delenv("VENDOR_FAULT")
    board = await board.restarted(build())
    credential = await board.access.credential()
    assert cloud.find(LicenseServer).token_valid(credential.token.reveal()) == "board1"
    assert board.asked == [("register", "200"), ("token", "200")]
    assert board.book.record.unopened is None


@pytest.mark.usefixtures("impatient")
async def test_an_answer_that_the_library_hangs_over_is_kept(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave(monkeypatch, "c_license_analyze_register_rsp:hang")
    board = await boot(cloud, build())
    with pytest.raises(RegistrationUnreadable, match=r"did not end within 30 s over the service"):
        await board.access.credential()
    monkeypatch.delenv("VENDOR_FAULT")
    await (await board.restarted(build())).access.credential()


async def test_the_other_codec_may_open_what_one_could_not(
    cloud: SimCloud, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    misbehave(monkeypatch, "c_license_analyze_register_rsp:crash")
    board = await boot(cloud, build())
    with pytest.raises(RegistrationUnreadable):
        await board.access.credential()
    board = await board.restarted("built-in")
    await board.access.credential()
    assert board.asked == [("register", "200"), ("token", "200")]
    assert board.book.record.device_secret


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            "c_license_analyze_get_token_rsp:crash",
            LicenseCodecFailed,
            r"crashed \(SIGSEGV\) over the answer to the token request$",
        ),
        ("c_license_analyze_get_token_rsp:refuse", MalformedMessage, "returned 3"),
        ("c_mmi_get_wss_header:nonsense", LicenseCodecFailed, "does not fit into an HTTP header"),
    ],
)
async def test_a_token_that_the_library_fails_over_leaves_the_registration_alone(
    *,
    cloud: SimCloud,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    kind: type[Exception],
    said: str,
) -> None:
    misbehave(monkeypatch, fault)
    board = await boot(cloud, build())
    with pytest.raises(kind, match=said):
        await board.access.credential()
    assert board.status.license_state is LicenseState.REGISTERED
    monkeypatch.delenv("VENDOR_FAULT")
    await board.access.credential()


# --- when it is not what the settings say -------------------------------------------------------


async def test_a_library_that_cannot_be_loaded_is_named(cloud: SimCloud, tmp_path: Path) -> None:
    path = tmp_path / "not-a-library.so"
    path.write_text("hello")
    board = await boot(cloud, f"vendor:{path}")
    with pytest.raises(SettingsInvalid, match=rf"license\.codec = 'vendor:{path}': cannot be load"):
        await board.access.credential()


@pytest.fixture
def empty_library(tmp_path: Path) -> Path:
    source, library = tmp_path / "empty.c", tmp_path / "empty.so"
    source.write_text("int c_license_init(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-o", library, source], check=True, timeout=60)
    return library


async def test_a_library_that_was_not_linked_as_it_must_be_is_told_how(
    cloud: SimCloud, empty_library: Path
) -> None:
    board = await boot(cloud, f"vendor:{empty_library}")
    with pytest.raises(SettingsInvalid, match=r"c_license_gen_register_str_v2 or .*vendor-codec"):
        await board.access.credential()


@pytest.mark.parametrize("state", ["00" * 1025, "00" * 176 + "0", "zz" * 176, "00 00", "é" * 352])
async def test_what_no_library_gave_is_not_passed_to_it(
    cloud: SimCloud, build: Build, state: str
) -> None:
    codec = build()
    board = await boot(cloud, codec)
    await board.access.credential()
    asked = board.asked
    await board.book.save(replace(board.book.record, codec_state=Secret(state)))
    again = await board.restarted(codec)
    with pytest.raises(StorageFailed, match="codec_state is not 1 to 1024 bytes") as told:
        await again.access.credential()
    assert state not in str(told.value)
    assert again.asked == asked


async def test_a_block_that_was_cut_short_is_refused_by_the_library_which_reads_nothing_else(
    cloud: SimCloud, build: Build
) -> None:
    codec = build()
    board = await boot(cloud, codec)
    await board.access.credential()
    await board.book.save(replace(board.book.record, codec_state=Secret("01" * 3)))
    with pytest.raises(LicenseCodecFailed, match="c_license_init returned"):
        await (await board.restarted(codec)).access.credential()

import asyncio
import json
import logging
from pathlib import Path

import pytest
from dbus_next.signature import SignatureTree

from mmid.dbus import service as service_module
from mmid.dbus.bus import Bus
from mmid.dbus.client import Client
from mmid.dbus.failures import CallFailed
from mmid.dbus.front import Front
from mmid.dbus.interface import (
    AUDIO,
    DEVICE,
    DIALOG,
    INTROSPECTABLE,
    NAME,
    PATH,
    PEER,
    PROPERTIES,
    STANDARD_ERRORS,
    load,
)
from mmid.dbus.members import LONGEST_CALL
from mmid.dbus.wire import Message, MessageFlag, Variant
from mmid.errors import Busy, LicenseRefused, NotReady, StorageFailed
from mmid.secrets import Secret
from mmid.status import Status
from tests.dbus.private_bus import WAIT_S, NotingApplication

MACHINE_ID = "0123456789abcdef" * 2


async def test_introspection_answers_with_the_very_text_of_the_file(client: Client) -> None:
    file = Path(service_module.__file__).with_name("org.mmid1.xml")
    assert await client.call(INTROSPECTABLE, "Introspect") == [file.read_text(encoding="utf-8")]


@pytest.mark.parametrize(("path", "below"), [("/", "org"), ("/org", "mmid1")])
async def test_the_object_is_found_by_browsing_from_the_root(
    bus: Bus, front: Front, path: str, below: str
) -> None:
    [text] = await bus.call(NAME, path, INTROSPECTABLE, "Introspect")
    assert f'<node name="{below}"/>' in text


async def test_every_path_can_be_pinged(bus: Bus, front: Front) -> None:
    assert await bus.call(NAME, "/", PEER, "Ping") == []
    assert await bus.call(NAME, PATH, PEER, "Ping") == []


async def test_the_machine_is_named(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "machine-id"
    file.write_text(f"{MACHINE_ID}\n")
    monkeypatch.setattr(service_module, "_MACHINE_ID_FILE", file)
    assert await client.call(PEER, "GetMachineId") == [MACHINE_ID]


@pytest.mark.parametrize("content", [None, "", "uninitialized\n"])
async def test_a_machine_without_an_id_says_so(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    file = tmp_path / "machine-id"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(service_module, "_MACHINE_ID_FILE", file)
    with pytest.raises(CallFailed, match=f"{file} (cannot be read: .*|holds no machine id)"):
        await client.call(PEER, "GetMachineId")


@pytest.mark.parametrize(
    ("path", "interface", "member", "signature", "arguments", "error"),
    [
        (PATH, DIALOG, "Shout", "", [], "UnknownMethod"),
        (PATH, DEVICE, "Ask", "s", ["x"], "UnknownMethod"),
        (PATH, "org.mmid1.Kitchen", "Cook", "", [], "UnknownInterface"),
        ("/org/mmid2", DIALOG, "Ask", "s", ["x"], "UnknownObject"),
        ("/org/mmid1/x", INTROSPECTABLE, "Introspect", "", [], "UnknownObject"),
        (PATH, DIALOG, "Ask", "", [], "InvalidArgs"),
        (PATH, DIALOG, "Ask", "u", [5], "InvalidArgs"),
        (PATH, DIALOG, "Ask", "ss", ["x", "y"], "InvalidArgs"),
        (PATH, DIALOG, "Connect", "s", ["x"], "InvalidArgs"),
        (PATH, PROPERTIES, "Get", "s", ["x"], "InvalidArgs"),
        (PATH, PROPERTIES, "Get", "ss", [DIALOG, "Mood"], "UnknownProperty"),
        (PATH, PROPERTIES, "Get", "ss", [DIALOG, "Volume"], "UnknownProperty"),
        (PATH, PROPERTIES, "Get", "ss", ["org.x.Y", "State"], "UnknownInterface"),
        (PATH, PROPERTIES, "GetAll", "s", ["org.x.Y"], "UnknownInterface"),
        (
            PATH,
            PROPERTIES,
            "Set",
            "ssv",
            [DIALOG, "State", Variant("s", "idle")],
            "PropertyReadOnly",
        ),
        (PATH, PROPERTIES, "Set", "ssv", [AUDIO, "Volume", Variant("s", "9")], "InvalidArgs"),
        (PATH, PROPERTIES, "Set", "ssv", [AUDIO, "Volume", Variant("i", 9)], "InvalidArgs"),
        (PATH, PROPERTIES, "Set", "ssv", [AUDIO, "Mood", Variant("i", 9)], "UnknownProperty"),
    ],
)
async def test_a_call_that_does_not_fit_the_contract_gets_the_standard_error(
    *,
    bus: Bus,
    front: Front,
    application: NotingApplication,
    caplog: pytest.LogCaptureFixture,
    path: str,
    interface: str,
    member: str,
    signature: str,
    arguments: list[object],
    error: str,
) -> None:
    with pytest.raises(CallFailed) as caught:
        await bus.call(NAME, path, interface, member, signature, *arguments)
    assert caught.value.name == STANDARD_ERRORS + error
    assert application.calls.empty()
    assert not caplog.records


def costly(count: int) -> list[Variant]:
    """Return what costs a reader most: each value is of a type that was never seen before."""
    letters = (format(number, "0200b").translate({48: "i", 49: "s"}) for number in range(count))
    return [Variant(f"a({one})", []) for one in letters]


@pytest.mark.parametrize(
    ("interface", "member", "signature", "arguments", "error"),
    [
        (DIALOG, "Ask", "av", [costly(400)], "InvalidArgs"),
        (DIALOG, "Shout", "av", [costly(400)], "UnknownMethod"),
        (PROPERTIES, "Set", "ssv", [AUDIO, "Volume", Variant("av", costly(400))], "InvalidArgs"),
        (DIALOG, "Ask", "s", ["x" * LONGEST_CALL], "LimitsExceeded"),
    ],
)
async def test_a_costly_call_is_refused_before_its_body_is_read(
    *,
    bus: Bus,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    interface: str,
    member: str,
    signature: str,
    arguments: list[object],
    error: str,
) -> None:
    call = asyncio.create_task(bus.call(NAME, PATH, interface, member, signature, *arguments))
    await asyncio.sleep(0)  # it is written; what is read from here on is what mmid reads
    kept: dict[str, SignatureTree] = {}
    monkeypatch.setattr(SignatureTree, "_cache", kept)
    with pytest.raises(CallFailed) as caught:
        await call
    assert caught.value.name == STANDARD_ERRORS + error
    assert await client.get(DIALOG, "State") == "listening"
    assert max(map(len, kept)) < 5


async def test_the_longest_lawful_call_is_taken(
    client: Client, application: NotingApplication
) -> None:
    longest = json.dumps({"a": ""}, ensure_ascii=False)
    longest = longest.replace('""', '"' + "\N{PARTY POPPER}" * (65536 - len(longest)) + '"')
    await client.call(DIALOG, "UpdateInfo", "ss", longest, longest)
    [name, *arguments] = await application.next_call()
    assert (name, arguments) == ("update_info", [json.loads(longest)] * 2)


async def test_what_others_say_to_mmid_unasked_is_not_read(
    bus: Bus, client: Client, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Message] = []
    front._bus.on_signal = heard.append
    signal = Message.new_signal(PATH, DIALOG, "AsrComplete", "av", [costly(10)])
    signal.destination = NAME
    bus.send(signal)
    assert await client.get(DIALOG, "State") == "listening"
    assert heard == []
    assert not caplog.records


async def test_a_caller_may_leave_the_interface_out(
    bus: Bus, front: Front, application: NotingApplication
) -> None:
    flags = MessageFlag.NO_REPLY_EXPECTED
    bus.send(Message(destination=NAME, path=PATH, member="NewDialog", flags=flags))
    assert await application.next_call() == ("new_dialog",)


@pytest.mark.parametrize(
    ("error", "name", "text"),
    [
        (Busy("client :1.9 is talking"), "Busy", "client :1.9 is talking"),
        (NotReady("no dialog"), "NotReady", "no dialog"),
        (StorageFailed("the flash is full"), "Storage", "the flash is full"),
        (LicenseRefused("100007: quota", "100007", "buy"), "NotRegistered", "100007: quota"),
        (CallFailed(STANDARD_ERRORS + "AccessDenied", "no"), None, "no"),
    ],
)
async def test_an_error_of_ours_reaches_the_caller_with_its_name_and_text(
    *,
    client: Client,
    application: NotingApplication,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    name: str | None,
    text: str,
) -> None:
    application.error = error
    with pytest.raises(CallFailed, match=f"^{text}$") as caught:
        await client.call(DIALOG, "Connect")
    assert caught.value.name == (
        f"org.mmid1.Error.{name}" if name else STANDARD_ERRORS + "AccessDenied"
    )
    assert not caplog.records


async def test_no_secret_is_in_an_error_text(
    client: Client, application: NotingApplication
) -> None:
    secret = Secret("open-sesame-1234")
    application.error = NotReady(f"the key {secret.reveal()} was refused")
    with pytest.raises(CallFailed, match=r"^the key \*\*\* was refused$"):
        await client.call(DIALOG, "Connect")


@pytest.mark.parametrize("method", ["Interrupt", "Register"], ids=["plain", "asynchronous"])
async def test_any_other_exception_stays_in_the_journal(
    client: Client,
    application: NotingApplication,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    application.error = KeyError("private detail")
    interface = DIALOG if method == "Interrupt" else DEVICE
    with pytest.raises(CallFailed) as caught:
        await client.call(interface, method)
    assert caught.value.name == STANDARD_ERRORS + "Failed"
    assert "private detail" not in str(caught.value)
    assert "journal" in str(caught.value)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert f"{interface}.{method} failed: KeyError('private detail')" in caplog.text


async def test_an_asynchronous_method_answers_when_it_is_done_and_holds_up_nobody(
    client: Client, application: NotingApplication
) -> None:
    register = asyncio.create_task(client.call(DEVICE, "Register"))
    assert await application.next_call() == ("register",)
    assert await client.get(DEVICE, "Registered") is False
    assert not register.done()
    application.registering.set()
    assert await asyncio.wait_for(register, WAIT_S) == []
    assert await client.get(DEVICE, "Registered") is True


async def refusals(waiting: "list[asyncio.Task[list[object]]]") -> list[BaseException | None]:
    """Return the errors of the calls that do not wait, when there is one."""
    done, _ = await asyncio.wait(waiting, timeout=WAIT_S, return_when=asyncio.FIRST_COMPLETED)
    return [call.exception() for call in done]


def register(client: Client, times: int) -> "list[asyncio.Task[list[object]]]":
    return [asyncio.create_task(client.call(DEVICE, "Register")) for _ in range(times)]


async def test_one_client_cannot_have_many_calls_wait(
    client: Client, application: NotingApplication
) -> None:
    waiting = register(client, 9)
    [error] = await refusals(waiting)
    assert isinstance(error, CallFailed)
    assert error.name == STANDARD_ERRORS + "LimitsExceeded"
    assert "8 calls are waiting" in str(error)
    application.registering.set()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_press_that_is_one_call_too_many_is_given_up(
    client: Client, application: NotingApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = register(client, 8)
    for _ in waiting:
        await application.next_call()
    accepted = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(application, "start_speech", lambda _: accepted)
    with pytest.raises(CallFailed, match="8 calls are waiting"):
        await client.call(DIALOG, "StartSpeech")
    call, _ = await application.next_call()
    assert call == "cancel_speech"
    application.registering.set()
    await asyncio.gather(*waiting)


async def test_a_press_that_other_calls_of_its_client_wait_for_is_kept(
    client: Client, application: NotingApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that repeats while it is held must not cancel its own press."""
    accepted = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(application, "start_speech", lambda _: asyncio.shield(accepted))
    waiting = [asyncio.create_task(client.call(DIALOG, "StartSpeech")) for _ in range(9)]
    [error] = await refusals(waiting)
    assert "8 calls are waiting" in str(error)
    accepted.set_result(None)
    await asyncio.gather(*waiting, return_exceptions=True)
    assert application.calls.empty()


async def test_all_clients_together_cannot_have_many_calls_wait(
    address: str, front: Front, application: NotingApplication
) -> None:
    clients = [await Client.connect(address) for _ in range(9)]
    waiting = [call for client in clients[:8] for call in register(client, 8)]
    for _ in waiting:
        await application.next_call()
    late = register(clients[8], 1)
    [error] = await refusals(late)
    assert isinstance(error, CallFailed)
    assert "64 calls are waiting" in str(error)
    application.registering.set()
    await asyncio.gather(*waiting)
    for client in clients:
        await client.close()


async def test_closing_gives_up_calls_that_wait(
    client: Client, front: Front, application: NotingApplication
) -> None:
    register = asyncio.create_task(client.call(DEVICE, "Register"))
    await application.next_call()
    await asyncio.wait_for(front.close(), WAIT_S)
    with pytest.raises(CallFailed):
        await asyncio.wait_for(register, WAIT_S)


async def test_a_caller_that_wants_no_reply_gets_none(
    bus: Bus, front: Front, application: NotingApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Message] = []
    monkeypatch.setattr(front._bus, "send", sent.append)
    flags = MessageFlag.NO_REPLY_EXPECTED
    for member in ("Connect", "Shout", "Disconnect"):
        bus.send(Message(destination=NAME, path=PATH, interface=DIALOG, member=member, flags=flags))
    assert await application.next_call() == ("connect",)
    assert await application.next_call() == ("disconnect",)
    assert sent == []


async def test_properties_have_the_types_of_the_contract_and_the_values_of_the_status(
    bus: Bus, front: Front, status: Status
) -> None:
    spent = {"total_tokens": 7, "input_audio_s": 1.5, "images": 2}
    status.update(token_expiry=2**63, volume=7, usage=spent)
    [dialog] = await bus.call(NAME, PATH, PROPERTIES, "GetAll", "s", DIALOG)
    assert {name: (value.signature, value.value) for name, value in dialog.items()} == {
        "State": ("s", "listening"),
        "Connected": ("b", True),
        "WorkMode": ("s", "push2talk"),
        "Voice": ("s", ""),
        "DialogId": ("s", ""),
        "Talker": ("s", ""),
        "LastError": ("a{sv}", {}),
        "Usage": (
            "a{sv}",
            {
                "total_tokens": Variant("t", 7),
                "input_audio_s": Variant("d", 1.5),
                "images": Variant("u", 2),
            },
        ),
    }
    [expiry] = await bus.call(NAME, PATH, PROPERTIES, "Get", "ss", DEVICE, "TokenExpiry")
    assert (expiry.signature, expiry.value) == ("t", 2**63)
    [volume] = await bus.call(NAME, PATH, PROPERTIES, "Get", "ss", "", "Volume")
    assert (volume.signature, volume.value) == ("u", 7)


async def test_all_properties_come_for_the_empty_interface_and_none_for_a_standard_one(
    client: Client,
) -> None:
    declared = [name for one in load().interfaces.values() for name in one.properties]
    assert sorted(await client.get_all("")) == sorted(declared)
    assert await client.get_all(PEER) == {}


async def test_a_property_is_written_through_the_application(
    client: Client, application: NotingApplication
) -> None:
    await client.set(AUDIO, "Volume", 42)
    await client.set(AUDIO, "Muted", value=True)
    await client.set(DIALOG, "WorkMode", "tap2talk")
    calls = [await application.next_call() for _ in range(3)]
    assert calls == [("set_volume", 42), ("set_muted", True), ("set_work_mode", "tap2talk")]
    assert await client.get(AUDIO, "Volume") == 42

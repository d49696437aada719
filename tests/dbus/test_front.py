import asyncio
import os
from collections.abc import Callable

import pytest

from mmid import events
from mmid.dbus.bus import Bus
from mmid.dbus.client import Client, Received
from mmid.dbus.failures import ACCESS_DENIED, CallFailed
from mmid.dbus.front import Front
from mmid.dbus.interface import (
    AUDIO,
    DEVICE,
    DIALOG,
    NAME,
    PATH,
    PEER,
    PROPERTIES,
    Property,
    load,
    snake_case,
)
from mmid.errors import BusFailed
from mmid.events import State
from mmid.secrets import Secret
from mmid.status import LicenseState, Status
from tests.dbus.private_bus import WAIT_S, NotingApplication, PrivateBus

CONTRACT = load()

# Heartbeat marks the end of what a test listens to.
OTHERS = {"Event", "_Text", "Heartbeat"}
EVENTS = [
    kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, events.Event) and name not in OTHERS
]


async def heard(client: Client, cause: Callable[[], None]) -> list[Received]:
    """Return the signals that a cause brings, up to the heartbeat sent after it."""
    await client.listen()
    cause()
    signals = []
    async with asyncio.timeout(WAIT_S):
        async for signal in client.signals():
            if signal.name == "Heartbeat":
                break
            signals.append(signal)
    return signals


@pytest.mark.parametrize(
    ("interface", "member", "arguments", "command"),
    [
        (DIALOG, "Connect", [], ("connect",)),
        (DIALOG, "Disconnect", [], ("disconnect",)),
        (DIALOG, "Interrupt", [], ("interrupt",)),
        (DIALOG, "NewDialog", [], ("new_dialog",)),
        (DIALOG, "Ask", ["What?"], ("ask", "What?")),
        (DIALOG, "Say", ["你好"], ("say", "你好")),
    ],
)
async def test_a_method_is_a_command(
    *,
    client: Client,
    application: NotingApplication,
    interface: str,
    member: str,
    arguments: list[str],
    command: tuple[str, ...],
) -> None:
    assert await client.call(interface, member, "s" * len(arguments), *arguments) == []
    assert await application.next_call() == command


@pytest.mark.parametrize("member", ["StartSpeech", "StopSpeech", "CancelSpeech"])
async def test_speech_belongs_to_the_client_that_calls(
    client: Client, application: NotingApplication, member: str
) -> None:
    await client.call(DIALOG, member)
    assert (await application.next_call())[1] == client.unique_name


async def test_the_record_is_erased_for_root_only(
    client: Client, application: NotingApplication
) -> None:
    if os.geteuid() == 0:
        await client.call(DEVICE, "Reset")
        assert await application.next_call() == ("reset",)
    else:
        with pytest.raises(CallFailed) as caught:
            await client.call(DEVICE, "Reset")
        assert caught.value.name == ACCESS_DENIED


async def test_every_event_is_a_signal_with_its_fields(client: Client, front: Front) -> None:
    def values(event: type[events.Event]) -> dict[str, str]:
        names = CONTRACT.interfaces[DIALOG].signals[event.__name__].arguments
        return {name: f"{name} 你好" for name in names}

    def emit() -> None:
        for event in EVENTS:
            front.emit(event(**values(event)))
        front.emit(events.Heartbeat())

    signals = await heard(client, emit)
    assert signals == [Received(DIALOG, event.__name__, values(event)) for event in EVENTS]


async def test_no_secret_and_no_forbidden_letter_is_in_a_signal(
    client: Client, front: Front
) -> None:
    secret = Secret("swordfish-0815")

    def emit() -> None:
        front.emit(events.Error("tls", f"a\0b \ud800 {secret.reveal()}"))
        front.emit(events.Heartbeat())

    [signal] = await heard(client, emit)
    assert signal.arguments["message"] == "a\N{REPLACEMENT CHARACTER}b ? ***"


async def test_a_change_is_told_once_for_each_interface(
    client: Client, front: Front, status: Status
) -> None:
    def change() -> None:
        status.update(
            state=State.THINKING,
            dialog_id="d1",
            license_state=LicenseState.AUTHORIZED,
            volume=100,  # as it was
            recorder_overruns=3,
        )
        status.update(state=State.THINKING)
        front.emit(events.Heartbeat())

    signals = await heard(client, change)
    assert [signal.arguments for signal in signals] == [
        {
            "interface_name": interface,
            "changed_properties": changed,
            "invalidated_properties": [],
        }
        for interface, changed in (
            (DIALOG, {"State": "thinking", "DialogId": "d1"}),
            (DEVICE, {"LicenseState": "authorized"}),
            (AUDIO, {"RecorderOverruns": 3}),
        )
    ]
    assert {signal.interface for signal in signals} == {PROPERTIES}


async def test_a_license_error_has_a_type_for_each_of_its_keys(
    client: Client, front: Front, status: Status
) -> None:
    error: dict[str, str | int] = {
        "code": "200021",
        "message": "today's limit of calls is reached",
        "remedy": "wait-until-midnight",
        "since": 1_795_132_800_000,
        "next_attempt": 2**63,  # no signed number holds it
    }

    def change() -> None:
        status.update(license_error=error)
        status.update(license_error={})
        front.emit(events.Heartbeat())

    assert await client.get(DEVICE, "LicenseError") == {}
    told = [signal.changed["LicenseError"] for signal in await heard(client, change)]
    assert told == [error, {}]
    status.update(license_error=error)
    assert await client.get(DEVICE, "LicenseError") == error


PROPERTIES_OF_OURS = [
    declared
    for interface in (DIALOG, DEVICE, AUDIO)
    for declared in CONTRACT.interfaces[interface].properties.values()
]
ANOTHER: dict[str, object] = {
    "s": "another",
    "u": 7,
    "t": 7,
    "a{sv}": {"code": "another"},
}


@pytest.mark.parametrize("declared", PROPERTIES_OF_OURS, ids=lambda declared: declared.name)
async def test_a_change_is_told_if_its_annotation_says_so(
    client: Client, front: Front, status: Status, declared: Property
) -> None:
    """``true``: PropertiesChanged with the value; ``const`` and ``false``: silence."""
    interface = next(
        name for name, one in CONTRACT.interfaces.items() if declared.name in one.properties
    )
    field = snake_case(declared.name)
    before = await client.get(interface, declared.name)
    # Whoever talks or listens must be on the bus, or is found to have left it.
    here: dict[str, object] = {"talker": client.unique_name, "listeners": [client.unique_name]}
    value = here.get(field, ANOTHER.get(declared.type, not before))

    def change() -> None:
        if field == "level":  # worked out when it is read
            status.talker = client.unique_name
        else:
            status.update(**{field: value})
        front.emit(events.Heartbeat())

    told = [signal.arguments for signal in await heard(client, change)]
    changed = {"interface_name": interface, "changed_properties": {declared.name: value}}
    assert told == ([{**changed, "invalidated_properties": []}] if declared.announced else [])
    assert await client.get(interface, declared.name) == (50 if field == "level" else value)


async def test_a_second_daemon_is_told_that_one_is_running(
    address: str, front: Front, status: Status, application: NotingApplication
) -> None:
    with pytest.raises(BusFailed, match="another mmid is running already"):
        await Front.open(address, Status(), application)


async def test_nothing_is_told_before_the_name_is_ours(
    address: str,
    bus: Bus,
    application: NotingApplication,
    status: Status,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[str] = []
    bus.on_signal = lambda message: heard.append(message.member)
    await bus.ask_bus("AddMatch", "s", "type='signal',path='/org/mmid1'")
    own_name = Bus.own_name

    async def change_and_own(front_bus: Bus, name: str) -> None:
        status.update(dialog_id="secret")
        await own_name(front_bus, name)

    monkeypatch.setattr(Bus, "own_name", change_and_own)
    front = await Front.open(address, status, application)
    await bus.call(NAME, PATH, PEER, "Ping")
    assert "PropertiesChanged" not in heard
    await front.close()


async def test_a_lost_bus_is_an_error_and_a_closed_one_is_not(
    own_bus: PrivateBus, application: NotingApplication
) -> None:
    status = Status()
    lost = await Front.open(own_bus.address, status, application)
    own_bus.stop()
    with pytest.raises(BusFailed):
        await asyncio.wait_for(lost.wait_lost(), WAIT_S)
    lost.emit(events.Heartbeat())
    status.update(talker=":1.1")
    await lost.close()


async def test_closing_ends_the_wait(
    address: str, application: NotingApplication, status: Status
) -> None:
    front = await Front.open(address, status, application)
    waiting = asyncio.create_task(front.wait_lost())
    await front.close()
    assert await asyncio.wait_for(waiting, WAIT_S) is None  # type: ignore[func-returns-value]

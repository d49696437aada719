from dataclasses import fields
from xml.etree import ElementTree as ET

import pytest

from mmid import events
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, TOOLS, load, snake_case
from mmid.status import Status

CONTRACT = load()
OURS = (DIALOG, DEVICE, TOOLS, AUDIO)
EVENTS = [
    kind
    for name, kind in vars(events).items()
    if isinstance(kind, type) and issubclass(kind, events.Event) and name not in {"Event", "_Text"}
]

# Properties that the application works out when somebody reads them.
WORKED_OUT = {"Level"}
# A counter that may grow ten times a second.
COUNTED = {"ListenerDroppedBytes"}


def arguments(event: type[events.Event]) -> tuple[str, ...]:
    """Return what a signal tells of an event; an error's remedy is in LastError."""
    return tuple(one.name for one in fields(event) if one.name != "remedy")


def test_the_document_is_read_as_a_parser_of_all_xml_reads_it() -> None:
    read = {
        (interface.name, kind, name)
        for interface in CONTRACT.interfaces.values()
        for kind in ("method", "signal", "property")
        for name in getattr(interface, {"property": "properties"}.get(kind, f"{kind}s"))
    }
    document = ET.fromstring(CONTRACT.text)  # noqa: S314 - it is our own
    assert read == {
        (interface.attrib["name"], member.tag, member.attrib["name"])
        for interface in document.iter("interface")
        for member in interface
    }
    for member in document.iter("method"):
        types = [arg.attrib["type"] for arg in member if arg.get("direction") == "in"]
        named = [one.methods.get(member.attrib["name"]) for one in CONTRACT.interfaces.values()]
        assert "".join(types) in {method.inputs for method in named if method}


def test_every_event_is_a_signal_with_the_same_fields_and_no_signal_is_without_event() -> None:
    signals = {
        signal.name: (signal.signature, signal.arguments)
        for signal in CONTRACT.interfaces[DIALOG].signals.values()
    }
    assert signals == {
        event.__name__: ("s" * len(arguments(event)), arguments(event)) for event in EVENTS
    }


def test_every_property_is_a_field_of_the_status_or_worked_out_and_the_other_way_round() -> None:
    declared = {name for one in OURS for name in CONTRACT.interfaces[one].properties}
    assert sorted(map(snake_case, declared - WORKED_OUT)) == sorted(
        field.name for field in fields(Status) if not field.name.startswith("_")
    )


def test_methods_have_the_signatures_of_the_contract() -> None:
    methods = CONTRACT.interfaces[DIALOG].methods
    assert {method.name: method.inputs for method in methods.values() if method.inputs} == {
        "Ask": "s",
        "AskAboutImage": "ssh",
        "AskWith": "ss",
        "UpdateInfo": "ss",
        "StartSpeechWith": "a{sv}",
        "ToolResult": "ss",
        "SendVideoFrame": "sh",
        "Say": "s",
    }
    outputs = {
        method.name: method.outputs
        for one in OURS
        for method in CONTRACT.interfaces[one].methods.values()
        if method.outputs
    }
    assert outputs == {
        "GetHistory": "a(tss)",
        "GetTimeline": "aa{sd}",
        "Call": "s",
        "OpenMicrophone": "h",
    }


def test_four_properties_can_be_written() -> None:
    writable = {
        (declared.name, declared.type)
        for one in OURS
        for declared in CONTRACT.interfaces[one].properties.values()
        if declared.writable
    }
    assert writable == {("WorkMode", "s"), ("Voice", "s"), ("Volume", "u"), ("Muted", "b")}


def test_what_is_constant_or_worked_out_is_not_announced_and_every_other_is() -> None:
    silent = {
        declared.name
        for one in OURS
        for declared in CONTRACT.interfaces[one].properties.values()
        if not declared.announced
    }
    assert silent == {"Cloud", "Version", "CaptureDevice", "PlaybackDevice"} | WORKED_OUT | COUNTED


@pytest.mark.parametrize(
    ("member", "name"),
    [("Ask", "ask"), ("StartSpeech", "start_speech"), ("ClockSynchronized", "clock_synchronized")],
)
def test_a_member_name_becomes_a_python_name(member: str, name: str) -> None:
    assert snake_case(member) == name

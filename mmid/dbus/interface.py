"""The contract, read from ``org.mmid1.xml`` into tables; and the names of ``org.freedesktop.DBus``.

The XML file is the one place where the members of the service are declared;
the service checks every call against these tables, and clients take the names
of signal arguments from them. Pure: no D-Bus library, no I/O but the one file.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from mmid.frozen import frozen

NAME = "org.mmid1"
PATH = "/org/mmid1"
DIALOG = "org.mmid1.Dialog"
DEVICE = "org.mmid1.Device"
AUDIO = "org.mmid1.Audio"
TOOLS = "org.mmid1.Tools"
# What a program implements that is a tool: mmid calls it.
TOOL = "org.mmid1.Tool"
ERRORS = "org.mmid1.Error."

# The bus itself, as a destination and as the interface of its methods and signals;
# and what the D-Bus specification has every service offer.
DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
PEER = DBUS + ".Peer"
PROPERTIES = DBUS + ".Properties"
INTROSPECTABLE = DBUS + ".Introspectable"
STANDARD_ERRORS = DBUS + ".Error."

# A comment, or a tag: whether it closes one, its name, its attributes, whether it is empty.
_TAG = re.compile(r"<!--.*?-->|<(/?)(\w+)(.*?)(/?)>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')

_EMITS = DBUS + ".Property.EmitsChangedSignal"


@frozen
class Method:
    """A method: the signatures of what goes in and what comes out."""

    name: str
    inputs: str
    outputs: str


@frozen
class Signal:
    """A signal: its signature, and the names of its arguments."""

    name: str
    signature: str
    arguments: tuple[str, ...]


@frozen
class Property:
    """A property: its type, and what may be done with it.

    Attributes:
        announced: its changes are told by PropertiesChanged.
        constant: it does not change while mmid runs.
    """

    name: str
    type: str
    writable: bool
    announced: bool
    constant: bool


@frozen
class Interface:
    """An interface: its members by name."""

    name: str
    methods: dict[str, Method]
    signals: dict[str, Signal]
    properties: dict[str, Property]


@frozen
class Contract:
    """All interfaces of the object, and the text they were read from."""

    text: str
    interfaces: dict[str, Interface]


def load() -> Contract:
    """Read the contract that is installed beside this module."""
    return parse(Path(__file__).with_name("org.mmid1.xml").read_text(encoding="utf-8"))


def parse(text: str) -> Contract:
    """Read an introspection document as ours is: no entities, no text between the tags.

    A parser of all XML would stay in the daemon's memory: ElementTree with 0.4 MiB, expat
    with 0.2.
    """
    interfaces: list[Interface] = []
    # The last member of the last interface, and what stands in it.
    member: dict[str, str] = {}
    details: list[dict[str, str]] = []

    def begin(tag: str, attrib: dict[str, str]) -> None:
        if tag == "interface":
            interfaces.append(Interface(attrib["name"], {}, {}, {}))
        elif tag in {"arg", "annotation"}:
            details.append(attrib)
        else:
            member.update(attrib)
            details.clear()

    def end(tag: str) -> None:
        if tag == "method":
            inputs, outputs = _signature(details, "in"), _signature(details, "out")
            interfaces[-1].methods[member["name"]] = Method(member["name"], inputs, outputs)
        elif tag == "signal":
            arguments = tuple(one["name"] for one in details)
            signal = Signal(member["name"], "".join(one["type"] for one in details), arguments)
            interfaces[-1].signals[signal.name] = signal
        elif tag == "property":
            interfaces[-1].properties[member["name"]] = _property(member, details)

    for tag, attributes in _elements(text):
        if attributes is None:
            end(tag)
        else:
            begin(tag, attributes)
    return Contract(text, {one.name: one for one in interfaces})


def _elements(text: str) -> Iterator[tuple[str, dict[str, str] | None]]:
    """Yield each element twice: with its attributes where it begins, with None where it ends."""
    for closing, tag, attributes, empty in _TAG.findall(text):
        if tag and not closing:
            yield tag, dict(_ATTRIBUTE.findall(attributes))
        if closing or empty:
            yield tag, None


def _signature(details: list[dict[str, str]], direction: str) -> str:
    """Return the types of a method's arguments that go in, or out; annotations have neither."""
    return "".join(one["type"] for one in details if one.get("direction") == direction)


def _property(attrib: dict[str, str], details: list[dict[str, str]]) -> Property:
    emits = next((one["value"] for one in details if one["name"] == _EMITS), "true")
    return Property(
        name=attrib["name"],
        type=attrib["type"],
        writable=attrib["access"] == "readwrite",
        announced=emits == "true",
        constant=emits == "const",
    )


def snake_case(member: str) -> str:
    """Return the Python name of a D-Bus member: ``StartSpeech`` is ``start_speech``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower()

"""The contract, read from ``org.mmid1.xml`` into tables; and the names of ``org.freedesktop.DBus``.

The XML file is the one place where the members of the service are declared;
the service checks every call against these tables, and clients take the names
of signal arguments from them. Pure: no D-Bus library, no I/O but the one file.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from mmid.frozen import frozen

NAME = "org.mmid1"
PATH = "/org/mmid1"
DIALOG = "org.mmid1.Dialog"
DEVICE = "org.mmid1.Device"
AUDIO = "org.mmid1.Audio"
ERRORS = "org.mmid1.Error."

# The bus itself, as a destination and as the interface of its methods and signals;
# and what the D-Bus specification has every service offer.
DBUS = "org.freedesktop.DBus"
DBUS_PATH = "/org/freedesktop/DBus"
PEER = DBUS + ".Peer"
PROPERTIES = DBUS + ".Properties"
INTROSPECTABLE = DBUS + ".Introspectable"
STANDARD_ERRORS = DBUS + ".Error."

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
    """Read an introspection document."""
    root = _read(text)
    interfaces = root.named("interface")
    return Contract(text, {node.attrib["name"]: _interface(node) for node in interfaces})


def snake_case(member: str) -> str:
    """Return the Python name of a D-Bus member: ``StartSpeech`` is ``start_speech``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", member).lower()


@frozen
class _Node:
    """An element of the document.

    ElementTree would stay in the daemon's memory with 0.4 MiB, more than is left to the goal.
    """

    tag: str
    attrib: dict[str, str]
    children: "list[_Node]"

    def named(self, tag: str) -> "Iterator[_Node]":
        """Return its children of a kind."""
        return (child for child in self.children if child.tag == tag)


def _read(text: str) -> _Node:
    """Return the root of a document."""
    document = _Node("", {}, [])
    open_nodes = [document]

    def begin(tag: str, attrib: dict[str, str]) -> None:
        node = _Node(tag, attrib, [])
        open_nodes[-1].children.append(node)
        open_nodes.append(node)

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.EndElementHandler = lambda _: open_nodes.pop()
    parser.Parse(text, True)
    return document.children[0]


def _interface(node: _Node) -> Interface:
    return Interface(
        name=node.attrib["name"],
        methods={child.attrib["name"]: _method(child) for child in node.named("method")},
        signals={child.attrib["name"]: _signal(child) for child in node.named("signal")},
        properties={child.attrib["name"]: _property(child) for child in node.named("property")},
    )


def _method(node: _Node) -> Method:
    signatures = {"in": "", "out": ""}
    for argument in node.named("arg"):
        signatures[argument.attrib["direction"]] += argument.attrib["type"]
    return Method(node.attrib["name"], signatures["in"], signatures["out"])


def _signal(node: _Node) -> Signal:
    arguments = list(node.named("arg"))
    return Signal(
        name=node.attrib["name"],
        signature="".join(argument.attrib["type"] for argument in arguments),
        arguments=tuple(argument.attrib["name"] for argument in arguments),
    )


def _property(node: _Node) -> Property:
    notes = {note.attrib["name"]: note.attrib["value"] for note in node.named("annotation")}
    emits = notes.get(_EMITS, "true")
    return Property(
        name=node.attrib["name"],
        type=node.attrib["type"],
        writable=node.attrib["access"] == "readwrite",
        announced=emits == "true",
        constant=emits == "const",
    )

"""The manual page org.mmid1(5) and the introspection file say the same."""

import asyncio
import re

import pytest

from mmid.dbus.front import Front
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, ERRORS, NAME, PATH, TOOLS, load
from mmid.errors import TABLE
from tests.dbus.private_bus import WAIT_S
from tests.rig.processes import REPOSITORY

CONTRACT = load()
ERROR_NAMES = {facts.dbus_name for facts in TABLE.values()}
OURS = (DIALOG, DEVICE, TOOLS, AUDIO)
PAGE = (REPOSITORY / "docs" / "man" / "org.mmid1.5.rst").read_text(encoding="utf-8")


def part(title: str) -> str:
    """Return a section of the page, without those after it."""
    sections = re.split(r"^([A-Z0-9.][A-Z0-9. ]+)\n=+\n", PAGE, flags=re.MULTILINE)
    return dict(zip(sections[1::2], sections[2::2], strict=True))[title]


def terms(text: str) -> list[str]:
    """Return what the definition lists of a text define."""
    return re.findall(r"^(\S.*)\n    \S", text, flags=re.MULTILINE)


@pytest.mark.parametrize("interface", OURS)
def test_every_method_is_in_the_page_with_its_arguments(interface: str) -> None:
    root = re.search(rf'<interface name="{interface}">(.*?)</interface>', CONTRACT.text, re.DOTALL)
    assert root is not None
    for name in CONTRACT.interfaces[interface].methods:
        body = re.search(rf'<method name="{name}"(?:/>|>(.*?)</method>)', root[1], re.DOTALL)
        assert body is not None
        arguments = re.findall(r'<arg name="(\w+)" type="(\S+?)" direction="in"/>', body[1] or "")
        call = f"{name}({', '.join(f'{kind} {argument}' for argument, kind in arguments)})"
        assert [term for term in terms(part(interface.upper())) if term.startswith(call)], call


def test_every_signal_is_in_the_page_with_its_arguments() -> None:
    for signal in CONTRACT.interfaces[DIALOG].signals.values():
        arguments = ", ".join(f"s {argument}" for argument in signal.arguments)
        call = f"{signal.name}({arguments}) ["
        assert [term for term in terms(part(DIALOG.upper())) if term.startswith(call)], call


@pytest.mark.parametrize("interface", OURS)
def test_every_property_is_in_the_page_with_its_type_and_how_it_changes(interface: str) -> None:
    words = ", ".join(terms(part(interface.upper())))
    for declared in CONTRACT.interfaces[interface].properties.values():
        kind = declared.type
        kind += ", can be written" if declared.writable else ""
        kind += ", constant" if declared.constant else ""
        kind += "" if declared.announced or declared.constant else ", worked out when it is read"
        assert f"{declared.name} ({kind})" in words


def test_every_error_is_in_the_page_and_named_in_the_introspection_file() -> None:
    names = {facts.dbus_name for facts in TABLE.values()}
    assert names == set(terms(part("ERRORS")))
    assert f"{ERRORS}**" in part("ERRORS")
    head, _, _ = CONTRACT.text.partition("<node>")
    assert {name for name in names if name not in head} == set()


def test_every_interface_is_in_the_synopsis() -> None:
    assert set(re.findall(r"\*\*(org\.mmid1\.\w+)\*\*", part("SYNOPSIS"))) == {*OURS}


@pytest.mark.parametrize("text", [PAGE, CONTRACT.text], ids=["page", "introspection file"])
def test_every_word_of_an_error_is_told(text: str) -> None:
    names = {re.sub(r"(?<=.)([A-Z])", r"-\1", name).lower() for name in ERROR_NAMES}
    # Of these mmid ends, or a command does.
    only_an_exit = {"bus", "settings"}
    words = {facts.code for facts in TABLE.values()} - names - only_an_exit
    assert {word for word in words if not re.search(rf"[\s*]{word}[*,.\s]", text)} == set()


def errors_of(text: str) -> set[str]:
    """Return the errors of mmid that the description of a member names."""
    told = re.sub(r"\([^)]*\)", "", " ".join(re.findall(r"Errors[^:]*:([^.;]*)", text)))
    refers = re.search(r"as (?:of|for) \*\*(\w+)", told)
    return ERROR_NAMES & set(re.findall(r"\w+", told)) | (
        errors_of(described(refers[1])) if refers else set()
    )


def described(member: str, interface: str = DIALOG) -> str:
    """Return what the page says of a member."""
    term = rf"^(?:\S.*)?\b{member} ?\(.*\n((?:    .*\n)+)"
    found = re.search(term, part(interface.upper()), re.MULTILINE)
    assert found, member
    return found[1]


@pytest.mark.parametrize("interface", OURS)
def test_page_and_file_name_the_same_errors_of_each_member(interface: str) -> None:
    root = re.search(rf'<interface name="{interface}">(.*?)</interface>', CONTRACT.text, re.DOTALL)
    assert root is not None
    comment = r'<!--((?:(?!-->).)*)-->\s*<(?:method|property) name="(\w+)"'
    told = re.findall(comment, root[1], re.DOTALL)
    assert told
    for text, member in told:
        assert errors_of(text) == errors_of(described(member, interface)), member


def test_the_errors_of_each_method_exist() -> None:
    names = {facts.dbus_name for facts in TABLE.values()}
    listed = re.findall(r"Errors(?: on write)?: ([A-Za-z, \n]+?)(?:\.|\(|-->)", CONTRACT.text)
    assert len(listed) >= 10
    for text in listed:
        assert set(re.findall(r"[A-Z]\w+", text)) <= names


def expected_of(interface: str) -> set[tuple[str, ...]]:
    """Return what busctl should print of an interface: kind, name, signature, flags."""
    declared = CONTRACT.interfaces[interface]
    return {
        *(("method", method.name, method.inputs or "-") for method in declared.methods.values()),
        *(("signal", signal.name, signal.signature or "-") for signal in declared.signals.values()),
        *(
            (
                "property",
                one.name,
                one.type,
                *(["emits-change"] if one.announced else []),
                *(["const"] if one.constant else []),
                *(["writable"] if one.writable else []),
            )
            for one in declared.properties.values()
        ),
    }


@pytest.mark.parametrize("interface", OURS)
async def test_another_program_reads_from_the_service_what_the_file_says(
    address: str, front: Front, interface: str
) -> None:
    command = ["busctl", f"--address={address}", "introspect", "--no-legend", "--full"]
    process = await asyncio.create_subprocess_exec(
        *command, NAME, PATH, interface, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await asyncio.wait_for(process.communicate(), WAIT_S)
    found = set()
    for line in output.decode().splitlines():
        name, kind, signature, *rest = line.split()
        flags = [word for word in rest if word in {"emits-change", "const", "writable"}]
        found.add((kind, name.removeprefix("."), signature, *flags))
    assert found == expected_of(interface)

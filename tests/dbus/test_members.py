from collections.abc import Awaitable, Callable

import pytest

from mmid.dbus import members
from mmid.dbus.failures import ACCESS_DENIED, CallFailed
from mmid.dbus.interface import AUDIO, DEVICE, DIALOG, TOOLS, load
from mmid.dbus.wire import Variant
from mmid.errors import Busy, InvalidArgument
from mmid.status import Status
from tests.dbus.private_bus import NotingApplication

CONTRACT = load()


async def root(_: str) -> int:
    return 0


async def nobody(_: str) -> int:
    return 65534


async def no_holder() -> str:
    return ""


def methods(
    application: NotingApplication,
    user_of: Callable[[str], Awaitable[int]] = root,
    holder: Callable[[], Awaitable[str]] = no_holder,
) -> dict[str, members.Handler]:
    of_interface = members.methods(application, user_of, holder)
    return of_interface[DIALOG] | of_interface[DEVICE]


@pytest.fixture
def application() -> NotingApplication:
    return NotingApplication(Status())


def test_every_method_of_the_contract_has_its_command(application: NotingApplication) -> None:
    made = members.methods(application, root, no_holder)
    for name in (DIALOG, DEVICE, TOOLS, AUDIO):
        assert sorted(made.get(name, {})) == sorted(CONTRACT.interfaces[name].methods)


async def test_a_prompt_is_played_by_its_name(application: NotingApplication) -> None:
    made = members.methods(application, root, no_holder)
    await made[AUDIO]["PlayPrompt"](":1.1", "error.wav")
    assert application.calls.get_nowait() == ("play_prompt", "error.wav")


def test_every_writable_property_has_its_setter(application: NotingApplication) -> None:
    writable = [
        declared.name
        for interface in CONTRACT.interfaces.values()
        for declared in interface.properties.values()
        if declared.writable
    ]
    assert sorted(members.setters(application)) == sorted(writable)


@pytest.mark.parametrize("method", ["Ask", "Say"])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("x" * 4097, "4097 characters"),
        ("ring\a", r"character 5 .* U\+0007"),
        ("a\u0085", r"U\+0085"),
    ],
)
def test_a_text_that_nobody_can_say_is_refused_with_the_reason(
    application: NotingApplication, method: str, text: str, reason: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"^{method}: .*{reason}"):
        methods(application)[method](":1.1", text)
    assert application.calls.empty()


def test_the_longest_text_with_newline_and_tab_passes(application: NotingApplication) -> None:
    text = "你\n\t" + "x" * 4093
    methods(application)["Say"](":1.1", text)
    assert application.calls.get_nowait() == ("say", text)


@pytest.mark.parametrize(
    ("status", "parameters", "reason"),
    [
        ("{", "", "status is not JSON"),
        ("[1]", "", "status is JSON, but not an object"),
        ("", "null", "parameters is JSON, but not an object"),
        ("", "[" * 50000, "parameters is not JSON"),
        ("", '{"a":' * 33 + "1" + "}" * 33, "parameters is not JSON: it is nested too deep"),
        ("", '{"a": [NaN]}', "parameters is not JSON: NaN is no JSON"),
        ('{"a": 1e999}', "", "status is not JSON: 1e999 is no number"),
        ("", r'{"a": {"\ud83d": 1}}', "parameters has half a surrogate pair"),
        ("", '"' + "x" * 65535 + '"', "parameters has 65537 characters; at most 65536"),
    ],
    ids=["cut", "array", "null", "deepest", "deep", "nan", "infinite", "half", "long"],
)
def test_parameters_that_are_no_object_are_refused_with_the_reason(
    application: NotingApplication, status: str, parameters: str, reason: str
) -> None:
    with pytest.raises(InvalidArgument, match=f"^UpdateInfo: {reason}"):
        methods(application)["UpdateInfo"](":1.1", status, parameters)
    assert application.calls.empty()


def test_parameters_are_handed_on_as_what_they_say(application: NotingApplication) -> None:
    methods(application)["UpdateInfo"](":1.1", '{"a": {"status": "stopped"}}', "")
    assert application.calls.get_nowait() == ("update_info", {"a": {"status": "stopped"}}, {})
    methods(application)["UpdateInfo"](":1.1", "", r'{"a": "\ud83d\ude00"}')
    assert application.calls.get_nowait() == ("update_info", {}, {"a": "\N{GRINNING FACE}"})
    methods(application)["AskWith"](":1.1", "", '{"commands": []}')
    assert application.calls.get_nowait() == ("ask_with", "", {"commands": []})
    with pytest.raises(InvalidArgument, match=r"^AskWith: character 1 "):
        methods(application)["AskWith"](":1.1", "\a", "{}")


def test_the_result_of_a_tool_is_handed_on_if_it_is_not_too_long(
    application: NotingApplication,
) -> None:
    methods(application)["ToolResult"](":1.1", "call_1", '{"ok": true}')
    assert application.calls.get_nowait() == ("tool_result", "call_1", '{"ok": true}')
    with pytest.raises(InvalidArgument, match="at most 65536 bytes"):
        methods(application)["ToolResult"](":1.1", "call_1", "\N{BELL}" * 16385)
    assert application.calls.empty()


@pytest.mark.parametrize(
    ("options", "call"),
    [
        ({}, ("start_speech", ":1.1")),
        ({"max_ms": Variant("u", 3000)}, ("start_speech", ":1.1", 3.0)),
        ({"preroll_ms": Variant("u", 2000)}, ("start_speech", ":1.1", 2000)),
        ({"reason": Variant("s", "wake-word")}, ("start_speech", ":1.1")),
    ],
)
def test_a_press_may_have_options(
    application: NotingApplication, options: dict[str, Variant], call: tuple[object, ...]
) -> None:
    methods(application)["StartSpeechWith"](":1.1", options)
    assert application.calls.get_nowait() == call


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"loud": Variant("b", value=True)}, "no option 'loud'"),
        ({"max_ms": Variant("u", 99)}, "100 to 600000, not 99"),
        ({"max_ms": Variant("u", 600001)}, "not 600001"),
        ({"max_ms": Variant("s", "3000")}, "not '3000'"),
        ({"max_ms": Variant("b", value=True)}, "not True"),
        ({"preroll_ms": Variant("u", 2001)}, "0 to 2000, not 2001"),
        ({"preroll_ms": Variant("d", 1.5)}, "not 1.5"),
        ({"reason": Variant("s", "two\nlines")}, "one line"),
        ({"reason": Variant("u", 1)}, "64 characters"),
        ({"reason": Variant("s", "x" * 65)}, "64 characters"),
    ],
)
def test_an_option_of_a_press_that_is_none_is_refused_by_name(
    application: NotingApplication, options: dict[str, Variant], reason: str
) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        methods(application)["StartSpeechWith"](":1.1", options)
    assert application.calls.empty()


async def test_a_press_takes_the_microphone_before_the_call_is_answered(
    application: NotingApplication,
) -> None:
    """A StopSpeech that is right behind it on the bus must not overtake it."""
    answer = methods(application)["StartSpeech"](":1.1")
    assert application.calls.get_nowait() == ("start_speech", ":1.1")
    assert answer is None


async def test_who_finds_the_microphone_taken_is_told_by_whom(
    application: NotingApplication,
) -> None:
    async def button() -> str:
        return ":1.7 (button, process 812)"

    application.error = Busy(":1.7 holds the microphone")
    with pytest.raises(Busy, match=r"^:1\.7 \(button, process 812\) holds the microphone$"):
        await methods(application, holder=button)["StartSpeech"](":1.9")
    application.error = Busy("a question is on its way")
    with pytest.raises(Busy, match="a question is on its way"):
        await methods(application)["StartSpeech"](":1.9")


async def test_only_root_may_erase_the_record(application: NotingApplication) -> None:
    with pytest.raises(CallFailed, match="only root") as caught:
        await methods(application, nobody)["Reset"](":1.1")
    assert caught.value.name == ACCESS_DENIED
    assert application.calls.empty()
    await methods(application)["Reset"](":1.1")
    assert application.calls.get_nowait() == ("reset",)

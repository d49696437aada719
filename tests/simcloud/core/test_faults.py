"""The words of a ``[[fault]]`` table."""

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core import faults
from mmid.simcloud.core.faults import MOMENTS, Fault


@pytest.mark.parametrize(
    ("when", "do", "arguments"),
    [
        ("Start", "drop", ()),
        ("Started", "delay:50", ("50",)),
        ("Started", "repeat", ()),
        ("Started", "repeat:3", ("3",)),
        ("Listening", "close:1011:later: perhaps", ("1011", "later: perhaps")),
        ("Thinking", "fatal:433:Billing:no: money", ("433", "Billing", "no: money")),
        ("Upgrade", "http:503", ("503",)),
    ],
)
def test_a_fault_has_its_arguments(when: str, do: str, arguments: tuple[str, ...]) -> None:
    fault = Fault.parse(when, do)
    assert (fault.do, fault.arguments) == (do.partition(":")[0], arguments)
    assert str(fault) == do


@pytest.mark.parametrize(
    ("do", "means"),
    [
        ("error:451", "turn-error:451:NoSpeechRecognized:nothing was said"),
        ("error:LLMTimeoutError", "turn-error:500:LLMTimeoutError:the model took too long"),
        ("error:449:calm: down", "fatal:449:TooManyInterrupt:calm: down"),
        ("error:Model.AccessDenied:no", "task-failed:Model.AccessDenied:no"),
    ],
)
def test_a_documented_error_is_said_in_its_own_shape(do: str, means: str) -> None:
    assert str(Fault.parse("Thinking", do)) == means


@pytest.mark.parametrize(
    ("when", "do", "words"),
    [
        ("Lunch", "drop", "when = 'Lunch'; allowed: Upgrade, Start"),
        ("Start", "jump", "do = 'jump'; allowed: lose"),
        ("Start", "drop:1", "takes 0 to 0 arguments"),
        ("Start", "delay", "takes 1 to 1 arguments"),
        ("Start", "delay:soon", "'soon' must be a number"),
        ("Start", "fatal:433:x", "takes 3 to 3 arguments"),
        ("Start", "close:1006", "no server may send"),
        ("Start", f"close:1000:{'x' * 124}", "at most 123 bytes"),
        ("Start", "repeat", "only at what the cloud sends, not at Start"),
        ("Start", "http:503", "only at Upgrade"),
        ("Started", "error:42", "no document has the error '42'"),
        ("Started", "audio-flood:0", "out of range"),
        ("Upgrade", "mute", "at Upgrade allowed: http, delay, drop"),
        ("Upgrade", "http:200", "out of range"),
    ],
)
def test_what_is_wrong_is_named(when: str, do: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        Fault.parse(when, do)
    assert words in str(caught.value)


@pytest.mark.parametrize(("nth", "times"), [(0, 1), (1, 0)])
def test_both_counts_begin_with_one(nth: int, times: int) -> None:
    with pytest.raises(SettingsInvalid, match="count from 1"):
        Fault.parse("Start", "drop", nth, times)


def test_the_documentation_names_every_fault_and_every_kind_of_moment() -> None:
    told = faults.__doc__ or ""
    for name in faults._ARGUMENTS:
        assert f"\n    {name}" in told
    assert {"Upgrade", "Start", "Started", "SpeechAudio", "ReplyAudio"} <= set(MOMENTS)

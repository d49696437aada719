"""The words of a ``[[fault]]`` table."""

import pytest

from mmid.errors import SettingsInvalid
from mmid.simcloud.core import faults
from mmid.simcloud.core.faults import COMMON, Fault, FaultPlan
from mmid.simcloud.license.server import CLOUD as LICENSE
from mmid.simcloud.multimodal_dialog.vocabulary import VOCABULARY


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
    fault = VOCABULARY.read(Fault(when, do))
    assert (fault.name, fault.arguments) == (do.partition(":")[0], arguments)
    assert str(fault) == do


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
        ("Start", "body:x", "only at an HTTPS request"),
    ],
)
def test_what_is_wrong_is_named(when: str, do: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        VOCABULARY.read(Fault(when, do))
    assert words in str(caught.value)


@pytest.mark.parametrize(("nth", "times"), [(0, 1), (1, 0)])
def test_both_counts_begin_with_one(nth: int, times: int) -> None:
    with pytest.raises(SettingsInvalid, match="count from 1"):
        VOCABULARY.read(Fault("Start", "drop", nth, times))


def test_the_documentation_names_every_fault_and_every_kind_of_moment() -> None:
    told = faults.__doc__ or ""
    for name in COMMON:
        assert f"\n    {name}" in told
    assert {"Upgrade", "Start", "Started", "SpeechAudio", "ReplyAudio"} <= set(VOCABULARY.moments)


@pytest.mark.parametrize(
    ("do", "words"),
    [("repeat", "at token allowed: lose, delay"), ("mute", "allowed"), ("refuse", "takes 1 to 1")],
)
def test_an_https_request_has_faults_of_its_own(do: str, words: str) -> None:
    for right in ("delay:5", "drop", "lose", "http:503", "body", 'body:{"a":1}', "refuse:100007"):
        assert str(LICENSE.vocabulary.read(Fault("token", right))) == right
    with pytest.raises(SettingsInvalid, match=words):
        LICENSE.vocabulary.read(Fault("token", do))


def test_a_plan_leaves_out_what_only_other_clouds_understand() -> None:
    plan = FaultPlan((Fault("token", "drop"), Fault("Start", "mute", nth=2)), VOCABULARY)
    assert plan.due("token") == []
    assert plan.due("Start") == []
    assert [str(read) for read in plan.due("Start")] == ["mute"]


def test_what_is_added_strikes_next_and_one_after_the_other() -> None:
    plan = FaultPlan((), LICENSE.vocabulary)
    plan.due("token")
    plan.add("token", "http:503", "body")
    plan.add("token", "drop")
    struck = [[str(read) for read in plan.due("token")] for _ in range(3)]
    assert struck == [["http:503", "body"], ["drop"], []]

import re
from xml.dom.minidom import parseString

from mmid.cli.mmictl.timeline import as_svg, as_text
from mmid.gateway.timeline import Moment

TURN = {
    "began": 1_795_132_800_000.0,
    "audio-sent": 25.0,
    "first-text": 500.0,
    "release": 1000.0,
    "final-text": 1100.0,
    "reply-text": 1500.0,
    "reply-audio": 1600.0,
    "heard": 1620.0,
    "end": 2000.0,
}


def test_every_moment_of_the_daemon_has_its_bar() -> None:
    heading, *bars = as_text([TURN], 80)
    assert heading.startswith("2026-")
    assert [bar.split()[0] for bar in bars] == [moment.value for moment in Moment]
    assert all(len(bar) <= 80 for bar in bars)


def test_a_bar_begins_where_the_one_before_ended() -> None:
    _, *bars = as_text([TURN], 123)  # a hundred columns of bars
    ends = [len(bar) - 23 for bar in bars]
    starts = [bar.index("#") - 23 for bar in bars]
    assert ends == [1, 25, 50, 55, 75, 80, 81, 100]
    assert starts == [0, 1, 25, 50, 55, 75, 80, 81]


def test_what_did_not_happen_has_no_bar_and_what_overtook_no_length_below_one() -> None:
    early = {"began": 0.0, "release": 1000.0, "final-text": 900.0}
    _, release, final = as_text([early], 123)
    assert release.split()[:2] == ["release", "1000"]
    assert final.split()[:2] == ["final-text", "900"]
    assert final.count("#") == 1


def test_the_picture_is_well_formed_and_has_each_turn_and_bar() -> None:
    svg = as_svg([TURN, TURN])
    parseString(svg)  # noqa: S318 - our own
    bars = re.findall(r'<rect x="([\d.]+)" y="\d+" width="([\d.]+)"', svg)
    assert len(bars) == 2 * len(Moment)
    assert all(float(x) + float(width) <= 800 for x, width in bars)
    assert svg.count(">2000 ms<") == 2


def test_no_turns_make_an_empty_picture() -> None:
    assert list(as_text([], 80)) == []
    assert "<title>" not in as_svg([])

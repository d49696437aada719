import xml.etree.ElementTree as ET

from bench.__main__ import charts
from bench.chart import Bar, waterfall
from bench.figure import Figure

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314 - our own


def drawn(bars: list[Bar]) -> ET.Element:
    return parsed(waterfall("Where <it> goes", "ms", bars))


def rectangles(picture: ET.Element, kind: str) -> list[tuple[float, float]]:
    """Return where the bars of a kind begin and how long they are."""
    found = [one for one in picture.iter(f"{SVG}rect") if one.attrib["class"] == kind]
    return [(float(one.attrib["x"]), float(one.attrib["width"])) for one in found]


def texts(picture: ET.Element) -> list[str]:
    return [one.text or "" for one in picture.iter(f"{SVG}text")]


def test_each_bar_begins_where_the_one_before_it_ends() -> None:
    bars = rectangles(drawn([Bar("one", 10), Bar("two", 30), Bar("three", 20)]), "bar")
    ends = [round(start + width, 1) for start, width in bars]
    assert [start for start, _ in bars[1:]] == ends[:-1]
    assert bars[1][1] == 3 * bars[0][1]


def test_what_nobody_can_be_below_is_drawn_first_and_told() -> None:
    picture = drawn([Bar("press", 23, floor=20), Bar("reply", 5)])
    [floor], [beyond, _] = rectangles(picture, "floor"), rectangles(picture, "bar")
    assert abs(floor[0] + floor[1] - beyond[0]) < 0.2
    assert "23.0 ms, 20 of them the floor" in texts(picture)


def test_every_bar_has_its_name_and_its_length_and_all_their_sum() -> None:
    told = texts(drawn([Bar("a & b", 1.25), Bar("c", 2)]))
    assert told == ["Where <it> goes", "a & b", "1.2 ms", "c", "2.0 ms", "together", "3.2 ms"]


def test_charts_are_drawn_of_turn_and_memory_when_they_were_measured() -> None:
    turn = [
        Figure("press to first speech", "ms", [22.0, 24.0], "one period", [20.0]),
        Figure("Interrupt to silence", "ms", [3.0], "one period", [20.0]),
        Figure("the same, slowest", "ms", [9.0], "one period", [20.0]),
    ]
    memory = [Figure("memory, Python", "MiB", [4.0], "all", [20.0])]
    pictures = dict(charts({"turn": turn, "memory": memory, "start": turn}))
    assert pictures.keys() == {"performance-turn.svg", "performance-memory.svg"}
    told = texts(parsed(pictures["performance-turn.svg"]))
    assert "23.0 ms, 20 of them the floor" in told
    assert "26.0 ms" in told
    assert "Python" in texts(parsed(pictures["performance-memory.svg"]))
    assert not dict(charts({"start": turn}))

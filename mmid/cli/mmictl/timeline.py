"""``mmictl timeline``: where the waiting time of the last turns went, as a waterfall."""

import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from mmid.cli.mmictl.show import in_json, moment
from mmid.dbus.client import Client
from mmid.dbus.interface import DIALOG
from mmid.errors import InvalidArgument

TurnTimes = dict[str, float]

# In the order in which they should happen, with what each stretch is spent on.
_STEPS = {
    "audio-sent": "press to first audio on the wire",
    "first-text": "until the first text came back",
    "release": "until the speech was over",
    "final-text": "until it was understood",
    "reply-text": "until the first words of the reply",
    "reply-audio": "until the first sound of the reply",
    "heard": "until it was heard",
    "end": "until it was played to its end",
}
_LABEL_WIDTH = 12
_FIGURE_WIDTH = 9


async def timeline(client: Client, options: Namespace) -> None:
    """Print the last turns, or write them as a picture."""
    [turns] = await client.call(DIALOG, "GetTimeline")
    if options.svg is not None:
        _write(options.svg, as_svg(turns))
    elif options.json:
        for turn in turns:
            in_json(turn)
    else:
        lines = as_text(turns, shutil.get_terminal_size().columns)
        print("\n".join(lines) or "No turn yet.")


def _write(path: Path, text: str) -> None:
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise InvalidArgument(f"{path} cannot be written: {error.strerror}") from error
    with file:  # a full disk is no wrong argument: it is told as of any other output
        file.write(text)


def as_text(turns: list[TurnTimes], columns: int) -> Iterator[str]:
    """Yield the lines of a waterfall that is ``columns`` wide."""
    width = max(10, columns - 2 - _LABEL_WIDTH - _FIGURE_WIDTH)
    for turn in turns:
        yield moment(int(turn["began"]))
        steps = _steps(turn)
        longest = max((after for _, _, after in steps), default=1.0)
        for name, before, after in steps:
            start, end = (round(width * point / longest) for point in (before, after))
            bar = " " * min(start, width - 1) + "#" * max(1, end - start)
            yield f"  {name:<{_LABEL_WIDTH}}{after:>{_FIGURE_WIDTH - 1}.0f} {bar}"


def _steps(turn: TurnTimes) -> list[tuple[str, float, float]]:
    """Name, beginning and end of each stretch, ms; a step may overtake the one before it."""
    steps, before = [], 0.0
    for name in _STEPS:
        if name in turn:
            after = turn[name]
            steps.append((name, min(before, after), after))
            before = max(before, after)
    return steps


# --- the picture ----------------------------------------------------------------------------

_WIDE, _LEFT, _ROW, _GAP = 800, 200, 18, 14
_COLOURS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f"]


def as_svg(turns: list[TurnTimes]) -> str:
    """Return the waterfall as an SVG document."""
    longest = max((after for turn in turns for _, _, after in _steps(turn)), default=1.0)
    rows, y = [], _GAP
    for turn in turns:
        rows.append(_text(8, y + 12, moment(int(turn["began"])), "bold"))
        y += _ROW
        for name, before, after in _steps(turn):
            rows += _bar(name, y, before / longest, after / longest, after)
            y += _ROW
        y += _GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDE}" height="{y}" '
        f'font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *rows, "</svg>\n"])


def _bar(name: str, y: int, start: float, end: float, after_ms: float) -> Iterator[str]:
    room = _WIDE - _LEFT - 80
    x, width = _LEFT + room * start, max(1.0, room * (end - start))
    colour = _COLOURS[list(_STEPS).index(name)]
    yield _text(16, y + 12, name, "normal")
    yield (
        f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{_ROW - 4}" fill="{colour}">'
        f"<title>{_STEPS[name]}</title></rect>"
    )
    yield _text(round(x + width) + 6, y + 12, f"{after_ms:.0f} ms", "normal")


def _text(x: int, y: int, text: str, weight: str) -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{text}</text>'

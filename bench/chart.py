"""Draws what was measured: bars one after the other along one axis, as an SVG document.

No script and no font of its own, and its colours follow the page's, light or dark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

_WIDE, _LEFT, _RIGHT = 800, 290, 150
_TOP, _ROW, _BAR = 40, 26, 16

_STYLE = """\
text { font: 13px sans-serif; fill: #1f2328 }
.title { font-weight: bold }
.bar { fill: #3b7dd8 }
.floor { fill: #a9b4c2 }
.axis { stroke: #8c959f; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .bar { fill: #6ea8fe }
  .floor { fill: #57606a }
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One row.

    Attributes:
        label: what it is.
        length: of the bar.
        floor: how much of it nobody can be below; drawn first, in grey.
    """

    label: str
    length: float
    floor: float = 0.0


def waterfall(title: str, unit: str, bars: Sequence[Bar]) -> str:
    """Return the picture: each bar begins where the one before it ends.

    Args:
        title: a line above it.
        unit: of the lengths.
        bars: from the top to the bottom; what all of them make together is told below.
    """
    total = sum(bar.length for bar in bars)
    scale = (_WIDE - _LEFT - _RIGHT) / total
    height = _TOP + _ROW * (len(bars) + 1) + 10
    rows, at = [], 0.0
    for number, bar in enumerate(bars):
        rows += _row(_TOP + number * _ROW, _LEFT + at * scale, scale, bar, unit)
        at += bar.length
    bottom = _TOP + _ROW * len(bars)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {height}" role="img">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            f'<text class="title" x="10" y="22">{escape(title)}</text>',
            f'<line class="axis" x1="{_LEFT}" y1="{_TOP}" x2="{_LEFT}" y2="{bottom}"/>',
            *rows,
            _text(10, bottom, "together"),
            _text(_LEFT + total * scale + 6, bottom, f"{total:.1f} {unit}"),
            "</svg>\n",
        ]
    )


def _row(y: int, x: float, scale: float, bar: Bar, unit: str) -> list[str]:
    width, floor = bar.length * scale, min(bar.floor, bar.length) * scale
    told = f"{bar.length:.1f} {unit}"
    if floor:
        told += f", {bar.floor:g} of them the floor"
    drawn = [_rectangle("floor", x, y, floor)] if floor else []
    drawn.append(_rectangle("bar", x + floor, y, max(1.0, width - floor)))
    return [_text(10, y, bar.label), *drawn, _text(x + max(1.0, width) + 6, y, told)]


def _rectangle(kind: str, x: float, y: int, width: float) -> str:
    top = y + (_ROW - _BAR) // 2
    return f'<rect class="{kind}" x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_BAR}"/>'


def _text(x: float, y: int, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y + 18}">{escape(text)}</text>'

"""Lines over time in panels side by side, as SVG that can be read on light and on dark pages.  Pure."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, GAP, BOTTOM = 220, 150, 44, 46, 34, 24
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #424a53 }
.title { font-weight: 600 } .right { text-anchor: end } .middle { text-anchor: middle }
.frame { stroke: #8c959f; stroke-width: 1; fill: none } .grid { stroke: #8c959f; stroke-width: 0.3 }
.line { fill: none; stroke-width: 2 }
.c0 { stroke: #cf222e } .c1 { stroke: #0969da; stroke-dasharray: 7 3 } .c2 { stroke: #1a7f37; stroke-dasharray: 2 2 }
@media (prefers-color-scheme: dark) {
text { fill: #c9d1d9 } .c0 { stroke: #ff7b72 } .c1 { stroke: #79c0ff } .c2 { stroke: #56d364 } }
"""


class Panel(NamedTuple):
    """`lines`: by name, values at the middle of equal stretches of time."""

    title: str
    lines: Mapping[str, Sequence[float]]


def svg(panels: Sequence[Panel], seconds: int, unit: str) -> str:
    """All panels have the lines of the first, in its order: at most three."""
    most = _round_up(max(value for panel in panels for line in panel.lines.values() for value in line))
    width = LEFT + len(panels) * (WIDTH + GAP)
    height = TOP + HEIGHT + BOTTOM
    parts = [_legend([*panels[0].lines], unit)]
    for number, panel in enumerate(panels):
        left = LEFT + number * (WIDTH + GAP)
        parts.append(_panel(panel, left, most, seconds, numbered=number == 0))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def _legend(names: Sequence[str], unit: str) -> str:
    found = [f'<text x="4" y="14">{escape(unit)}</text>']
    for number, name in enumerate(names):
        x = 230 + number * 110
        found.append(f'<path class="line c{number}" d="M{x} 10h28"/><text x="{x + 34}" y="14">{escape(name)}</text>')
    return "\n".join(found)


def _panel(panel: Panel, left: int, most: float, seconds: int, *, numbered: bool) -> str:
    bottom = TOP + HEIGHT
    found = [f'<text class="title middle" x="{left + WIDTH / 2:g}" y="{TOP - 8}">{escape(panel.title)}</text>']
    for quarter in range(5):
        y = bottom - HEIGHT * quarter / 4
        found.append(f'<path class="grid" d="M{left} {y:g}h{WIDTH}"/>')
        if numbered:
            found.append(f'<text class="right" x="{left - 5}" y="{y + 4:g}">{most * quarter / 4:g}</text>')
    for third in range(4):
        x, at = left + WIDTH * third / 3, seconds * third / 3
        found.append(f'<text class="middle" x="{x:g}" y="{bottom + 16}">{at:g}{" s" if third == 0 else ""}</text>')
    found.append(f'<rect class="frame" x="{left}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}"/>')
    for number, line in enumerate(panel.lines.values()):
        step = WIDTH / len(line)
        points = (f"{left + (i + 0.5) * step:.1f},{bottom - HEIGHT * v / most:.1f}" for i, v in enumerate(line))
        found.append(f'<polyline class="line c{number}" points="{" ".join(points)}"/>')
    return "\n".join(found)


def _round_up(value: float) -> float:
    """To two digits, the second even, so that quarters of it are round."""
    step = float(10 ** (len(str(int(value))) - 1)) * 0.4
    return step * math.ceil(value / step)

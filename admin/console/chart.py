"""Stacked bars over time, as geometry: what a template draws as SVG.  Pure.

Drawn on the server, so that charts are there without JavaScript, take some kilobytes, and need no library.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor, log10

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 52, 4, 8, 24  # room for the labels of both axes
GAP = 0.25  # of a bar's place
MAX_TICKS, MAX_TIMES = 4, 8
DAY = timedelta(days=1)

Series = tuple[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a bar, of the series with this number."""

    series: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """`says` is what a pointer over it reads."""

    x: float
    width: float
    parts: Sequence[Part]
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Ticks are at heights with their labels, times at places along the foot."""

    bars: Sequence[Bar]
    ticks: Sequence[tuple[float, str]]
    times: Sequence[tuple[float, str]]
    names: Sequence[str]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    foot: int = HEIGHT - BOTTOM
    top: int = TOP

    def paths(self) -> Sequence[str]:
        """What is drawn of each series, as one SVG path: of hundreds of bars a fraction of as many rectangles."""
        drawn: list[list[str]] = [[] for _ in self.names]
        for bar in self.bars:
            for part in bar.parts:
                drawn[part.series].append(f"M{bar.x:g} {part.y:g}h{bar.width:g}v{part.height:g}h-{bar.width:g}z")
        return ["".join(each) for each in drawn]


def stacked(starts: Sequence[datetime], series: Sequence[Series], shown: Callable[[float], str]) -> Chart | None:
    """One bar a start; None if there is nothing to draw."""
    totals = [sum(values[at] for _, values in series) for at in range(len(starts))]
    if not any(totals):
        return None
    step = _step(max(totals))
    top = step * -(-max(totals) // step)
    scale = (HEIGHT - TOP - BOTTOM) / top
    place = (WIDTH - LEFT - RIGHT) / len(starts)
    daily = starts[-1] - starts[0] >= 3 * DAY
    bars = [
        Bar(
            round(LEFT + place * (at + GAP / 2), 2),
            round(place * (1 - GAP), 2),
            _parts([values[at] for _, values in series], scale),
            _says(start, [(name, values[at]) for name, values in series], shown),
        )
        for at, start in enumerate(starts)
        if totals[at]
    ]
    ticks = [(round(HEIGHT - BOTTOM - step * n * scale, 2), shown(step * n)) for n in range(round(top / step) + 1)]
    return Chart(bars, ticks, _times(starts, place, daily), [name for name, _ in series])


def _step(most: float) -> float:
    """The distance between ticks: 1, 2 or 5 times a power of ten, for at most MAX_TICKS."""
    power = float(10.0 ** floor(log10(most / MAX_TICKS)))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor * MAX_TICKS >= most)


def _parts(values: Sequence[float], scale: float) -> list[Part]:
    parts, foot = [], float(HEIGHT - BOTTOM)
    for number, value in enumerate(values):
        height = value * scale
        foot -= height
        if value > 0:
            parts.append(Part(number, round(foot, 2), round(height, 2)))
    return parts


def _says(start: datetime, values: Sequence[tuple[str, float]], shown: Callable[[float], str]) -> str:
    at = f"{start:%d %b, %H:%M}"
    return "\n".join([at, *(f"{name}: {shown(value)}" for name, value in values if value)])


def _times(starts: Sequence[datetime], place: float, daily: bool) -> list[tuple[float, str]]:
    every = -(-len(starts) // MAX_TIMES)
    form = "%d %b" if daily else "%H:%M"
    return [
        (round(LEFT + place * (at + 0.5), 2), format(start, form)) for at, start in enumerate(starts) if at % every == 0
    ]

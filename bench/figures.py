"""Medians and spreads of interleaved rounds, and tables of them.  Pure."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of some rounds, with their minimum and maximum."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Iterable[float]) -> "Figure":
        ordered = sorted(values)
        return Figure(statistics.median(ordered), ordered[0], ordered[-1])

    @staticmethod
    def ratio(ours: Sequence[float], theirs: Sequence[float]) -> "Figure":
        """Round by round: a disturbance of the machine then affects both sides of a ratio."""
        return Figure.of([a / b for a, b in zip(ours, theirs, strict=True)])

    def __str__(self) -> str:
        return f"{short(self.median)} ({short(self.low)} – {short(self.high)})"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure with the target that the project promises: a minimum, or with `at_most` a maximum."""

    name: str
    figure: Figure
    target: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.target is None:
            return None
        return self.figure.median <= self.target if self.at_most else self.figure.median >= self.target

    def row(self) -> list[str]:
        wanted = "" if self.target is None else f"{'≤' if self.at_most else '≥'} {short(self.target)}"
        return [self.name, str(self.figure), wanted, {None: "", True: "yes", False: "no"}[self.met]]


@dataclass(frozen=True, slots=True)
class Table:
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> str:
        """Markdown."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


@dataclass(slots=True)
class Report:
    """The outcome of one benchmark.  `wrong` lists wrong answers, which fail the run."""

    title: str
    how: str
    measures: list[Measure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)

    def check(self, what: str, found: object, wanted: object) -> None:
        """Adds to `wrong` unless `found` is `wanted`."""
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}")

    def text(self) -> str:
        parts = [f"## {self.title}", self.how]
        if self.measures:
            rows = [measure.row() for measure in self.measures]
            parts.append(Table(["measure", "median (min – max)", "target", "met"], rows).text())
        parts += [table.text() for table in self.tables]
        parts += [f"**wrong** {line}" for line in self.wrong]
        return "\n\n".join(parts)


def short(value: float) -> str:
    """Three significant digits, with thousands separators."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percentile(ordered: Sequence[float], share: float) -> float:
    """The percentile of values in ascending order; `share` from 0 to 1."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")

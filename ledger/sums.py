"""The port to sums of the ledger, and the one that sums in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from ledger.cost import Price, cost_of
from ledger.row import UsageRow
from tenancy.values.admission import Admission

# What sums can be grouped and filtered by.
DIMENSIONS = ("tenant_id", "key_id", "user_id", "model")
SERVER_ERROR = 500  # statuses from here on are errors; 0 is a client that left before the answer

Group = tuple[str, ...]
Interval = tuple[datetime, datetime]  # from, and before


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests that were let through, those that were refused, and what the former used."""

    requests: int = 0
    refused: int = 0
    errors: int = 0
    cache_hits: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    reserved_tokens: int = 0
    total_ms: int = 0
    input_cost: Decimal = Decimal()
    cached_cost: Decimal = Decimal()
    output_cost: Decimal = Decimal()

    @property
    def cost(self) -> Decimal:
        return self.input_cost + self.cached_cost + self.output_cost


FIGURES = tuple(field.name for field in fields(Figures))


@dataclass(frozen=True, slots=True)
class Selection:
    """Only rows with these values; None: any."""

    tenant_id: str | None = None
    key_id: str | None = None
    user_id: str | None = None
    model: str | None = None

    def items(self) -> list[tuple[str, str]]:
        """The values that are given, by column."""
        found = ((name, getattr(self, name)) for name in DIMENSIONS)
        return [(name, value) for name, value in found if value is not None]


@dataclass(frozen=True, slots=True)
class Line:
    """The sums of one group in one of the intervals asked for; `slot` is its number from 0."""

    slot: int
    group: Group
    figures: Figures


class NotSummedYet(Exception):
    """So many hours are to be added up row by row, the roller not having come to them yet, that it took too long."""


class Sums(Protocol):
    """Sums of the ledger, as of the moment of the question.  Raises NotSummedYet and what store.postgres.UNAVAILABLE
    lists."""

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        """At most `limit` lines that have rows, by slot and group, after the given ones.  `group_by`: of DIMENSIONS."""


class MemorySums:
    """The same on rows in memory.  `prices` by model; `rows` may grow meanwhile."""

    def __init__(self, rows: Iterable[UsageRow], prices: Mapping[str, Price]) -> None:
        self._rows, self._prices = rows, prices

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        found: dict[tuple[int, Group], Figures] = {}
        for row in self._rows:
            if all(getattr(row, name) == value for name, value in selection.items()):
                group = tuple(getattr(row, name) for name in group_by)
                for slot, (start, stop) in enumerate(intervals):
                    if start <= row.ts < stop:
                        known = found.get((slot, group), Figures())
                        found[slot, group] = _plus(known, figures_of(row, self._prices.get(row.model, Price())))
        lines = [Line(*position, figures) for position, figures in sorted(found.items(), key=lambda item: item[0])]
        return [line for line in lines if after is None or (line.slot, line.group) > after][:limit]


def figures_of(row: UsageRow, price: Price) -> Figures:
    """Those of one request."""
    cost = cost_of(row, price)
    admitted = row.admission != Admission.REFUSED
    return Figures(
        int(admitted),
        int(not admitted),
        int(admitted and row.status >= SERVER_ERROR),
        int(row.cached_tokens > 0),
        row.input_tokens,
        row.output_tokens,
        row.cached_tokens,
        row.reasoning_tokens,
        row.reserved_tokens,
        row.total_ms,
        cost.input,
        cost.cached,
        cost.output,
    )


def _plus(a: Figures, b: Figures) -> Figures:
    return Figures(*(getattr(a, name) + getattr(b, name) for name in FIGURES))

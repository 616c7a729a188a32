"""The ledger as a plain model: what every adapter is compared with."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from operator import add
from typing import Any

from ledger.by_price import AtPrices
from ledger.cost import UNIT_DECIMALS, Cost, PricedRow, quantities_of
from ledger.row import SUMS_OF_PARTS, load_parts, replaces
from ledger.sums import FIGURES, MEASURES, SERVER_ERROR, Figures, Group, Interval, Line, Selection
from tenancy.values.admission import Admission
from tenancy.values.prices import Rates


class MemoryLedger:
    """Implements ledger.Ledger, sums.Sums and rows.Rows on a dict.  `rows` by id."""

    minutes_kept = timedelta.max

    def __init__(self) -> None:
        self.rows: dict[str, PricedRow] = {}

    async def append(self, rows: Sequence[PricedRow]) -> None:
        for row in rows:
            known = self.rows.get(row.usage.id)
            if known is None or replaces(row.usage, known.usage):
                self.rows[row.usage.id] = row

    async def sums(
        self,
        selection: Selection,
        intervals: Sequence[Interval],
        group_by: Sequence[str] = (),
        limit: int = 1,
        after: tuple[int, Group] | None = None,
    ) -> Sequence[Line]:
        found: dict[tuple[int, Group], Figures] = {}
        for row in self._selected(selection):
            group = tuple(getattr(row.usage, name) for name in group_by)
            for slot, (start, stop) in enumerate(intervals):
                if start <= row.usage.ts < stop:
                    known = found.get((slot, group), Figures())
                    found[slot, group] = _plus(known, figures_of(row))
        lines = [Line(*position, figures) for position, figures in sorted(found.items(), key=lambda item: item[0])]
        return [line for line in lines if after is None or (line.slot, line.group) > after][:limit]

    async def largest(
        self, selection: Selection, interval: Interval, group_by: Sequence[str], by: str, limit: int
    ) -> Sequence[Line]:
        lines = await self.sums(selection, [interval], group_by, len(self.rows))
        return sorted(lines, key=lambda line: -sum(getattr(line.figures, name) for name in MEASURES[by]))[:limit]

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        start, stop = interval
        found = [row for row in self._selected(selection) if start <= row.usage.ts < stop and row.usage.id > after]
        return sorted(found, key=lambda row: row.usage.id)[:limit]

    async def at_prices(
        self, selection: Selection, interval: Interval, steps: Sequence[int], limit: int
    ) -> Sequence[AtPrices]:
        found: dict[tuple[Any, ...], AtPrices] = {}
        for row in await self.page(selection, interval, len(self.rows)):
            usage = row.usage
            reached = sum(step <= usage.input_tokens for step in steps)
            key = (usage.model, row.price_version, usage.service_tier if steps else "", reached)
            rows, quantities, cost = found[key][4:] if key in found else (0, Rates(), Cost())
            quantities = Rates(*map(add, quantities, quantities_of(usage)))
            found[key] = AtPrices(*key, rows + 1, quantities, Cost(*map(add, cost, row.cost)))
        return sorted(found.values(), key=lambda each: (each.model, each.version is None, *each[1:4]))[:limit]

    def _selected(self, selection: Selection) -> Iterator[PricedRow]:
        for row in self.rows.values():
            theirs = selection.tenants is None or row.usage.tenant_id in selection.tenants
            if theirs and all(getattr(row.usage, name) == value for name, value in selection.items()):
                yield row


def figures_of(row: PricedRow) -> Figures:
    """Those of one row."""
    usage, admitted = row.usage, row.usage.admission != Admission.REFUSED
    costs: list[Any] = [Decimal(units).scaleb(-UNIT_DECIMALS) for units in row.cost]
    found = Figures(
        admitted * usage.requests,
        (not admitted) * usage.requests,
        int(admitted and usage.status >= SERVER_ERROR),
        int(usage.cached_tokens > 0),
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        usage.reserved_tokens,
        usage.total_ms,
        *costs,
        *(sum(load_parts(usage.parts).get(part, 0) for part in parts) for parts in SUMS_OF_PARTS.values()),
    )
    return replace(
        found,
        response_cache_hits=int(usage.admission == Admission.CACHED),
        response_cache_bytes=usage.bytes_out * (usage.admission == Admission.CACHED),
        saved_input_tokens=usage.saved_input_tokens,
        saved_output_tokens=usage.saved_output_tokens,
        saved_cost=Decimal(row.saved).scaleb(-UNIT_DECIMALS),
    )


def _plus(a: Figures, b: Figures) -> Figures:
    return Figures(*(getattr(a, name) + getattr(b, name) for name in FIGURES))

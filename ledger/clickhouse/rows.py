"""The rows of a stretch of time from ClickHouse, page by page, and added up by price."""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ledger.by_price import AtPrices
from ledger.clickhouse.requests import SELECT, micros, read
from ledger.clickhouse.sums_sql import Values, filters_of
from ledger.cost import UNIT_DECIMALS, Cost, PricedRow
from ledger.ledger import LedgerUnavailable
from ledger.quantities_sql import sums_of_kinds
from ledger.sums import Interval, Selection
from store.clickhouse import SECONDS, Clickhouse, ClickhouseAway
from tenancy.values.lease_id import lease_time
from tenancy.values.prices import KINDS, Rates

# An id begins with its time, and as text is in the order of time.
WHERE = """
WHERE ts >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND ts < fromUnixTimestamp64Micro({stop:Int64}, 'UTC')
AND toString(id) > {after:String}
"""
ORDER = "ORDER BY ts, toString(id) LIMIT {limit:Int64}"
# Of the steps that were asked for, how many the input reached.
REACHED = "arrayCount(step -> step <= input_tokens, {steps:Array(Int64)})"
STRETCH = """
WHERE ts >= fromUnixTimestamp64Micro({start:Int64}, 'UTC') AND ts < fromUnixTimestamp64Micro({stop:Int64}, 'UTC')
"""
_SUMS = ", ".join(sums_of_kinds(lambda part: f"JSONExtractInt(ifNull(parts, ''), '{part}')"))


class ClickhouseRows:
    """Implements rows.Rows.  `seconds` bound each page."""

    def __init__(self, client: Clickhouse, seconds: float = SECONDS) -> None:
        self._client, self._seconds = client, seconds

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        since, until = interval
        start = max(since, lease_time(after)) if after else since
        values: Values = {"start": micros(start), "stop": micros(until), "after": after, "limit": limit}
        statement = f"{SELECT} {WHERE} {filters_of(selection, values)} {ORDER}"
        try:
            return [read(row) for row in await self._client.select(statement, values, seconds=self._seconds)]
        except ClickhouseAway as error:
            raise LedgerUnavailable(str(error)) from error

    async def at_prices(
        self, selection: Selection, interval: Interval, steps: Sequence[int], limit: int
    ) -> Sequence[AtPrices]:
        values: Values = {"start": micros(interval[0]), "stop": micros(interval[1]), "limit": limit, "steps": [*steps]}
        tier = "service_tier" if steps else "''"
        statement = (
            f"SELECT model, price_version, {tier} AS tier, {REACHED} AS reached, count(), {_SUMS} FROM usage FINAL"
            f" {STRETCH} {filters_of(selection, values)} GROUP BY model, price_version, tier, reached"
            " ORDER BY model, price_version, tier, reached LIMIT {limit:Int64}"
        )
        try:
            found = await self._client.select(statement, values, seconds=self._seconds)
        except ClickhouseAway as error:
            raise LedgerUnavailable(str(error)) from error
        return [_at_prices(*row) for row in found]


def _at_prices(model: str, version: int | None, tier: str, reached: int, rows: int, *sums: Any) -> AtPrices:
    quantities, costs = sums[: len(KINDS)], sums[len(KINDS) :]
    cost = Cost(*(int(Decimal(each).scaleb(UNIT_DECIMALS)) for each in costs))
    return AtPrices(model, version, tier, reached, rows, Rates(*map(int, quantities)), cost)

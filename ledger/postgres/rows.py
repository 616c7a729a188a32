"""The rows of a stretch of time from Postgres, page by page, and added up by price."""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ledger.by_price import AtPrices
from ledger.cost import COLUMNS, UNIT_DECIMALS, Cost, PricedRow, row_of
from ledger.ledger import LedgerUnavailable
from ledger.postgres.requests import TIME_SHIFT
from ledger.quantities_sql import sums_of_kinds
from ledger.sums import Interval, Selection
from store.postgres import READ_SECONDS, UNAVAILABLE, PostgresPool, reading
from tenancy.values.lease_id import lease_time
from tenancy.values.prices import KINDS, Rates

MS = 1000
_SUMS = ", ".join(sums_of_kinds(lambda part: f"coalesce((parts->>'{part}')::bigint, 0)"))


class PostgresRows:
    """Implements rows.Rows.  `seconds` bound each page."""

    def __init__(self, pool: PostgresPool, seconds: float = READ_SECONDS) -> None:
        self._pool, self._seconds = pool, seconds

    async def page(self, selection: Selection, interval: Interval, limit: int, after: str = "") -> Sequence[PricedRow]:
        statement, values = _statement(selection, interval, limit, after)
        try:
            async with reading(self._pool, self._seconds) as connection:
                return [row_of(row) for row in await connection.fetch(statement, *values, timeout=self._seconds)]
        except UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error

    async def at_prices(
        self, selection: Selection, interval: Interval, steps: Sequence[int], limit: int
    ) -> Sequence[AtPrices]:
        statement, values = _sums_by_price(selection, interval, steps, limit)
        try:
            async with reading(self._pool, self._seconds) as connection:
                found = await connection.fetch(statement, *values, timeout=self._seconds)
        except UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error
        return [_at_prices(*row) for row in found]


def _at_prices(model: str, version: int | None, tier: str, reached: int, rows: int, *sums: Decimal) -> AtPrices:
    quantities, costs = sums[: len(KINDS)], sums[len(KINDS) :]
    cost = Cost(*(int(each.scaleb(UNIT_DECIMALS)) for each in costs))
    return AtPrices(model, version, tier, reached, rows, Rates(*map(int, quantities)), cost)


def _sums_by_price(selection: Selection, interval: Interval, steps: Sequence[int], limit: int) -> tuple[str, list[Any]]:
    values: list[Any] = [*interval, [*steps], limit]
    where = "ts >= $1 AND ts < $2"
    for name, value in selection.items():
        values.append(value)
        where += f" AND {name} = ${len(values)}"
    if selection.tenants is not None:
        values.append([*selection.tenants])
        where += f" AND tenant_id = ANY(${len(values)})"
    tier = "service_tier" if steps else "''"
    keys = f"model, price_version, {tier} AS tier, width_bucket(input_tokens, $3::bigint[]) AS reached"
    return (
        f"SELECT {keys}, count(*), {_SUMS} FROM usage WHERE {where} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4 LIMIT $4",
        values,
    )


def _statement(selection: Selection, interval: Interval, limit: int, after: str) -> tuple[str, list[Any]]:
    """An id begins with its time, so that the primary key leads to the rows of a stretch of time.  For certain tenants
    their own index is shorter, one scan for each."""
    since, until = interval
    start = max(since, lease_time(after)) if after else since
    values: list[Any] = [start, until, UUID(after) if after else UUID(int=_lowest(start) - 1), limit]
    where = "ts >= $1 AND ts < $2 AND id > $3"
    for name, value in selection.items():
        if name != "tenant_id":
            values.append(value)
            where += f" AND {name} = ${len(values)}"
    names, tenants = ", ".join(COLUMNS), _tenants(selection)
    if tenants is None:
        return f"SELECT {names} FROM usage WHERE {where} ORDER BY id LIMIT $4", values
    values.append(tenants)
    return (
        f"SELECT {names} FROM unnest(${len(values)}::text[]) AS tenant CROSS JOIN LATERAL ("
        f" SELECT {names} FROM usage WHERE tenant_id = tenant AND {where} ORDER BY ts, id LIMIT $4) AS found"
        " ORDER BY id LIMIT $4",
        values,
    )


def _tenants(selection: Selection) -> list[str] | None:
    """The tenants to ask for; None: all of them."""
    if selection.tenant_id is None:
        return None if selection.tenants is None else [*selection.tenants]
    return [selection.tenant_id] if selection.tenants is None or selection.tenant_id in selection.tenants else []


def _lowest(time: datetime) -> int:
    """The lowest id at a time."""
    return max(1, int(time.timestamp() * MS) << TIME_SHIFT)

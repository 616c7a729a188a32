"""Rows of single requests from ClickHouse.

What has an index is looked for among all versions of the rows first; then only those that stay are read, by their key.
"""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ledger.cost import COLUMNS, COST_COLUMNS, PricedRow, row_of
from ledger.ledger import LedgerUnavailable
from ledger.requests import Refusals
from ledger.row import UsageRow
from store.clickhouse import Clickhouse, ClickhouseAway

SELECT = f"SELECT {', '.join(COLUMNS)} FROM usage FINAL"
TENANTS = "({any:Bool} OR tenant_id IN {tenants:Array(String)})"
_UNTIL = "fromUnixTimestamp64Micro({until:Int64}, 'UTC')"
_SINCE = "fromUnixTimestamp64Micro({since:Int64}, 'UTC')"
BY_ID = f"{SELECT} WHERE ts = fromUnixTimestamp64Milli({{ts:Int64}}, 'UTC') AND id = {{id:UUID}}"
BY_LABEL = f"""
{SELECT} WHERE (ts, id) IN (SELECT ts, id FROM usage WHERE request_id = {{label:String}})
AND request_id = {{label:String}} AND request_id <> '' AND {TENANTS}
ORDER BY ts DESC, toString(id) LIMIT {{limit:Int64}}
"""
REFUSALS = f"""
SELECT tenant_id, denied_by, status, sum(requests) AS n FROM usage FINAL
WHERE ts >= {_SINCE} AND ({{ever:Bool}} OR ts < {_UNTIL}) AND admission = 'refused' AND {TENANTS}
GROUP BY tenant_id, denied_by, status ORDER BY n DESC, tenant_id, denied_by, status LIMIT {{limit:Int64}}
"""
_BETWEEN = f"ts >= {_SINCE} AND ts < fromUnixTimestamp64Micro({{before:Int64}}, 'UTC')"
OPEN_JOBS = f"""
{SELECT} WHERE (ts, id) IN (SELECT ts, id FROM usage WHERE job <> '' AND {_BETWEEN})
AND job <> '' AND usage_source = 'reserved' AND {_BETWEEN} AND toString(id) > {{after:String}}
ORDER BY toString(id) LIMIT {{limit:Int64}}
"""


class ClickhouseRequests:
    """Implements requests.Requests and requests.OpenJobs."""

    def __init__(self, client: Clickhouse) -> None:
        self._client = client

    async def by_id(self, id: str, ts: datetime) -> PricedRow | None:
        found = await self._rows(BY_ID, {"id": id, "ts": micros(ts) // 1000})
        return next(map(read, found), None)

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[PricedRow]:
        return [
            read(row) for row in await self._rows(BY_LABEL, {"label": request_id, "limit": limit} | listed(tenants))
        ]

    async def refusals(
        self, since: datetime, limit: int, tenants: Sequence[str] | None = None, until: datetime | None = None
    ) -> Sequence[Refusals]:
        bounds: dict[str, object] = {"since": micros(since), "ever": until is None, "until": micros(until or since)}
        values = bounds | {"limit": limit} | listed(tenants)
        return [Refusals(*row) for row in await self._rows(REFUSALS, values)]

    async def open_jobs(self, since: datetime, before: datetime, after: str, limit: int) -> Sequence[UsageRow]:
        values = {"since": micros(since), "before": micros(before), "after": after, "limit": limit}
        return [read(row).usage for row in await self._rows(OPEN_JOBS, values)]

    async def _rows(self, statement: str, values: Mapping[str, object]) -> list[list[Any]]:
        try:
            return await self._client.select(statement, values)
        except ClickhouseAway as error:
            raise LedgerUnavailable(str(error)) from error


def listed(tenants: Sequence[str] | None) -> dict[str, object]:
    """The values that TENANTS asks for."""
    return {"any": tenants is None, "tenants": [*(tenants or ())]}


def micros(time: datetime) -> int:
    """Since 1970: the client cuts the fraction of a second off a datetime."""
    whole = int(time.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + time.microsecond


def read(row: Sequence[Any]) -> PricedRow:
    """Of a row with COLUMNS, as JSON has it."""
    id_, ts, *columns = row
    costs = [Decimal(text) for text in columns[-len(COST_COLUMNS) :]]
    return row_of((id_, datetime.fromisoformat(ts).replace(tzinfo=UTC), *columns[: -len(COST_COLUMNS)], *costs))

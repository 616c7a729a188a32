"""Rows of single requests from Postgres."""

# ruff: noqa: S608 - statements are put together from the slice's own constants only

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from ledger.cost import COLUMNS, PricedRow, row_of
from ledger.ledger import LedgerUnavailable
from ledger.requests import Refusals
from ledger.row import UsageRow
from store.postgres import UNAVAILABLE, PostgresPool, reading

BY_ID = f"SELECT {', '.join(COLUMNS)} FROM usage WHERE id = $1 AND ts = $2"
# The second condition is that of the index.
BY_LABEL = f"""
SELECT {", ".join(COLUMNS)} FROM usage WHERE request_id = $1 AND request_id <> ''
       AND ($3::text[] IS NULL OR tenant_id = ANY ($3)) ORDER BY ts DESC, id LIMIT $2
"""
MAX_REFUSED = 100_000  # rows that are counted, so that a flood of refusals does not make the question slow
# An id begins with its time, so that the primary key leads to the rows of a stretch of time.
REFUSALS = f"""
SELECT tenant_id, denied_by, status, sum(requests) AS requests FROM (
    SELECT tenant_id, denied_by, status, requests FROM usage WHERE id >= $1 AND ts >= $2 AND admission = 'refused'
          AND ($4::text[] IS NULL OR tenant_id = ANY ($4)) AND ts < coalesce($5::timestamptz, 'infinity')
    LIMIT {MAX_REFUSED}) AS refused
GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT $3
"""
# The conditions are those of the index.
OPEN_JOBS = f"""
SELECT {", ".join(COLUMNS)} FROM usage WHERE job <> '' AND usage_source = 'reserved' AND ts >= $1 AND ts < $2
       AND id > $3::uuid ORDER BY id LIMIT $4
"""
TIME_SHIFT = 80  # bits of an id behind its time in ms


class PostgresRequests:
    """Implements requests.Requests and requests.OpenJobs."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def by_id(self, id: str, ts: datetime) -> PricedRow | None:
        return next(iter(await self._fetch(BY_ID, id, ts)), None)

    async def by_label(self, request_id: str, limit: int, tenants: Sequence[str] | None = None) -> Sequence[PricedRow]:
        return await self._fetch(BY_LABEL, request_id, limit, _listed(tenants))

    async def refusals(
        self, since: datetime, limit: int, tenants: Sequence[str] | None = None, until: datetime | None = None
    ) -> Sequence[Refusals]:
        lowest = UUID(int=int(since.timestamp() * 1000) << TIME_SHIFT)
        return [Refusals(*row) for row in await self._rows(REFUSALS, lowest, since, limit, _listed(tenants), until)]

    async def open_jobs(self, since: datetime, before: datetime, after: str, limit: int) -> Sequence[UsageRow]:
        return [row.usage for row in await self._fetch(OPEN_JOBS, since, before, after or str(UUID(int=0)), limit)]

    async def _fetch(self, statement: str, *values: object) -> list[PricedRow]:
        return [row_of(row) for row in await self._rows(statement, *values)]

    async def _rows(self, statement: str, *values: object) -> list[asyncpg.Record]:
        try:
            async with reading(self._pool) as connection:
                return await connection.fetch(statement, *values)
        except UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error


def _listed(tenants: Sequence[str] | None) -> list[str] | None:
    return None if tenants is None else [*tenants]

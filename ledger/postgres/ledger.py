"""The ledger in Postgres: a table partitioned by month, written in batches, each row with what it costs.

COPY knows no ON CONFLICT, so a batch is copied to a temporary table and inserted from there, in one transaction; that
costs us a third of an INSERT from arrays.  The prices are joined on the way: those of this moment, frozen from then on.
Sums of the rows are the roller's (rollup_postgres.py), told of what changed by triggers.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from ledger.ledger import LedgerUnavailable, RowRejected, best_by_id
from ledger.postgres import last_used
from ledger.postgres.partitions import Month, make_partition, month_of
from ledger.row import COLUMNS, UsageRow
from store.postgres import UNAVAILABLE, PostgresPool

log = structlog.get_logger(__name__)

_NAMES = ", ".join(COLUMNS)
# Lives as long as the connection, empty between transactions; holds neither the keys nor the partitions.
_STAGE = f"""
CREATE TEMPORARY TABLE usage_staged ON COMMIT DELETE ROWS AS SELECT {_NAMES} FROM usage WITH NO DATA
"""  # noqa: S608 - only names from this file
# As cost.py has it; a model without a price is free.
COSTS = {
    "input_cost": "coalesce((staged.input_tokens - staged.cached_tokens) * price.input, 0)",
    "cached_cost": "coalesce(staged.cached_tokens * price.cached, 0)",
    "output_cost": "coalesce(staged.output_tokens * price.output, 0)",
}
_ALL = (*COLUMNS, *COSTS)
# The condition is is_final() of row.py: only a row that repeats a reservation gives way, and only to one that does not.
_INSERT = f"""
WITH price AS MATERIALIZED (
    SELECT name, input_price * 0.000001 AS input, cached_price * 0.000001 AS cached, output_price * 0.000001 AS output
    FROM models
)
INSERT INTO usage AS known ({", ".join(_ALL)})
SELECT {", ".join(f"staged.{name}" for name in COLUMNS)}, {", ".join(COSTS.values())}
FROM usage_staged AS staged LEFT JOIN price ON price.name = staged.model
ON CONFLICT (id, ts) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in _ALL if name not in ("id", "ts"))}
WHERE known.usage_source = 'reserved' AND excluded.usage_source <> 'reserved'
"""  # noqa: S608 - only names from this file
# A full disk, a read-only standby, a missing table, a lock: not the rows' fault, and not for ever.
_UNAVAILABLE: tuple[type[Exception], ...] = (*UNAVAILABLE, asyncpg.PostgresError)


class PostgresLedger:
    """See ledger.Ledger.  `timeout` s bounds one batch."""

    def __init__(self, pool: PostgresPool, *, timeout: float = 5.0) -> None:
        self._pool, self._timeout = pool, timeout
        self._months: set[Month] = set()
        self._last_used = last_used.LastUsed()

    async def append(self, rows: Sequence[UsageRow]) -> None:
        unique = best_by_id(rows)
        if not unique:
            return
        try:
            await self._append(unique)
        except asyncpg.CheckViolationError:  # "no partition of relation found": someone dropped it since
            self._months.clear()
            await self._append_again(unique)

    async def _append_again(self, rows: Sequence[UsageRow]) -> None:
        try:
            await self._append(rows)
        except asyncpg.CheckViolationError as error:  # the partition is there but detached: that month is closed
            raise RowRejected(str(error)) from error

    async def _append(self, rows: Sequence[UsageRow]) -> None:
        try:
            async with self._pool.acquire(timeout=self._timeout) as connection:
                for month in {month_of(row.ts) for row in rows} - self._months:
                    async with asyncio.timeout(self._timeout):
                        await make_partition(connection, month)
                    self._months.add(month)
                try:
                    await self._insert(connection, rows)
                except asyncpg.UndefinedTableError:  # a new connection: asking each time would cost a round trip
                    await connection.execute(_STAGE, timeout=self._timeout)
                    await self._insert(connection, rows)
                await self._note_keys(connection, rows)
        except asyncpg.CheckViolationError:
            raise
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise RowRejected(str(error)) from error
        except _UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error

    async def _insert(self, connection: "PoolConnectionProxy[asyncpg.Record]", rows: Sequence[UsageRow]) -> None:
        async with connection.transaction():
            await self._copy(connection, rows)
            await connection.execute(_INSERT, timeout=self._timeout)

    async def _note_keys(self, connection: "PoolConnectionProxy[asyncpg.Record]", rows: Sequence[UsageRow]) -> None:
        """After the commit: the rows are safe whatever becomes of this."""
        if news := self._last_used.news(rows):
            try:
                await last_used.write(connection, news, self._timeout)
            except _UNAVAILABLE as error:
                log.warning("the last use of keys was not written", keys=len(news), reason=repr(error))

    async def _copy(self, connection: "PoolConnectionProxy[asyncpg.Record]", rows: Sequence[UsageRow]) -> None:
        try:
            await connection.copy_records_to_table("usage_staged", records=rows, columns=COLUMNS, timeout=self._timeout)
        except (
            OverflowError,
            ValueError,
            TypeError,
        ) as error:  # asyncpg's encoders: a value that its column cannot hold
            raise RowRejected(str(error)) from error

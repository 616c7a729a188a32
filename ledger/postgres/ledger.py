"""The ledger in Postgres: a table partitioned by month, written in batches.

COPY knows no ON CONFLICT, so a batch is copied to a temporary table and inserted from there, in one transaction; that
takes us a third of the time of an INSERT from arrays.  Sums of the rows are made by roller.py, which learns from
triggers what changed.
"""

import asyncio
from collections.abc import Sequence

import asyncpg

from ledger.cost import COLUMNS, COST_COLUMNS, UNIT_DECIMALS, PricedRow
from ledger.ledger import LedgerUnavailable, RowRejected, best_by_id
from ledger.postgres.partitions import Month, make_partition, month_of
from ledger.row import UsageRow
from store.postgres import UNAVAILABLE, Connection, PostgresPool

# Lives as long as the connection, empty between transactions; holds neither the keys nor the partitions.  Costs are
# text in it, as any whole number fits into one: to encode a `numeric` takes the client ten times as long.
_STAGE = f"""
CREATE TEMPORARY TABLE usage_staged ON COMMIT DELETE ROWS AS
SELECT {", ".join(UsageRow._fields)}, price_version, {", ".join(f"''::text AS {name}" for name in COST_COLUMNS)}
FROM usage WITH NO DATA
"""  # noqa: S608 - only names from this file
_UNIT = f"1e-{UNIT_DECIMALS}"
# The condition is replaces() of row.py.
_INSERT = f"""
INSERT INTO usage AS known ({", ".join(COLUMNS)})
SELECT {", ".join(UsageRow._fields)}, price_version, {", ".join(f"{name}::numeric * {_UNIT}" for name in COST_COLUMNS)}
FROM usage_staged
ON CONFLICT (id, ts) DO UPDATE
SET {", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in ("id", "ts"))}
WHERE known.usage_source = 'reserved' AND (
  excluded.usage_source <> 'reserved'
  OR excluded.input_tokens + excluded.output_tokens > known.input_tokens + known.output_tokens
)
"""  # noqa: S608 - only names from this file
# A full disk, a read-only standby, a missing table, a lock: not the rows' fault, and not for ever.
_UNAVAILABLE: tuple[type[Exception], ...] = (*UNAVAILABLE, asyncpg.PostgresError)


class PostgresLedger:
    """See ledger.Ledger.  `timeout` s bounds one batch."""

    def __init__(self, pool: PostgresPool, *, timeout: float = 5.0) -> None:
        self._pool, self._timeout = pool, timeout
        self._months: set[Month] = set()

    async def append(self, rows: Sequence[PricedRow]) -> None:
        unique = best_by_id(rows)
        if not unique:
            return
        try:
            async with self._pool.acquire(timeout=self._timeout) as connection:
                try:
                    await self._write(connection, unique)
                except asyncpg.CheckViolationError:  # there is no partition for a row: someone dropped it since
                    self._months.clear()
                    await self._write(connection, unique)  # fails again if it is detached: that month is closed
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            raise RowRejected(str(error)) from error
        except _UNAVAILABLE as error:
            raise LedgerUnavailable(f"{type(error).__name__}: {error}") from error

    async def _write(self, connection: Connection, rows: Sequence[PricedRow]) -> None:
        for month in {month_of(row.usage.ts) for row in rows} - self._months:
            async with asyncio.timeout(self._timeout):
                await make_partition(connection, month)
            self._months.add(month)
        try:
            await self._insert(connection, rows)
        except asyncpg.UndefinedTableError:  # a new connection: asking each time would cost a round trip
            await connection.execute(_STAGE, timeout=self._timeout)
            await self._insert(connection, rows)

    async def _insert(self, connection: Connection, rows: Sequence[PricedRow]) -> None:
        async with connection.transaction():
            await self._copy(connection, rows)
            await connection.execute(_INSERT, timeout=self._timeout)

    async def _copy(self, connection: Connection, rows: Sequence[PricedRow]) -> None:
        records = [
            (*usage, version, str(input_), str(cached), str(output), str(saved))
            for usage, (input_, cached, output), version, saved in rows
        ]
        try:
            await connection.copy_records_to_table(
                "usage_staged", records=records, columns=COLUMNS, timeout=self._timeout
            )
        except (OverflowError, ValueError, TypeError) as error:  # asyncpg: a value that its column cannot hold
            raise RowRejected(str(error)) from error

"""The roller: keeps the sums by minute, hour and day up to date, off the path of the requests.

Any number of processes may roll at once.  An hour (a day) is rolled by one at a time, under an advisory lock.  It takes
the marks that it sees and then sums what it sees, in this order: a change that commits in between has a mark of its
own, which stays.  Buckets are always summed anew, so that a row which came late, twice or in place of another needs no
care.  No report waits for the roller: until it comes, sums.py reads the rows.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
import structlog

from ledger.cover import DAY, EPOCH, HOUR, MINUTE, floor
from ledger.postgres.partitions import make_partition, month_of, next_month
from ledger.postgres.rollup_sql import clear, roll_rollups, roll_rows
from ledger.rounds import for_ever
from serving.metrics import Counter
from store.postgres import Connection, PostgresPool

log = structlog.get_logger(__name__)

# A transaction of the roller sums at most one hour of rows.
STATEMENT_SECONDS = 60.0
ACQUIRE_SECONDS = 5.0
# There are many minutes.  While they are kept, a late row means summing its minute anew; after that, its hour.
MINUTES_KEPT = timedelta(days=8)
# More hours than these, older than this, are a backlog: of an upgrade, a restore, a long outage.  Few requests of a
# minute are alike, so where there are many of them an hour takes six times as long by its minutes as by its rows.  The
# minutes of a backlog are not kept.
BACKLOG_HOURS, BACKLOG_AGE = 24, DAY
# Any number, the same in every process; the second half of the lock is the hour or the day.
LOCK_OF_HOURS, LOCK_OF_DAYS = 0x746F6C68, 0x746F6C64

NOW = "SELECT now()"
MARKED_HOURS = """
SELECT DISTINCT date_bin('1 hour', bucket, '1970-01-01Z') AS hour FROM usage_marks
WHERE width = 60 AND bucket < $1 OR width = 3600 AND bucket < $2
ORDER BY hour DESC
"""
MARKED_DAYS = "SELECT DISTINCT bucket FROM usage_marks WHERE width = 86400 AND bucket < $1 ORDER BY bucket DESC"
TAKE_MARKS = "DELETE FROM usage_marks WHERE width = $1 AND bucket >= $2 AND bucket < $3 RETURNING bucket"
# One for each change: another roller may be about to take one that is there, without having seen this change.
MARK = "INSERT INTO usage_marks (width, bucket) VALUES ($1, $2)"
# What a roller of a version before summed up, which did not know all of the columns.
MARK_UNKNOWN = """
INSERT INTO usage_marks (width, bucket)
SELECT DISTINCT width, bucket FROM usage_rollups AS known
WHERE images IS NULL AND bucket >= (SELECT rows_from FROM usage_horizon)
    AND NOT EXISTS (SELECT 1 FROM usage_marks WHERE width = known.width AND bucket = known.bucket)
"""
# FOR SHARE: the horizons do not move while something is rolled.
HORIZON = "SELECT minutes_from, rows_from FROM usage_horizon FOR SHARE"
MOVE_HORIZON = "UPDATE usage_horizon SET minutes_from = $1 WHERE minutes_from < $1"
# An hour at a time: all that a stopped roller finds to be forgotten may take longer than a transaction has.
FORGET_MINUTES = """
DELETE FROM usage_rollups_minute
WHERE bucket < (SELECT least(minutes_from, (SELECT min(bucket) FROM usage_rollups_minute) + interval '1 hour')
                FROM usage_horizon)
"""
# Sums of an hour are made in memory; by default a server gives 4 MB, and all rows are sorted on its disk.  Compiling
# statements of that many sums takes longer than running them.
SETTINGS = "SET LOCAL work_mem = '64MB'; SET LOCAL jit = off"
# Rows of an hour are found by their block ranges.  Without statistics (after a restore, an upgrade of Postgres) the
# planner would read a month of rows, or of their primary key, for each hour.
BY_BLOCK_RANGES = "SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off"
LOCK = "SELECT pg_try_advisory_xact_lock($1, $2)"


class Roller:
    """`run` for ever, or `roll` once.  `rolled` counts hours and days, `errors` rounds that failed."""

    def __init__(self, pool: PostgresPool, rolled: Counter | None = None, errors: Counter | None = None) -> None:
        self._pool = pool
        self._rolled = rolled or Counter("rolled", "")
        self._errors = errors or Counter("errors", "")

    async def run(self) -> None:
        await for_ever(self.roll, self._rolled, self._errors)

    async def roll(self, now: datetime | None = None) -> int:
        """Sums up what is marked and has ended by `now`, newest first; returns how many hours and days that were."""
        async with self._transaction() as connection:
            now = now or await connection.fetchval(NOW)
            for month in (month_of(now), next_month(month_of(now))):
                await make_partition(connection, month)
            await _execute(connection, MARK_UNKNOWN)
            hours = await _fetch(connection, MARKED_HOURS, floor(now, MINUTE), floor(now, HOUR))
            await _execute(connection, MOVE_HORIZON, _minutes_from(now, [hour for (hour,) in hours]))
        done = 0
        for (hour,) in hours:
            async with self._transaction() as connection:
                done += await self._roll_hour(connection, hour, now)
        async with self._transaction() as connection:
            days = await _fetch(connection, MARKED_DAYS, floor(now, DAY))
        for (day,) in days:
            async with self._transaction() as connection:
                done += await self._roll_day(connection, day)
        await self._forget_minutes()
        return done

    async def _roll_hour(self, connection: Connection, hour: datetime, now: datetime) -> bool:
        if not await connection.fetchval(LOCK, LOCK_OF_HOURS, (hour - EPOCH) // HOUR):
            return False
        minutes_from, rows_from = await connection.fetchrow(HORIZON)  # type: ignore[misc]
        over = hour + HOUR <= now
        minutes = await _take(connection, MINUTE, hour, min(hour + HOUR, floor(now, MINUTE)))
        again = over and await _take(connection, HOUR, hour, hour + HOUR)
        if hour < rows_from:
            log.warning("usage came for a month that was dropped, it is not summed", hour=hour.isoformat())
            return False
        if not minutes and not again:
            return False
        await connection.execute(BY_BLOCK_RANGES)
        by_minutes = hour >= minutes_from
        if by_minutes and minutes:
            await _execute(connection, clear(60), minutes)
            await _execute(connection, roll_rows(60), *_stretches(minutes, MINUTE))
        if not over:
            await connection.execute(MARK, 3600, hour)
            return True
        await _execute(connection, clear(3600), [hour])
        if by_minutes:
            await _execute(connection, roll_rollups(3600, 60), hour)
        else:
            await _execute(connection, roll_rows(3600), [hour], [hour + HOUR])
        await connection.execute(MARK, 86400, floor(hour, DAY))
        return True

    async def _roll_day(self, connection: Connection, day: datetime) -> bool:
        if not await connection.fetchval(LOCK, LOCK_OF_DAYS, (day - EPOCH) // DAY):
            return False
        if not await _take(connection, DAY, day, day + DAY):
            return False
        await _execute(connection, clear(86400), [day])
        await _execute(connection, roll_rollups(86400, 3600), day)
        return True

    async def _forget_minutes(self) -> None:
        """Those before the horizon.  Nobody reads them, so they go last."""
        forgotten = True
        while forgotten:
            async with self._transaction() as connection:
                forgotten = await connection.execute(FORGET_MINUTES, timeout=STATEMENT_SECONDS) != "DELETE 0"

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with (
            asyncio.timeout(STATEMENT_SECONDS),
            self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection,
            connection.transaction(),
        ):
            await connection.execute(SETTINGS)
            yield connection


def _minutes_from(now: datetime, hours: Sequence[datetime]) -> datetime:
    """The first minute to be kept, if these hours are to be summed up."""
    recent = floor(now - BACKLOG_AGE, HOUR)
    if sum(hour < recent for hour in hours) > BACKLOG_HOURS:
        return recent
    return floor(now - MINUTES_KEPT, HOUR)


def _stretches(buckets: Sequence[datetime], width: timedelta) -> tuple[list[datetime], list[datetime]]:
    """Starts and stops of what these buckets, in order, cover: a stretch is one scan, however many they are."""
    starts = [bucket for bucket in buckets if bucket - width not in buckets]
    return starts, [bucket + width for bucket in buckets if bucket + width not in buckets]


async def _take(connection: Connection, width: timedelta, start: datetime, stop: datetime) -> Sequence[datetime]:
    """Deletes the marks and returns their buckets, each once."""
    taken = await _fetch(connection, TAKE_MARKS, int(width.total_seconds()), start, stop)
    return sorted({bucket for (bucket,) in taken})


async def _fetch(connection: Connection, statement: str, *values: object) -> Sequence[asyncpg.Record]:
    return await connection.fetch(statement, *values, timeout=STATEMENT_SECONDS)


async def _execute(connection: Connection, statement: str, *values: object) -> None:
    """With a deadline of the roller's: the pool's is that of a caller who waits for the answer."""
    await connection.execute(statement, *values, timeout=STATEMENT_SECONDS)

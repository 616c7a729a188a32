"""The months of the ledger: partitions of the table `usage`, made when a row first needs one, and one month ahead.

Several processes may find out at the same moment that one is missing.  To drop old months, call forget_usage_before()
in the database (store/migrations/ledger/0005_rollups.sql).
"""

from datetime import UTC, datetime

from store.postgres import Connection

# Any number, the same in every process and in forget_usage_before(): one maker of partitions at a time.
ADVISORY_LOCK = 0x746F6C6D

Month = tuple[int, int]


def month_of(time: datetime) -> Month:
    """The month of a time, in UTC."""
    return time.year, time.month


def next_month(month: Month) -> Month:
    year, number = month
    return year + number // 12, number % 12 + 1


async def make_partition(connection: Connection, month: Month) -> None:
    """Makes the partition of the month unless it exists.  Uses ATTACH, not PARTITION OF, so that others can read and
    write the table in the meantime."""
    start, end = first_instant(month), first_instant(next_month(month))
    name = f"usage_{start:%Y_%m}"
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", ADVISORY_LOCK)
        if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
            return
        await connection.execute(f"CREATE TABLE {name} (LIKE usage INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        await connection.execute(
            f"ALTER TABLE usage ATTACH PARTITION {name} FOR VALUES FROM ('{start:%Y-%m-%d %H:%M:%S%z}')"
            f" TO ('{end:%Y-%m-%d %H:%M:%S%z}')"
        )


def first_instant(month: Month) -> datetime:
    return datetime(*month, 1, tzinfo=UTC)

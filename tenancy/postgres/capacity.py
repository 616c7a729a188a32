"""Capacity in Postgres: one row."""

from collections.abc import Sequence

from store.postgres import PostgresPool, Row
from tenancy.directory.capacity import Capacity, CapacityChange, changed
from tenancy.directory.change_request import ChangeRequest
from tenancy.postgres.records import fetch_in_time
from tenancy.postgres.rows import Rows
from tenancy.values.invalidation import INVALIDATE_CAPACITY

COLUMNS = "max_in_flight, max_in_flight_total, version, updated_at"
SELECT = f"SELECT {COLUMNS} FROM runtime_settings"
LOCK = f"{SELECT} FOR UPDATE"
UPDATE = f"""
UPDATE runtime_settings SET max_in_flight = $1, max_in_flight_total = $2, version = $3, updated_at = now()
RETURNING {COLUMNS}
"""
ANNOUNCE = "INSERT INTO redis_outbox (key_hash, version) VALUES ($1, $2)"


class PostgresCapacities:
    """Implements tenancy.directory.capacity.Capacities."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, lambda row: Capacity(**row), LookupError, target_of=lambda _: ("capacity", "all"))

    async def get(self) -> Capacity:
        (capacity,) = await self._rows.many(SELECT)
        return capacity

    async def update(self, change: CapacityChange, by: ChangeRequest) -> Capacity:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK)
            wanted = changed(before, change)
            if wanted is before:
                return before
            bounds = wanted.max_in_flight, wanted.max_in_flight_total
            after = await transaction.write(UPDATE, *bounds, wanted.version)
            await transaction.execute(ANNOUNCE, INVALIDATE_CAPACITY, after.version)
            return await transaction.updated("update_capacity", before, after)


async def load_capacity(pool: PostgresPool, seconds: float) -> Capacity:
    """For sidecars: see fetch_in_time; StoreUnavailable."""
    return capacity_of(await fetch_in_time(pool, seconds, SELECT))


def capacity_of(rows: Sequence[Row]) -> Capacity:
    """The one row of SELECT."""
    return Capacity(**rows[0])

"""Capacity in Postgres: one row."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from store.postgres import PostgresPool, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.capacity import Capacity, CapacityChange, changed
from tenancy.directory.terms import require
from tenancy.postgres.change import audit, changing, written
from tenancy.postgres.records import FAILURES
from tenancy.redis.names import INVALIDATE_CAPACITY
from tenancy.resolving.records import StoreUnavailable

COLUMNS = "max_in_flight, max_in_flight_total, version, updated_at"
SELECT = f"SELECT {COLUMNS} FROM runtime_settings"
UPDATE = f"""
UPDATE runtime_settings SET max_in_flight = $1, max_in_flight_total = $2, version = $3, updated_at = now()
RETURNING {COLUMNS}
"""
ANNOUNCE = "INSERT INTO redis_outbox (key_hash, version) VALUES ($1, $2)"


class PostgresCapacities:
    """Implements tenancy.directory.capacity.Capacities."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def get(self) -> Capacity:
        async with reading(self._pool) as connection:
            return Capacity(**await written(connection, SELECT))

    async def update(self, change: CapacityChange, by: ChangeRequest) -> Capacity:
        async with changing(self._pool, by) as connection:
            before = Capacity(**await written(connection, f"{SELECT} FOR UPDATE"))
            require(by, before)
            wanted = changed(before, change)
            if wanted is before:
                return before
            bounds = wanted.max_in_flight, wanted.max_in_flight_total
            after = Capacity(**await written(connection, UPDATE, *bounds, wanted.version))
            await connection.execute(ANNOUNCE, INVALIDATE_CAPACITY, after.version)
            await audit(connection, by, "update_capacity", ("capacity", "all"), snapshot(before), snapshot(after))
        return after


async def load_capacity(pool: PostgresPool, seconds: float) -> Capacity:
    """For sidecars.  Each of getting a connection and the query ends within `seconds`; StoreUnavailable."""
    try:
        async with pool.acquire(timeout=seconds) as connection:
            return Capacity(**(await connection.fetch(SELECT, timeout=seconds))[0])
    except FAILURES as error:
        raise StoreUnavailable(f"postgres: {error or type(error).__name__}") from error

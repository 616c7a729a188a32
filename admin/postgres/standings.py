"""What tenants and groups are entitled to, in Postgres."""

from collections.abc import Mapping, Sequence

from admin.commands.ports import Standing
from store.postgres import PostgresPool, reading

TENANTS = "SELECT id, name, fairshare_group, weight, max_in_flight FROM tenants WHERE id = ANY ($1::text[])"
GROUPS = "SELECT name, weight FROM fairshare_groups ORDER BY name LIMIT $1"


class PostgresStandings:
    """Implements admin.commands.ports.Standings."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def of_tenants(self, tenant_ids: Sequence[str]) -> Mapping[str, Standing]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(TENANTS, list(tenant_ids))
        return {row["id"]: Standing(**row) for row in rows}

    async def of_groups(self, limit: int) -> Mapping[str, int]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(GROUPS, limit)
        return {row["name"]: row["weight"] for row in rows}

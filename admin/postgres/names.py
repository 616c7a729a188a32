"""What people call tenants and keys, in Postgres."""

from collections.abc import Mapping, Sequence

from store.postgres import PostgresPool, reading

TENANTS = "SELECT id, name FROM tenants WHERE id = ANY ($1::text[]) AND ($2::text IS NULL OR organization = $2)"
KEYS = """SELECT keys.id, keys.name FROM api_keys AS keys JOIN tenants ON tenants.id = keys.tenant_id
WHERE keys.id = ANY ($1::text[]) AND ($2::text IS NULL OR tenants.organization = $2)"""


class PostgresNames:
    """Implements admin.commands.ports.Names."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def of_tenants(self, ids: Sequence[str], organization: str | None = None) -> Mapping[str, str]:
        return await self._found(TENANTS, ids, organization)

    async def of_keys(self, ids: Sequence[str], organization: str | None = None) -> Mapping[str, str]:
        return await self._found(KEYS, ids, organization)

    async def _found(self, select: str, ids: Sequence[str], organization: str | None) -> Mapping[str, str]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(select, list(ids), organization)
        return {row["id"]: row["name"] for row in rows}

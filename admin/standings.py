"""What tenants and groups are entitled to, for the live view: a tiny port and its queries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from store.postgres import PostgresPool, reading

TENANTS = "SELECT id, name, fairshare_group, weight, max_in_flight FROM tenants WHERE id = ANY ($1::text[])"
GROUPS = "SELECT name, weight FROM fairshare_groups ORDER BY name LIMIT $1"


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's place: its group and its weight within it."""

    id: str
    name: str
    fairshare_group: str
    weight: int
    max_in_flight: int | None


class Standings(Protocol):
    """Raises what store.postgres.UNAVAILABLE lists."""

    async def of_tenants(self, tenant_ids: Sequence[str]) -> Mapping[str, Standing]:
        """By id; those that were deleted are missing."""

    async def of_groups(self, limit: int) -> Mapping[str, int]:
        """The weights of at most `limit` groups, by name."""


class PostgresStandings:
    """Implements Standings."""

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

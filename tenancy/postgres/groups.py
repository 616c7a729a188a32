"""Fairshare groups in Postgres."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

import asyncpg

from store.postgres import Connection, PostgresPool, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.groups import Group, GroupInUse, GroupNameTaken, NoSuchGroup
from tenancy.directory.tenants import DEFAULT_GROUP
from tenancy.directory.terms import Deleted, require
from tenancy.postgres.change import audit, changing, written

COLUMNS = "name, weight, created_at, updated_at"
INSERT = f"INSERT INTO fairshare_groups (name, weight) VALUES ($1, $2) RETURNING {COLUMNS}"
GET = f"SELECT {COLUMNS} FROM fairshare_groups WHERE name = $1"
LOCK = f"{GET} FOR UPDATE"
LIMITS = "SELECT id FROM limits WHERE fairshare_group = $1 ORDER BY id"
UPDATE = f"UPDATE fairshare_groups SET weight = $2, updated_at = now() WHERE name = $1 RETURNING {COLUMNS}"
# By the bytes, so that the order is the same whatever the database's collation is.
PAGE = f"""SELECT {COLUMNS} FROM fairshare_groups WHERE name > $2 COLLATE "C" ORDER BY name COLLATE "C" LIMIT $1"""


class PostgresGroups:
    """Implements tenancy.directory.groups.Groups."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, name: str, weight: int, by: ChangeRequest) -> Group:
        async with changing(self._pool, by) as connection:
            try:
                group = Group(**await written(connection, INSERT, name, weight))
            except asyncpg.UniqueViolationError as error:
                raise GroupNameTaken(name) from error
            await audit(connection, by, "create_group", ("fairshare_group", name), None, snapshot(group))
        return group

    async def get(self, name: str) -> Group | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, name)
        return None if row is None else Group(**row)

    async def page(self, limit: int, after: str = "") -> tuple[Group, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, after)
        return tuple(Group(**row) for row in rows)

    async def set_weight(self, name: str, weight: int, by: ChangeRequest) -> Group:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, name)
            require(by, before)
            if before.weight == weight:
                return before
            after = Group(**await written(connection, UPDATE, name, weight))
            await audit(connection, by, "update_group", ("fairshare_group", name), snapshot(before), snapshot(after))
        return after

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            group = await _lock(connection, name)
            require(by, group)
            if name == DEFAULT_GROUP:
                raise GroupInUse(name)
            limits = [row["id"] for row in await connection.fetch(LIMITS, name)]
            try:
                await connection.execute("DELETE FROM fairshare_groups WHERE name = $1", name)
            except asyncpg.ForeignKeyViolationError as error:
                raise GroupInUse(name) from error
            gone = {**snapshot(group), "limits": limits}
            await audit(connection, by, "delete_group", ("fairshare_group", name), gone, None)
        return {"groups": 1, "limits": len(limits)}


async def _lock(connection: Connection, name: str) -> Group:
    row = await connection.fetchrow(LOCK, name)
    if row is None:
        raise NoSuchGroup(name)
    return Group(**row)

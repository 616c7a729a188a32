"""Named policies in Postgres.

A policy's row is locked before the rows of its tenants, these by id; a tenant that comes to it waits for that lock (see
tenants_postgres), so that no key keeps limits that the policy no longer has.
"""

# ruff: noqa: S608 - statements are put together from this file's own constants only

import json
from dataclasses import replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.named_policies import LimitFields, NamedPolicy, NoSuchPolicy, PolicyInUse, PolicyNameTaken
from tenancy.directory.terms import Deleted, require
from tenancy.postgres.change import audit, changing, written

COLUMNS = "name, description, limits, created_at, updated_at"
INSERT = f"INSERT INTO policies (name, description, limits) VALUES ($1, $2, $3::jsonb) RETURNING {COLUMNS}"
UPDATE = (
    f"UPDATE policies SET description = $2, limits = $3::jsonb, updated_at = now() WHERE name = $1 RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM policies WHERE name = $1"
LOCK = f"{GET} FOR NO KEY UPDATE"
# By the bytes, so that the order is the same whatever the database's collation is.
PAGE = f"""SELECT {COLUMNS} FROM policies WHERE name > $2 COLLATE "C" ORDER BY name COLLATE "C" LIMIT $1"""
LOCK_TENANTS = "SELECT id FROM tenants WHERE policy = $1 ORDER BY id FOR UPDATE"
COUNT_UP = "UPDATE tenants SET version = version + 1 WHERE policy = $1"
ANNOUNCE = (
    "INSERT INTO redis_outbox (key_hash, version) SELECT s.key_hash, t.version"
    " FROM key_secrets s JOIN tenants t ON t.id = s.tenant_id WHERE t.policy = $1"
)


class PostgresPolicies:
    """Implements tenancy.directory.named_policies.Policies."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        async with changing(self._pool, by) as connection:
            try:
                policy = _policy(await written(connection, INSERT, name, description, json.dumps(limits)))
            except asyncpg.UniqueViolationError as error:
                raise PolicyNameTaken(name) from error
            await audit(connection, by, "create_policy", ("policy", name), None, snapshot(policy))
        return policy

    async def get(self, name: str) -> NamedPolicy | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, name)
        return None if row is None else _policy(row)

    async def page(self, limit: int, after: str = "") -> tuple[NamedPolicy, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, after)
        return tuple(_policy(row) for row in rows)

    async def update(
        self, name: str, description: str, limits: tuple[LimitFields, ...], by: ChangeRequest
    ) -> NamedPolicy:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, name)
            require(by, before)
            if replace(before, description=description, limits=limits) == before:
                return before
            after = _policy(await written(connection, UPDATE, name, description, json.dumps(limits)))
            await connection.execute(LOCK_TENANTS, name)
            await connection.execute(COUNT_UP, name)
            await connection.execute(ANNOUNCE, name)
            await audit(connection, by, "update_policy", ("policy", name), snapshot(before), snapshot(after))
        return after

    async def delete(self, name: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            policy = await _lock(connection, name)
            require(by, policy)
            try:
                await connection.execute("DELETE FROM policies WHERE name = $1", name)
            except asyncpg.ForeignKeyViolationError as error:
                raise PolicyInUse(name) from error
            await audit(connection, by, "delete_policy", ("policy", name), snapshot(policy), None)
        return {"policies": 1}


async def _lock(connection: Connection, name: str) -> NamedPolicy:
    row = await connection.fetchrow(LOCK, name)
    if row is None:
        raise NoSuchPolicy(name)
    return _policy(row)


def _policy(row: Row) -> NamedPolicy:
    return NamedPolicy(**{**row, "limits": tuple(json.loads(row["limits"]))})

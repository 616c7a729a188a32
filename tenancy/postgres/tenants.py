"""Tenants in Postgres.

What a tenant is to refer to is locked before its own row, policy before group: whoever changes these locks them first
and their tenants then, by id.  In any other order two changes wait for each other.
"""

# ruff: noqa: S608 - statements are put together from this file's own constants only

import json
from dataclasses import replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.tenants import (
    NewTenant,
    NoSuchTenant,
    Position,
    Tenant,
    TenantChange,
    TenantNameTaken,
    UnknownGroup,
    UnknownPolicy,
)
from tenancy.directory.terms import Deleted, require
from tenancy.postgres.change import announce_tenant, audit, changing, written

COLUMNS = (
    "id, name, fairshare_group, weight, tokens_per_minute, requests_per_minute, max_in_flight, status,"
    " policy, metadata, version, created_at, updated_at"
)
INSERT = (
    "INSERT INTO tenants"
    " (id, name, fairshare_group, weight, tokens_per_minute, requests_per_minute, max_in_flight, status,"
    " policy, metadata)"
    f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb) RETURNING {COLUMNS}"
)
UPDATE = (
    "UPDATE tenants SET name = $2, fairshare_group = $3, weight = $4, tokens_per_minute = $5,"
    " requests_per_minute = $6, max_in_flight = $7, status = $8, policy = $9, metadata = $10::jsonb,"
    " version = version + 1, updated_at = now()"
    f" WHERE id = $1 RETURNING {COLUMNS}"
)
PAGE = (
    f"SELECT {COLUMNS} FROM tenants WHERE ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3))"
    " AND ($4 = '' OR name = $4)"
    " ORDER BY created_at, id LIMIT $1"
)
LOCK = f"SELECT {COLUMNS} FROM tenants WHERE id = $1 FOR UPDATE"
GET = f"SELECT {COLUMNS} FROM tenants WHERE id = $1"
LOCK_POLICY = "SELECT name FROM policies WHERE name = $1 FOR SHARE"
LOCK_GROUP = "SELECT name FROM fairshare_groups WHERE name = $1 FOR KEY SHARE"


class PostgresTenants:
    """Implements tenancy.directory.tenants.Tenants."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, new: NewTenant, by: ChangeRequest) -> Tenant:
        async with changing(self._pool, by) as connection:
            await _lock_owners(connection, new.policy, new.fairshare_group)
            tenant = await _write(connection, INSERT, new)
            await audit(connection, by, "create_tenant", ("tenant", tenant.id), None, snapshot(tenant))
        return tenant

    async def get(self, tenant_id: str) -> Tenant | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, tenant_id)
        return None if row is None else _tenant(row)

    async def page(self, limit: int, after: Position | None = None, name: str = "") -> tuple[Tenant, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, *(after or (None, None)), name)
        return tuple(_tenant(row) for row in rows)

    async def update(self, tenant_id: str, change: TenantChange, by: ChangeRequest) -> Tenant:
        async with changing(self._pool, by) as connection:
            await _lock_owners(connection, change.get("policy"), change.get("fairshare_group"))
            before = await lock_tenant(connection, tenant_id)
            require(by, before)
            # Onto the row as it is under the lock, so that two changes of different fields both stay.
            changed = replace(before, **change)
            if changed == before:
                return before
            after = await _write(connection, UPDATE, changed)
            await announce_tenant(connection, tenant_id, after.version)
            await audit(connection, by, "update_tenant", ("tenant", tenant_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, tenant_id: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            tenant = await lock_tenant(connection, tenant_id)
            require(by, tenant)
            users = await connection.fetchval("SELECT count(*) FROM users WHERE tenant_id = $1", tenant_id)
            rows = await connection.fetch("SELECT id FROM api_keys WHERE tenant_id = $1 ORDER BY id", tenant_id)
            limits = await connection.fetch("SELECT id FROM limits WHERE tenant_id = $1 ORDER BY id", tenant_id)
            await announce_tenant(connection, tenant_id, tenant.version + 1)
            # Keys first: they refer to users, and the order of two cascades is not promised.
            await connection.execute("DELETE FROM api_keys WHERE tenant_id = $1", tenant_id)
            await connection.execute("DELETE FROM tenants WHERE id = $1", tenant_id)
            gone = {"api_keys": [row["id"] for row in rows], "limits": [row["id"] for row in limits]}
            await audit(connection, by, "delete_tenant", ("tenant", tenant_id), {**snapshot(tenant), **gone}, None)
        return {"tenants": 1, "users": users, "api_keys": len(rows), "limits": len(limits)}


async def lock_tenant(connection: Connection, tenant_id: str) -> Tenant:
    """The tenant, with its row locked to the end of the transaction; NoSuchTenant."""
    row = await connection.fetchrow(LOCK, tenant_id)
    if row is None:
        raise NoSuchTenant(tenant_id)
    return _tenant(row)


async def _write(connection: Connection, statement: str, tenant: NewTenant | Tenant) -> Tenant:
    try:
        row = await written(
            connection,
            statement,
            tenant.id,
            tenant.name,
            tenant.fairshare_group,
            tenant.weight,
            tenant.tokens_per_minute,
            tenant.requests_per_minute,
            tenant.max_in_flight,
            tenant.status,
            tenant.policy,
            json.dumps(dict(tenant.metadata)),
        )
    except asyncpg.UniqueViolationError as error:
        raise TenantNameTaken(tenant.name) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownGroup(tenant.fairshare_group) from error
    return _tenant(row)


async def _lock_owners(connection: Connection, policy: str | None, group: str | None) -> None:
    """Waits for a change of them that is being made, which does not see yet that this tenant refers to them."""
    if policy is not None and await connection.fetchval(LOCK_POLICY, policy) is None:
        raise UnknownPolicy(policy)
    if group is not None and await connection.fetchval(LOCK_GROUP, group) is None:
        raise UnknownGroup(group)


def _tenant(row: Row) -> Tenant:
    return Tenant(**{**row, "metadata": json.loads(row["metadata"])})

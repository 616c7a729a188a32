"""Tenants in Postgres.

The policy, the group and the organization that a tenant is to refer to are locked before its own row: see change.py for
the order.
"""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg

from store.postgres import Connection, PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.tenants import (
    NewTenant,
    NoSuchTenant,
    Position,
    Tenant,
    TenantChange,
    TenantIdTaken,
    TenantNameTaken,
    UnknownGroup,
    UnknownPolicy,
    changed,
)
from tenancy.postgres.people.organizations import lock_for_tenant
from tenancy.postgres.rows import Rows, Transaction, refusing

COLUMNS = """
id, name, fairshare_group, weight, tokens_per_minute, requests_per_minute, max_in_flight, status, policy, metadata,
version, display_name, description, created_at, updated_at, organization,
follows_default_rate
"""
INSERT = f"""
INSERT INTO tenants (id, name, fairshare_group, weight, tokens_per_minute, requests_per_minute, max_in_flight, status,
                     policy, metadata, display_name, description, follows_default_rate, organization)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb, $11, $12, $13, $14) RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM tenants WHERE id = $1"
LOCK = f"{GET} FOR UPDATE"
PAGE = f"""
SELECT {COLUMNS} FROM tenants WHERE ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3)) AND ($4 = '' OR name = $4)
AND ($5 = '' OR position(lower($5) IN lower(name)) > 0 OR position(lower($5) IN lower(display_name)) > 0)
AND ($6::text IS NULL OR organization = $6)
ORDER BY created_at, id LIMIT $1
"""
UPDATE = f"""
UPDATE tenants SET name = $2, fairshare_group = $3, weight = $4, tokens_per_minute = $5, requests_per_minute = $6,
                   max_in_flight = $7, status = $8, policy = $9, metadata = $10::jsonb, display_name = $11,
                   description = $12, follows_default_rate = $13, version = version + 1, updated_at = now()
WHERE id = $1 RETURNING {COLUMNS}
"""
ID = "tenants_pkey"  # the constraint that a taken id violates
DELETE = "DELETE FROM tenants WHERE id = $1"
DELETE_KEYS = "DELETE FROM api_keys WHERE tenant_id = $1"
COUNT_USERS = "SELECT count(*) FROM users WHERE tenant_id = $1"
KEYS = "SELECT id FROM api_keys WHERE tenant_id = $1 ORDER BY id"
LIMITS = "SELECT id FROM limits WHERE tenant_id = $1 ORDER BY id"
LOCK_POLICY = "SELECT name FROM policies WHERE name = $1 FOR SHARE"
LOCK_GROUP = "SELECT name FROM fairshare_groups WHERE name = $1 FOR KEY SHARE"
# A row for every secret of the tenant's keys: to be written before they are deleted.
ANNOUNCE = """
INSERT INTO redis_outbox (key_hash, version)
SELECT key_hash, $2 FROM key_secrets WHERE tenant_id = $1
"""


class PostgresTenants:
    """Implements tenancy.directory.tenants.Tenants."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = rows(pool)

    async def create(self, new: NewTenant, by: ChangeRequest) -> Tenant:
        async with self._rows.transaction(by) as transaction:
            return await create(transaction, new)

    async def get(self, tenant_id: str) -> Tenant | None:
        return await self._rows.one(GET, tenant_id)

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        name: str = "",
        part: str = "",
        organization: str | None = None,
    ) -> tuple[Tenant, ...]:
        return await self._rows.many(PAGE, limit, *(after or (None, None)), name, part, organization)

    async def update(self, tenant_id: str, change: TenantChange, by: ChangeRequest) -> Tenant:
        async with self._rows.transaction(by) as transaction:
            return await update(transaction, tenant_id, change)

    async def delete(self, tenant_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            tenant = await transaction.existing(LOCK, tenant_id)
            users: int = await transaction.connection.fetchval(COUNT_USERS, tenant_id)
            keys, limits = await transaction.ids(KEYS, tenant_id), await transaction.ids(LIMITS, tenant_id)
            await transaction.execute(ANNOUNCE, tenant_id, tenant.version + 1)
            # Keys first: they refer to users, and the order of two cascades is not promised.
            await transaction.execute(DELETE_KEYS, tenant_id)
            await transaction.execute(DELETE, tenant_id)
            gone = await transaction.deleted("delete_tenant", "tenants", tenant, api_keys=keys, limits=limits)
            return {"tenants": 1, "users": users} | gone


def rows(pool: PostgresPool) -> Rows[Tenant]:
    return Rows(pool, tenant_of, NoSuchTenant, target_of=lambda tenant: ("tenant", tenant.id))


async def create(transaction: Transaction[Tenant], new: NewTenant) -> Tenant:
    """What Tenants.create does, within a transaction."""
    await _lock_owners(transaction.connection, new.policy, new.fairshare_group)
    if new.organization is not None:
        await lock_for_tenant(transaction.connection, new.organization)
    return await transaction.created("create_tenant", await _write(transaction, INSERT, new, new.organization))


async def update(transaction: Transaction[Tenant], tenant_id: str, change: TenantChange) -> Tenant:
    """What Tenants.update does, within a transaction.  Locks the tenant's row."""
    await _lock_owners(transaction.connection, change.get("policy"), change.get("fairshare_group"))
    before = await transaction.existing(LOCK, tenant_id)
    # Onto the row as it is under the lock, so that two changes of different fields both stay.
    wanted = changed(before, change)
    if wanted == before:
        return before
    after = await _write(transaction, UPDATE, wanted)
    await transaction.execute(ANNOUNCE, tenant_id, after.version)
    return await transaction.updated("update_tenant", before, after)


async def _write(
    transaction: Transaction[Tenant], statement: str, to: NewTenant | Tenant, *organization: str | None
) -> Tenant:
    limits = (to.tokens_per_minute, to.requests_per_minute, to.max_in_flight)
    values = (to.id, to.name, to.fairshare_group, to.weight, *limits, to.status, to.policy)
    said = (json.dumps(dict(to.metadata)), to.display_name, to.description, to.follows_default_rate)
    try:
        with refusing(asyncpg.ForeignKeyViolationError, UnknownGroup(to.fairshare_group)):
            return await transaction.write(statement, *values, *said, *organization)
    except asyncpg.UniqueViolationError as error:
        raise (TenantIdTaken(to.id) if error.constraint_name == ID else TenantNameTaken(to.name)) from error


async def _lock_owners(connection: Connection, policy: str | None, group: str | None) -> None:
    """Waits for a concurrent change of them, which cannot see yet that this tenant refers to them."""
    if policy is not None and await connection.fetchval(LOCK_POLICY, policy) is None:
        raise UnknownPolicy(policy)
    if group is not None and await connection.fetchval(LOCK_GROUP, group) is None:
        raise UnknownGroup(group)


def tenant_of(row: Row | Mapping[str, Any]) -> Tenant:
    return Tenant(**{**row, "metadata": json.loads(row["metadata"])})

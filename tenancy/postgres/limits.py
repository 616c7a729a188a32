"""Limits in Postgres.  A change locks the tenant's row, or the group's and then those of all its tenants."""

from contextlib import suppress
from dataclasses import replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.stored_limits import (
    LimitChange,
    LimitNameTaken,
    NewLimit,
    NoSuchLimit,
    StoredLimit,
    UnknownSubject,
    changed_by,
    check,
    derived,
)
from tenancy.directory.tenants import NoSuchTenant, Position
from tenancy.postgres.change import lock_tenant
from tenancy.postgres.rows import Rows, Transaction, refusing
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Scope, Unit

# In the order of _how, and of _whose.
CHANGEABLE = "name, amount, kind, window_seconds, calendar, time_zone, cached_weight, reasoning_weight, shadow"
SUBJECT = "scope, tenant_id, key_id, user_id, model, fairshare_group, unit"
COLUMNS = f"id, {CHANGEABLE}, {SUBJECT}, created_at, updated_at"
INSERT = f"""
INSERT INTO limits (id, {CHANGEABLE}, {SUBJECT})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM limits WHERE id = $1"
PAGE = f"""
SELECT {COLUMNS} FROM limits WHERE ($4::text IS NULL OR tenant_id = $4)
       AND ($5::text IS NULL OR fairshare_group = $5) AND ($6 = '' OR name = $6)
       AND ($7::text IS NULL OR tenant_id IN (SELECT id FROM tenants WHERE organization = $7))
       AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3))
ORDER BY created_at, id LIMIT $1
"""
UPDATE = f"""
UPDATE limits SET ({CHANGEABLE}, updated_at) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, now())
WHERE id = $1 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM limits WHERE id = $1"
HAS_KEY = "SELECT EXISTS (SELECT 1 FROM api_keys WHERE tenant_id = $1 AND id = $2)"
# Ordered by id, so that two changes do not wait for each other.
LOCK_GROUP = "SELECT name FROM fairshare_groups WHERE name = $1 FOR UPDATE"
LOCK_TENANTS = "SELECT id FROM tenants WHERE fairshare_group = $1 ORDER BY id FOR UPDATE"
COUNT_UP = "UPDATE tenants SET version = version + 1 WHERE id = $1 OR fairshare_group = $2"
ANNOUNCE = """
INSERT INTO redis_outbox (key_hash, version)
SELECT s.key_hash, t.version FROM key_secrets s JOIN tenants t ON t.id = s.tenant_id
WHERE (t.id = $1 OR t.fairshare_group = $2) AND ($3::text IS NULL OR s.key_id = $3)
      AND ($4::text IS NULL OR s.user_id = $4)
"""


class PostgresLimits:
    """Implements tenancy.directory.stored_limits.Limits."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = rows(pool)

    async def create(self, new: NewLimit, by: ChangeRequest) -> StoredLimit:
        async with self._rows.transaction(by) as transaction:
            return await create(transaction, new)

    async def get(self, limit_id: str) -> StoredLimit | None:
        return await self._rows.one(GET, limit_id)

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        group: str | None = None,
        name: str = "",
        organization: str | None = None,
    ) -> tuple[StoredLimit, ...]:
        return await self._rows.many(PAGE, limit, *(after or (None, None)), tenant_id, group, name, organization)

    async def update(self, limit_id: str, change: LimitChange, by: ChangeRequest) -> StoredLimit:
        async with self._rows.transaction(by) as transaction:
            return await update(transaction, limit_id, change)

    async def delete(self, limit_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            return await delete(transaction, limit_id)


def rows(pool: PostgresPool) -> Rows[StoredLimit]:
    return Rows(pool, _limit, NoSuchLimit, target_of=lambda limit: ("limit", limit.id))


async def create(transaction: Transaction[StoredLimit], new: NewLimit) -> StoredLimit:
    """What Limits.create does, within a transaction; as do `update` and `delete`."""
    check(new)
    new = replace(new, **derived(new))
    await _lock_owner(transaction.connection, new)
    if new.key_id is not None and not await transaction.connection.fetchval(HAS_KEY, new.tenant_id, new.key_id):
        raise UnknownSubject(new.key_id, "key_id")
    limit = await _write(transaction, INSERT, new, *_whose(new))
    await _announce(transaction.connection, limit)
    return await transaction.created("create_limit", limit)


async def update(transaction: Transaction[StoredLimit], limit_id: str, change: LimitChange) -> StoredLimit:
    before = await _existing(transaction, limit_id)
    wanted = changed_by(before, change)
    if wanted == before:
        return before
    check(wanted)
    after = await _write(transaction, UPDATE, wanted)
    await _announce(transaction.connection, after)
    return await transaction.updated("update_limit", before, after)


async def delete(transaction: Transaction[StoredLimit], limit_id: str) -> Deleted:
    limit = await _existing(transaction, limit_id)
    await transaction.execute(DELETE, limit_id)
    await _announce(transaction.connection, limit)
    return await transaction.deleted("delete_limit", "limits", limit)


async def _existing(transaction: Transaction[StoredLimit], limit_id: str) -> StoredLimit:
    """The limit, with what it belongs to locked; NoSuchLimit, StateChanged."""
    limit = await transaction.find(GET, limit_id)
    if limit is not None:
        with suppress(UnknownSubject):  # deleted with the limit while we waited
            await _lock_owner(transaction.connection, limit)
    # Read again under the lock: it may have changed, or been deleted, while we waited.
    return await transaction.existing(GET, limit_id)


async def _lock_owner(connection: Connection, limit: NewLimit | StoredLimit) -> None:
    """Locks the tenant, or the group and its tenants; UnknownSubject.  A tenant that is moved into the group meanwhile
    waits, since that locks the group's row too."""
    if limit.tenant_id is not None:
        try:
            await lock_tenant(connection, limit.tenant_id)
        except NoSuchTenant as error:
            raise UnknownSubject(limit.tenant_id, "tenant_id") from error
    elif await connection.fetchval(LOCK_GROUP, limit.fairshare_group) is None:
        raise UnknownSubject(limit.fairshare_group, "fairshare_group")
    else:
        await connection.fetch(LOCK_TENANTS, limit.fairshare_group)


async def _announce(connection: Connection, limit: StoredLimit) -> None:
    """Counts up the version of every tenant that it concerns, and adds outbox rows for the keys."""
    await connection.execute(COUNT_UP, limit.tenant_id, limit.fairshare_group)
    await connection.execute(ANNOUNCE, limit.tenant_id, limit.fairshare_group, limit.key_id, limit.user_id)


async def _write(
    transaction: Transaction[StoredLimit], statement: str, limit: NewLimit | StoredLimit, *whose: str | None
) -> StoredLimit:
    subject = (limit.user_id, "user_id") if limit.user_id else (limit.key_id, "key_id")
    with (
        refusing(asyncpg.UniqueViolationError, LimitNameTaken(limit.name)),
        refusing(asyncpg.ForeignKeyViolationError, UnknownSubject(*subject)),
    ):
        return await transaction.write(statement, limit.id, *_how(limit), *whose)


def _how(limit: NewLimit | StoredLimit) -> tuple[object, ...]:
    window = (limit.kind, limit.window_seconds, limit.calendar, limit.time_zone)
    return (limit.name, limit.amount, *window, limit.cached_weight, limit.reasoning_weight, limit.shadow)


def _whose(new: NewLimit) -> tuple[str | None, ...]:
    return new.scope, new.tenant_id, new.key_id, new.user_id, new.model, new.fairshare_group, new.unit


def _limit(row: Row) -> StoredLimit:
    kinds = {"scope": Scope(row["scope"]), "unit": Unit(row["unit"]), "kind": Kind(row["kind"])}
    return StoredLimit(**{**row, **kinds, "calendar": row["calendar"] and Calendar(row["calendar"])})

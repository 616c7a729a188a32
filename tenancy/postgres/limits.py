"""Limits in Postgres.  A change takes the lock of the tenant's row, or of the group's and then of all its tenants'."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from contextlib import suppress
from dataclasses import replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.stored_limits import (
    LimitChange,
    LimitNameTaken,
    NewLimit,
    NoSuchLimit,
    StoredLimit,
    UnknownSubject,
    changed_by,
    check,
    settled,
)
from tenancy.directory.tenants import NoSuchTenant, Position
from tenancy.directory.terms import require
from tenancy.postgres.change import audit, changing, written
from tenancy.postgres.tenants import lock_tenant
from tenancy.values.calendar import Calendar
from tenancy.values.limit import Kind, Scope, Unit

CHANGEABLE = (
    "name, amount, kind, window_seconds, calendar, time_zone, cached_weight, reasoning_weight, shadow"  # as _how
)
SUBJECT = "scope, tenant_id, key_id, user_id, model, fairshare_group, unit"
COLUMNS = f"id, {CHANGEABLE}, {SUBJECT}, created_at, updated_at"
INSERT = (
    f"INSERT INTO limits (id, {CHANGEABLE}, {SUBJECT})"
    f" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) RETURNING {COLUMNS}"
)
UPDATE = (
    f"UPDATE limits SET ({CHANGEABLE}, updated_at) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, now())"
    f" WHERE id = $1 RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM limits WHERE id = $1"
PAGE = (
    f"SELECT {COLUMNS} FROM limits WHERE ($4::text IS NULL OR tenant_id = $4)"
    " AND ($5::text IS NULL OR fairshare_group = $5) AND ($6 = '' OR name = $6)"
    " AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3)) ORDER BY created_at, id LIMIT $1"
)
# In the order of their ids, so that two changes do not wait for each other.
LOCK_GROUP = "SELECT name FROM fairshare_groups WHERE name = $1 FOR UPDATE"
LOCK_TENANTS = "SELECT id FROM tenants WHERE fairshare_group = $1 ORDER BY id FOR UPDATE"
COUNT_UP = "UPDATE tenants SET version = version + 1 WHERE id = $1 OR fairshare_group = $2"
ANNOUNCE = """
INSERT INTO redis_outbox (key_hash, version)
SELECT s.key_hash, t.version FROM key_secrets s JOIN tenants t ON t.id = s.tenant_id
WHERE (t.id = $1 OR t.fairshare_group = $2) AND ($3::text IS NULL OR s.key_id = $3)
      AND ($4::text IS NULL OR s.user_id = $4)
"""
HAS_KEY = "SELECT EXISTS (SELECT 1 FROM api_keys WHERE tenant_id = $1 AND id = $2)"


class PostgresLimits:
    """Implements tenancy.directory.stored_limits.Limits."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, new: NewLimit, by: ChangeRequest) -> StoredLimit:
        check(new)
        new = replace(new, **settled(new))
        async with changing(self._pool, by) as connection:
            await _lock(connection, new)
            if new.key_id is not None and not await connection.fetchval(HAS_KEY, new.tenant_id, new.key_id):
                raise UnknownSubject(new.key_id, "key_id")
            limit = await _write(connection, INSERT, new, *_whose(new))
            await _announce(connection, limit)
            await audit(connection, by, "create_limit", ("limit", limit.id), None, snapshot(limit))
        return limit

    async def get(self, limit_id: str) -> StoredLimit | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, limit_id)
        return None if row is None else _limit(row)

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        group: str | None = None,
        name: str = "",
    ) -> tuple[StoredLimit, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, *(after or (None, None)), tenant_id, group, name)
        return tuple(_limit(row) for row in rows)

    async def update(self, limit_id: str, change: LimitChange, by: ChangeRequest) -> StoredLimit:
        async with changing(self._pool, by) as connection:
            before = await _locked(connection, limit_id)
            require(by, before)
            changed = changed_by(before, change)
            if changed == before:
                return before
            check(changed)
            after = await _write(connection, UPDATE, changed)
            await _announce(connection, after)
            await audit(connection, by, "update_limit", ("limit", limit_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, limit_id: str, by: ChangeRequest) -> None:
        async with changing(self._pool, by) as connection:
            limit = await _locked(connection, limit_id)
            require(by, limit)
            await connection.execute("DELETE FROM limits WHERE id = $1", limit_id)
            await _announce(connection, limit)
            await audit(connection, by, "delete_limit", ("limit", limit_id), snapshot(limit), None)


async def _lock(connection: Connection, limit: NewLimit | StoredLimit) -> None:
    """What the limit belongs to.  A tenant that moves into the group meanwhile waits: it refers to the group's row."""
    if limit.tenant_id is not None:
        try:
            await lock_tenant(connection, limit.tenant_id)
        except NoSuchTenant as error:
            raise UnknownSubject(limit.tenant_id, "tenant_id") from error
    elif await connection.fetchval(LOCK_GROUP, limit.fairshare_group) is None:
        raise UnknownSubject(limit.fairshare_group, "fairshare_group")
    else:
        await connection.fetch(LOCK_TENANTS, limit.fairshare_group)


async def _locked(connection: Connection, limit_id: str) -> StoredLimit:
    """The limit, with what it belongs to locked; NoSuchLimit."""
    row = await connection.fetchrow(GET, limit_id)
    if row is None:
        raise NoSuchLimit(limit_id)
    with suppress(UnknownSubject):  # gone with the limit, while we waited
        await _lock(connection, _limit(row))
    # Read again under the lock: it may have changed, or gone, while we waited.
    row = await connection.fetchrow(GET, limit_id)
    if row is None:
        raise NoSuchLimit(limit_id)
    return _limit(row)


async def _announce(connection: Connection, limit: StoredLimit) -> None:
    """Counts up the version of every tenant that it concerns, and leaves word of their keys for Redis."""
    await connection.execute(COUNT_UP, limit.tenant_id, limit.fairshare_group)
    await connection.execute(ANNOUNCE, limit.tenant_id, limit.fairshare_group, limit.key_id, limit.user_id)


async def _write(
    connection: Connection, statement: str, limit: NewLimit | StoredLimit, *whose: str | None
) -> StoredLimit:
    try:
        return _limit(await written(connection, statement, limit.id, *_how(limit), *whose))
    except asyncpg.UniqueViolationError as error:
        raise LimitNameTaken(limit.name) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownSubject(*((limit.user_id, "user_id") if limit.user_id else (limit.key_id, "key_id"))) from error


def _how(limit: NewLimit | StoredLimit) -> tuple[object, ...]:
    """In the order of CHANGEABLE."""
    window = (limit.kind, limit.window_seconds, limit.calendar, limit.time_zone)
    return (limit.name, limit.amount, *window, limit.cached_weight, limit.reasoning_weight, limit.shadow)


def _whose(new: NewLimit) -> tuple[str | None, ...]:
    """In the order of SUBJECT."""
    return new.scope, new.tenant_id, new.key_id, new.user_id, new.model, new.fairshare_group, new.unit


def _limit(row: Row) -> StoredLimit:
    calendar = row["calendar"]
    return StoredLimit(
        **{
            **row,
            "scope": Scope(row["scope"]),
            "unit": Unit(row["unit"]),
            "kind": Kind(row["kind"]),
            "calendar": None if calendar is None else Calendar(calendar),
        }
    )

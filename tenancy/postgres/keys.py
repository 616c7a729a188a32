"""Keys in Postgres.  A key's change takes the lock of its tenant's row first: so changes of one tenant are in order."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from dataclasses import replace
from typing import Any

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.keys import Key, KeyChange, NewKey, NoSuchKey, action_of
from tenancy.directory.tenants import Position
from tenancy.directory.terms import Deleted, require
from tenancy.postgres.change import announce_key, audit, changing, count_up, written
from tenancy.postgres.tenants import lock_tenant
from tenancy.values.secret import hash_secret, prefix_of

COLUMNS = (
    "id, tenant_id, name, key_prefix, user_id, disabled, models_allowed, tokens_per_minute, requests_per_minute,"
    " expires_at, last_used_at, (SELECT max(r.expires_at) FROM retired_secrets r WHERE r.key_id = api_keys.id"
    " AND r.expires_at > now()) AS overlap_until, created_at, updated_at"
)
INSERT = (
    "INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix, user_id, models_allowed, tokens_per_minute,"
    f" requests_per_minute, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING {COLUMNS}"
)
UPDATE = (
    "UPDATE api_keys SET name = $2, disabled = $3, models_allowed = $4, tokens_per_minute = $5,"
    f" requests_per_minute = $6, expires_at = $7, user_id = $8, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"
)
PAGE = (
    f"SELECT {COLUMNS} FROM api_keys WHERE ($4::text IS NULL OR tenant_id = $4)"
    " AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3))"
    " AND ($6 = '' OR name = $6)"
    " AND ($5 = '' OR id IN (SELECT key_id FROM key_secrets WHERE key_prefix COLLATE \"C\" ^@ $5))"
    " ORDER BY created_at, id LIMIT $1"
)
GET = f"SELECT {COLUMNS} FROM api_keys WHERE id = $1"
LIMITS = "SELECT id FROM limits WHERE key_id = $1 ORDER BY id"
UPSERT_USER = (
    "INSERT INTO users (tenant_id, id, email) VALUES ($1, $2, coalesce($3, ''))"
    " ON CONFLICT (tenant_id, id) DO UPDATE SET email = coalesce($3, users.email)"
)
# $2: the overlap in seconds, which bounds every secret but the new one.
RETIRE = (
    "INSERT INTO retired_secrets (key_hash, key_id, key_prefix, expires_at)"
    " SELECT key_hash, id, key_prefix, now() + make_interval(secs => $2) FROM api_keys WHERE id = $1"
)
BOUND = "UPDATE retired_secrets SET expires_at = least(expires_at, now() + make_interval(secs => $2)) WHERE key_id = $1"
FORGET = "DELETE FROM retired_secrets WHERE key_id = $1 AND expires_at <= now()"
RENEW = f"UPDATE api_keys SET key_hash = $2, key_prefix = $3, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"


class PostgresKeys:
    """Implements tenancy.directory.keys.Keys."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, tenant_id: str, new: NewKey, by: ChangeRequest) -> Key:
        async with changing(self._pool, by) as connection:
            await lock_tenant(connection, tenant_id)
            version = await count_up(connection, tenant_id)
            if new.user_id is not None:
                await connection.execute(UPSERT_USER, tenant_id, new.user_id, new.user_email)
            key = _key(await written(connection, INSERT, *_values(tenant_id, new)))
            await announce_key(connection, key.id, version)
            await audit(connection, by, "create_api_key", ("api_key", key.id), None, snapshot(key))
        return key

    async def get(self, key_id: str) -> Key | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, key_id)
        return None if row is None else _key(row)

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        prefix: str = "",
        name: str = "",
    ) -> tuple[Key, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, *(after or (None, None)), tenant_id, prefix, name)
        return tuple(_key(row) for row in rows)

    async def update(self, key_id: str, change: KeyChange, by: ChangeRequest) -> Key:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, key_id)
            require(by, before)
            changed = replace(before, **change)
            if changed == before:
                return before
            version = await count_up(connection, before.tenant_id)
            if changed.user_id is not None:
                await connection.execute(UPSERT_USER, before.tenant_id, changed.user_id, None)
            after = await _update(connection, changed)
            await announce_key(connection, key_id, version)
            action = action_of(before, after)
            await audit(connection, by, action, ("api_key", key_id), snapshot(before), snapshot(after))
        return after

    async def rotate(self, key_id: str, secret: str, overlap_seconds: int, by: ChangeRequest) -> Key:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, key_id)
            require(by, before)
            version = await count_up(connection, before.tenant_id)
            await announce_key(connection, key_id, version)  # the old secrets, which may be gone below
            if overlap_seconds:
                await connection.execute(RETIRE, key_id, float(overlap_seconds))
            await connection.execute(BOUND, key_id, float(overlap_seconds))
            await connection.execute(FORGET, key_id)
            after = _key(await written(connection, RENEW, key_id, hash_secret(secret), prefix_of(secret)))
            await announce_key(connection, key_id, version)
            await audit(connection, by, "rotate_api_key", ("api_key", key_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, key_id: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            key = await _lock(connection, key_id)
            require(by, key)
            limits = [row["id"] for row in await connection.fetch(LIMITS, key_id)]
            await announce_key(connection, key_id, await count_up(connection, key.tenant_id))
            await connection.execute("DELETE FROM api_keys WHERE id = $1", key_id)
            gone = {**snapshot(key), "limits": limits}
            await audit(connection, by, "delete_api_key", ("api_key", key_id), gone, None)
        return {"api_keys": 1, "limits": len(limits)}


async def _lock(connection: Connection, key_id: str) -> Key:
    """The key, with its tenant's row locked; NoSuchKey."""
    tenant_id = await connection.fetchval("SELECT tenant_id FROM api_keys WHERE id = $1", key_id)
    if tenant_id is None:
        raise NoSuchKey(key_id)
    await connection.execute("SELECT id FROM tenants WHERE id = $1 FOR UPDATE", tenant_id)
    # Read again under the lock: it may have changed, or gone, while we waited.
    row = await connection.fetchrow(GET, key_id)
    if row is None:
        raise NoSuchKey(key_id)
    return _key(row)


async def _update(connection: Connection, key: Key) -> Key:
    values = (key.name, key.disabled, key.models_allowed, key.tokens_per_minute, key.requests_per_minute)
    return _key(await written(connection, UPDATE, key.id, *values, key.expires_at, key.user_id))


def _values(tenant_id: str, new: NewKey) -> tuple[Any, ...]:
    """In the order of INSERT."""
    identity = (new.id, tenant_id, new.name, hash_secret(new.secret), prefix_of(new.secret), new.user_id)
    return (*identity, new.models_allowed, new.tokens_per_minute, new.requests_per_minute, new.expires_at)


def _key(row: Row) -> Key:
    models = row["models_allowed"]
    return Key(**{**row, "models_allowed": None if models is None else tuple(models)})

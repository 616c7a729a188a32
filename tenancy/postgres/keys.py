"""Keys in Postgres.  A change locks the tenant's row first, so the changes of one tenant are made in order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import asyncpg

from store.postgres import PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.keys import Key, KeyChange, NewKey, NoSuchKey, SecretTaken, action_of
from tenancy.directory.tenants import Position
from tenancy.postgres.change import count_up, lock_tenant
from tenancy.postgres.rows import Rows, Transaction, refusing
from tenancy.values.secret import hash_secret, prefix_of

COLUMNS = """
id, tenant_id, name, key_prefix, user_id, disabled, models_allowed, tokens_per_minute, requests_per_minute, expires_at,
last_used_at, (SELECT max(r.expires_at) FROM retired_secrets r WHERE r.key_id = api_keys.id AND r.expires_at > now())
AS overlap_until, created_at, updated_at, max_in_flight
"""
INSERT = f"""
INSERT INTO api_keys (id, tenant_id, name, key_hash, key_prefix, user_id, models_allowed, tokens_per_minute,
                      requests_per_minute, expires_at, max_in_flight, disabled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM api_keys WHERE id = $1"
BY_SECRET = f"""
SELECT {COLUMNS} FROM api_keys WHERE id = (SELECT key_id FROM key_secrets
                                           WHERE key_hash = $1 AND (retired_at IS NULL OR retired_at > now()))
"""
PAGE = f"""
SELECT {COLUMNS} FROM api_keys WHERE ($4::text IS NULL OR tenant_id = $4)
       AND ($2::timestamptz IS NULL OR (created_at, id) > ($2, $3)) AND ($6 = '' OR name = $6)
       AND ($7::text IS NULL OR tenant_id IN (SELECT id FROM tenants WHERE organization = $7))
       AND ($5 = '' OR id IN (SELECT key_id FROM key_secrets WHERE key_prefix COLLATE "C" ^@ $5))
ORDER BY created_at, id LIMIT $1
"""
UPDATE = f"""
UPDATE api_keys SET name = $2, disabled = $3, models_allowed = $4, tokens_per_minute = $5, requests_per_minute = $6,
                    expires_at = $7, user_id = $8, max_in_flight = $9, updated_at = now()
WHERE id = $1 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM api_keys WHERE id = $1"
LIMITS = "SELECT id FROM limits WHERE key_id = $1 ORDER BY id"
LOCK_TENANT = "SELECT id FROM tenants WHERE id = (SELECT tenant_id FROM api_keys WHERE id = $1) FOR UPDATE"
UPSERT_USER = """
INSERT INTO users (tenant_id, id, email) VALUES ($1, $2, coalesce($3, ''))
ON CONFLICT (tenant_id, id) DO UPDATE SET email = coalesce($3, users.email)
"""
# $2: the overlap in seconds, after which every secret but the new one has ended.
RETIRE = """
INSERT INTO retired_secrets (key_hash, key_id, key_prefix, expires_at)
SELECT key_hash, id, key_prefix, now() + make_interval(secs => $2) FROM api_keys WHERE id = $1
"""
BOUND = "UPDATE retired_secrets SET expires_at = least(expires_at, now() + make_interval(secs => $2)) WHERE key_id = $1"
FORGET = "DELETE FROM retired_secrets WHERE key_id = $1 AND expires_at <= now()"
RENEW = f"""
UPDATE api_keys SET key_hash = $2, key_prefix = $3, secret_since = now(), updated_at = now()
WHERE id = $1 RETURNING {COLUMNS}
"""
# A row for every secret of the key: to be written before one of them is deleted.
ANNOUNCE = """
INSERT INTO redis_outbox (key_hash, version)
SELECT key_hash, $2 FROM key_secrets WHERE key_id = $1
"""


class PostgresKeys:
    """Implements tenancy.directory.keys.Keys."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, key_of, NoSuchKey, target_of=lambda key: ("api_key", key.id))

    async def create(self, tenant_id: str, new: NewKey, by: ChangeRequest) -> Key:
        async with self._rows.transaction(by) as transaction:
            await lock_tenant(transaction.connection, tenant_id)
            version = await count_up(transaction.connection, tenant_id)
            if new.user_id is not None:
                await transaction.execute(UPSERT_USER, tenant_id, new.user_id, new.user_email)
            identity = (new.id, tenant_id, new.name, *new.stored, new.user_id)
            bounds = (
                new.models_allowed,
                new.tokens_per_minute,
                new.requests_per_minute,
                new.expires_at,
                new.max_in_flight,
                new.disabled,
            )
            with refusing(asyncpg.UniqueViolationError, SecretTaken(new.id)):
                key = await transaction.write(INSERT, *identity, *bounds)
            await transaction.execute(ANNOUNCE, key.id, version)
            return await transaction.created("create_api_key", key)

    async def get(self, key_id: str) -> Key | None:
        return await self._rows.one(GET, key_id)

    async def by_secret(self, secret: str) -> Key | None:
        return await self._rows.one(BY_SECRET, hash_secret(secret))

    async def page(
        self,
        limit: int,
        after: Position | None = None,
        tenant_id: str | None = None,
        prefix: str = "",
        name: str = "",
        organization: str | None = None,
    ) -> tuple[Key, ...]:
        return await self._rows.many(PAGE, limit, *(after or (None, None)), tenant_id, prefix, name, organization)

    async def update(self, key_id: str, change: KeyChange, by: ChangeRequest) -> Key:
        async with self._rows.transaction(by) as transaction:
            before = await _existing(transaction, key_id)
            key = replace(before, **change)
            if key == before:
                return before
            version = await count_up(transaction.connection, key.tenant_id)
            if key.user_id is not None:
                await transaction.execute(UPSERT_USER, key.tenant_id, key.user_id, None)
            limits = (key.models_allowed, key.tokens_per_minute, key.requests_per_minute)
            values = (key.name, key.disabled, *limits, key.expires_at, key.user_id, key.max_in_flight)
            after = await transaction.write(UPDATE, key_id, *values)
            await transaction.execute(ANNOUNCE, key_id, version)
            return await transaction.updated(action_of(before, after), before, after)

    async def rotate(self, key_id: str, secret: str, overlap_seconds: int, by: ChangeRequest) -> Key:
        async with self._rows.transaction(by) as transaction:
            before = await _existing(transaction, key_id)
            version = await count_up(transaction.connection, before.tenant_id)
            await transaction.execute(ANNOUNCE, key_id, version)  # the old secrets, which may be gone below
            if overlap_seconds:
                await transaction.execute(RETIRE, key_id, float(overlap_seconds))
            await transaction.execute(BOUND, key_id, float(overlap_seconds))
            await transaction.execute(FORGET, key_id)
            after = await transaction.write(RENEW, key_id, hash_secret(secret), prefix_of(secret))
            await transaction.execute(ANNOUNCE, key_id, version)
            return await transaction.updated("rotate_api_key", before, after)

    async def delete(self, key_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            key = await _existing(transaction, key_id)
            limits = await transaction.ids(LIMITS, key_id)
            version = await count_up(transaction.connection, key.tenant_id)
            await transaction.execute(ANNOUNCE, key_id, version)
            await transaction.execute(DELETE, key_id)
            return await transaction.deleted("delete_api_key", "api_keys", key, limits=limits)


async def _existing(transaction: Transaction[Key], key_id: str) -> Key:
    """The key, with its tenant's row locked; NoSuchKey, StateChanged."""
    await transaction.execute(LOCK_TENANT, key_id)
    # Read under the lock: it may have changed, or been deleted, while we waited.
    return await transaction.existing(GET, key_id)


def key_of(row: Row | Mapping[str, Any]) -> Key:
    models = row["models_allowed"]
    return Key(**{**row, "models_allowed": None if models is None else tuple(models)})

"""Key records from Postgres: one joined query."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import structlog

from store import postgres
from store.postgres import PostgresPool, Row
from tenancy.resolving.records import StoreUnavailable
from tenancy.values.key_record import KeyRecord
from tenancy.values.limit import Limit

log = structlog.get_logger(__name__)

# All columns but the first and the last two are fields of KeyRecord.  asyncpg prepares it once per connection.
# A secret that a rotation retired resolves to its key until it expires.
SELECT = """
SELECT s.key_hash, t.version, k.id AS key_id, k.name AS key_name, t.id AS tenant_id, t.name AS tenant_name,
       t.fairshare_group, t.weight, k.disabled, t.status = 'suspended' AS suspended,
       least(k.expires_at, s.retired_at) AS expires_at, coalesce(k.user_id, '') AS user_id, t.max_in_flight,
       k.models_allowed, t.tokens_per_minute, t.requests_per_minute,
       k.tokens_per_minute AS key_tokens_per_minute, k.requests_per_minute AS key_requests_per_minute,
       k.max_in_flight AS key_max_in_flight,
       u.tokens_per_minute AS user_tokens_per_minute, u.requests_per_minute AS user_requests_per_minute,
       (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.created_at, l.id) FROM limits l
        WHERE l.tenant_id = t.id AND coalesce(l.key_id, k.id) = k.id
              AND (l.user_id IS NULL OR l.user_id = k.user_id)
           OR l.fairshare_group = t.fairshare_group) AS limits,
       (SELECT jsonb_build_object(p.name, p.limits) FROM policies p WHERE p.name = t.policy) AS policy
FROM key_secrets s
JOIN api_keys k ON k.id = s.key_id
JOIN tenants t ON t.id = k.tenant_id
LEFT JOIN users u ON u.tenant_id = k.tenant_id AND u.id = k.user_id
WHERE s.key_hash = ANY ($1::text[])
"""
# Any error of Postgres means that we could not decide; "no such key" would be a wrong answer.
FAILURES: tuple[type[Exception], ...] = (*postgres.UNAVAILABLE, asyncpg.PostgresError)


class PostgresRecordSource:
    """See RecordSource and fetch_in_time."""

    def __init__(self, pool: PostgresPool, timeout: float = 0.5) -> None:
        self._pool, self._timeout = pool, timeout

    async def load(self, key_hash: str) -> KeyRecord | None:
        found = records_of(await fetch_in_time(self._pool, self._timeout, SELECT, [key_hash])).get(key_hash)
        if isinstance(found, Unreadable):
            raise found
        return found

    async def load_many(self, key_hashes: Sequence[str]) -> dict[str, KeyRecord]:
        found = records_of(await fetch_in_time(self._pool, self._timeout, SELECT, list(key_hashes)))
        return {key_hash: record for key_hash, record in found.items() if isinstance(record, KeyRecord)}


async def fetch_in_time(pool: PostgresPool, seconds: float, statement: str, *values: object) -> list[Row]:
    """For sidecars, which wait only briefly: getting a connection and the query each end within `seconds`;
    StoreUnavailable."""
    try:
        # The timeout of acquire() also bounds what release() waits for a cancelled query.
        async with pool.acquire(timeout=seconds) as connection:
            return await connection.fetch(statement, *values, timeout=seconds)
    except FAILURES as error:
        raise StoreUnavailable(f"postgres: {error or type(error).__name__}") from error


class Unreadable(ValueError):
    """A record of a key that this version cannot read: a newer one wrote its limits."""


def records_of(rows: Sequence[Row]) -> dict[str, KeyRecord | Unreadable]:
    """The rows of SELECT as records by key hash; one that cannot be read costs the others nothing."""
    found: dict[str, KeyRecord | Unreadable] = {}
    for row in rows:
        try:
            found[row["key_hash"]] = _record(row)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("a key cannot be read", key_id=row["key_id"], error=repr(error))
            found[row["key_hash"]] = Unreadable(row["key_id"])
    return found


def _record(row: Row) -> KeyRecord:
    fields = dict(row)
    del fields["key_hash"]
    models = fields.pop("models_allowed")
    limits = (*limits_of(fields.pop("limits")), *policy_limits_of(fields.pop("policy")))
    return KeyRecord(**fields, models_allowed=None if models is None else tuple(models), further_limits=limits)


def limits_of(text: str | None) -> tuple[Limit, ...]:
    """From rows of the table `limits` as JSON."""
    return tuple(map(Limit.of_fields, json.loads(text or "[]")))


def policy_limits_of(text: str | None) -> tuple[Limit, ...]:
    """From `{policy: [limit, ...]}`.  Their budgets are found by the names of policy and limit within each tenant."""
    policies: dict[str, list[dict[str, Any]]] = json.loads(text or "{}")
    return tuple(
        replace(limit, id=f"policy:{policy}:{limit.name}")
        for policy, limits in policies.items()
        for limit in map(Limit.of_fields, limits)
    )

"""The limits that a tenant's requests are counted against, from Postgres: shorthand columns, limits, policy, group."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from store.postgres import PostgresPool, Row, reading
from tenancy.directory.stored_limits import InForce
from tenancy.directory.tenants import NoSuchTenant
from tenancy.postgres.records import limits_of, policy_limits_of
from tenancy.values.limit import Limit, Scope, shorthand

# In one statement, so that it is one snapshot and one round trip.
TENANTS = """
SELECT t.id, t.fairshare_group, t.tokens_per_minute, t.requests_per_minute,
       (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.created_at, l.id) FROM limits l
        WHERE l.tenant_id = t.id OR l.fairshare_group = t.fairshare_group) AS limits,
       (SELECT jsonb_build_object(p.name, p.limits) FROM policies p WHERE p.name = t.policy) AS policy,
       (SELECT jsonb_agg(to_jsonb(m)) FROM (
            SELECT 'user' AS scope, id, tokens_per_minute, requests_per_minute FROM users
            WHERE tenant_id = t.id AND ($3::text IS NULL OR id = $3)
                  AND coalesce(tokens_per_minute, requests_per_minute) IS NOT NULL
            UNION ALL
            SELECT 'key', id, tokens_per_minute, requests_per_minute FROM api_keys
            WHERE tenant_id = t.id AND ($2::text IS NULL OR id = $2)
                  AND coalesce(tokens_per_minute, requests_per_minute) IS NOT NULL) AS m) AS members
FROM tenants t WHERE t.id = ANY ($1::text[])
"""


class PostgresLimitsInForce:
    """Implements tenancy.directory.stored_limits.LimitsInForce."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def of_tenant(self, tenant_id: str, key_id: str | None = None, user_id: str | None = None) -> InForce:
        found = await self._find([tenant_id], key_id, user_id)
        if tenant_id not in found:
            raise NoSuchTenant(tenant_id)
        return found[tenant_id]

    async def of_tenants(self, tenant_ids: Sequence[str]) -> Mapping[str, InForce]:
        return await self._find(tenant_ids, None, None) if tenant_ids else {}

    async def _find(self, tenant_ids: Sequence[str], key_id: str | None, user_id: str | None) -> dict[str, InForce]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(TENANTS, [*tenant_ids], key_id, user_id)
        return {row["id"]: _in_force(row, {Scope.KEY: key_id, Scope.USER: user_id}) for row in rows}


def _in_force(row: Row, only: Mapping[Scope, str | None]) -> InForce:
    limits = [*shorthand(Scope.TENANT, "", row["tokens_per_minute"], row["requests_per_minute"])]
    for member in json.loads(row["members"] or "[]"):
        rates = (member["tokens_per_minute"], member["requests_per_minute"])
        limits += shorthand(Scope(member["scope"]), member["id"], *rates)
    for limit in (*limits_of(row["limits"]), *policy_limits_of(row["policy"])):
        named = _named(limit, only.get(limit.scope))
        if named is not None:
            limits.append(named)
    return InForce(row["id"], row["fairshare_group"], tuple(limits))


def _named(limit: Limit, only: str | None) -> Limit | None:
    """The limit as it applies to the key or user `only`; None if it is another's, or for each one and none is given."""
    if limit.scope not in (Scope.KEY, Scope.USER):
        return limit
    if not limit.subject:
        return None if only is None else replace(limit, subject=only)
    return limit if only in (None, limit.subject) else None

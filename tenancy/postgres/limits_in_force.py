"""The limits that a tenant's requests are counted against, from Postgres: shorthand columns, limits, policy, group."""

from dataclasses import replace

from store.postgres import PostgresPool, reading
from tenancy.directory.stored_limits import InForce
from tenancy.directory.tenants import NoSuchTenant
from tenancy.postgres.records import limits_of, policy_limits_of
from tenancy.values.limit import Limit, Scope, shorthand

TENANT = """
SELECT t.fairshare_group, t.tokens_per_minute, t.requests_per_minute,
       (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.created_at, l.id) FROM limits l
        WHERE l.tenant_id = t.id OR l.fairshare_group = t.fairshare_group) AS limits,
       (SELECT jsonb_build_object(p.name, p.limits) FROM policies p WHERE p.name = t.policy) AS policy
FROM tenants t WHERE t.id = $1
"""
MEMBERS = """
SELECT 'user' AS scope, id, tokens_per_minute, requests_per_minute FROM users
WHERE tenant_id = $1 AND ($3::text IS NULL OR id = $3) AND coalesce(tokens_per_minute, requests_per_minute) IS NOT NULL
UNION ALL
SELECT 'key', id, tokens_per_minute, requests_per_minute FROM api_keys
WHERE tenant_id = $1 AND ($2::text IS NULL OR id = $2) AND coalesce(tokens_per_minute, requests_per_minute) IS NOT NULL
"""


class PostgresLimitsInForce:
    """Implements tenancy.directory.stored_limits.LimitsInForce."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def of_tenant(self, tenant_id: str, key_id: str | None = None, user_id: str | None = None) -> InForce:
        async with reading(self._pool) as connection, connection.transaction(isolation="repeatable_read"):
            tenant = await connection.fetchrow(TENANT, tenant_id)
            if tenant is None:
                raise NoSuchTenant(tenant_id)
            members = await connection.fetch(MEMBERS, tenant_id, key_id, user_id)
        limits = [*shorthand(Scope.TENANT, "", tenant["tokens_per_minute"], tenant["requests_per_minute"])]
        for row in members:
            limits += shorthand(Scope(row["scope"]), row["id"], row["tokens_per_minute"], row["requests_per_minute"])
        only = {Scope.KEY: key_id, Scope.USER: user_id}
        for limit in (*limits_of(tenant["limits"]), *policy_limits_of(tenant["policy"])):
            named = _named(limit, only.get(limit.scope))
            if named is not None:
                limits.append(named)
        return InForce(tenant_id, tenant["fairshare_group"], tuple(limits))


def _named(limit: Limit, only: str | None) -> Limit | None:
    """The limit as it applies to the key or user `only`; None if it is another's, or for each one and none is given."""
    if limit.scope not in (Scope.KEY, Scope.USER):
        return limit
    if not limit.subject:
        return None if only is None else replace(limit, subject=only)
    return limit if only in (None, limit.subject) else None

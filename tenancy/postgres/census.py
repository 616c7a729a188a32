"""What budgets count, of all tenants, from Postgres."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from store.postgres import READ_SECONDS, Connection, PostgresPool, Row, reading
from tenancy.directory.census import BudgetChange, DatedLimit, TenantLimits
from tenancy.postgres.records import policy_limits_of
from tenancy.values.limit import Limit, Scope, shorthand

PAGE = 1000
TENANTS = """
SELECT t.id, t.fairshare_group, t.tokens_per_minute, t.requests_per_minute, t.created_at,
       (SELECT jsonb_agg(to_jsonb(l) ORDER BY l.created_at, l.id) FROM limits l
        WHERE l.tenant_id = t.id OR l.fairshare_group = t.fairshare_group) AS limits,
       (SELECT jsonb_build_object(p.name, p.limits) FROM policies p WHERE p.name = t.policy) AS policy,
       (SELECT p.created_at FROM policies p WHERE p.name = t.policy) AS policy_since
FROM tenants t WHERE t.id > $1 AND ($2::text IS NULL OR t.id = $2) ORDER BY t.id LIMIT $3
"""
MEMBERS = """
SELECT tenant_id, 'user' AS scope, id, tokens_per_minute, requests_per_minute, created_at FROM users
WHERE tenant_id = ANY ($1::text[]) AND coalesce(tokens_per_minute, requests_per_minute) IS NOT NULL
UNION ALL
SELECT tenant_id, 'key', id, tokens_per_minute, requests_per_minute, created_at FROM api_keys
WHERE tenant_id = ANY ($1::text[]) AND coalesce(tokens_per_minute, requests_per_minute) IS NOT NULL
"""
CHANGES = """
SELECT ts, action, target_id, before, after FROM audit_log
WHERE ts >= $1 AND target_type = 'tenant' AND action IN ('reset_budget', 'adjust_budget') ORDER BY ts, id
"""


class PostgresCensus:
    """Implements tenancy.directory.census.Census.  `seconds` bound each page."""

    def __init__(self, pool: PostgresPool, seconds: float = READ_SECONDS) -> None:
        self._pool, self._seconds = pool, seconds

    async def limits(self, tenant_id: str | None = None) -> Sequence[TenantLimits]:
        found: list[TenantLimits] = []
        page = PAGE
        while page == PAGE:
            async with reading(self._pool, self._seconds) as connection:
                page = await self._page(connection, found, tenant_id)
        return found

    async def changes(self, since: datetime) -> Sequence[BudgetChange]:
        async with reading(self._pool, self._seconds) as connection:
            rows = await connection.fetch(CHANGES, since)
        return [change for row in rows for change in _changes(row)]

    async def _page(self, connection: Connection, found: list[TenantLimits], tenant_id: str | None) -> int:
        tenants = await connection.fetch(TENANTS, found[-1].tenant_id if found else "", tenant_id, PAGE)
        members: dict[str, list[DatedLimit]] = {}
        for row in await connection.fetch(MEMBERS, [tenant["id"] for tenant in tenants]):
            members.setdefault(row["tenant_id"], []).extend(_columns(row, Scope(row["scope"]), row["id"]))
        for tenant in tenants:
            limits = (*_columns(tenant, Scope.TENANT, ""), *members.get(tenant["id"], ()), *_limits(tenant))
            kept = tuple(each for each in limits if not each.limit.shadow)
            found.append(TenantLimits(tenant["id"], tenant["fairshare_group"], kept))
        return len(tenants)


def _columns(row: Row, scope: Scope, subject: str) -> Iterator[DatedLimit]:
    for limit in shorthand(scope, subject, row["tokens_per_minute"], row["requests_per_minute"]):
        yield DatedLimit(limit, row["created_at"])


def _limits(tenant: Row) -> Iterator[DatedLimit]:
    for fields in json.loads(tenant["limits"] or "[]"):
        yield DatedLimit(Limit.of_fields(fields), datetime.fromisoformat(fields["created_at"]))
    for limit in policy_limits_of(tenant["policy"]):
        yield DatedLimit(limit, tenant["policy_since"])


def _changes(row: Row) -> Iterator[BudgetChange]:
    """An audit entry in another format, as an older version may have written it, counts as no change."""
    before, after = (json.loads(row[name] or "{}") for name in ("before", "after"))
    if row["action"] == "adjust_budget":
        pairs: list[tuple[Any, Any]] = [(after.get("budget"), after.get("given_back"))]
    else:
        pairs = [(name, None) for name in before.get("used", {})]
    for name, given_back in pairs:
        if isinstance(name, str) and isinstance(given_back, int | None):
            yield BudgetChange(row["target_id"], name, row["ts"], given_back)

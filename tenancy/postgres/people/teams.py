"""Teams in Postgres, on the tables of tenants, limits, policies and keys: a change of several is one transaction."""

from collections.abc import Sequence

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.change_request import ChangeRequest
from tenancy.directory.stored_limits import LimitChange, LimitNameTaken, NewLimit, StoredLimit
from tenancy.directory.teams import TOKEN_LIMIT, Headcount, HeldKey, Member, NoTokenLimit, Team, TokenLimitChange
from tenancy.directory.tenants import NewTenant, TenantChange
from tenancy.postgres import keys, limits, policies, tenants
from tenancy.postgres.rows import Transaction
from tenancy.values.limit import UTC, Kind, Scope, Unit

HEADCOUNT = f"""
SELECT {tenants.COLUMNS}, keys, users FROM tenants CROSS JOIN LATERAL (
    SELECT count(*) AS keys, count(DISTINCT user_id) AS users FROM api_keys WHERE tenant_id = tenants.id
) AS counted
"""
OF = "($1::text IS NULL OR organization = $1)"
WITHIN = "($1::text IS NULL OR tenant_id IN (SELECT id FROM tenants WHERE organization = $1))"
PAGE = f"""{HEADCOUNT} WHERE {OF} AND id > $3 COLLATE "C" ORDER BY id COLLATE "C" LIMIT $2"""
BY_IDS = f"""{HEADCOUNT} WHERE {OF} AND id = ANY ($2::text[]) ORDER BY id COLLATE "C" """
COUNT = f"SELECT count(*) FROM tenants WHERE {OF}"
KEYS = f"""
SELECT {keys.COLUMNS}, coalesce((SELECT email FROM users u WHERE u.tenant_id = api_keys.tenant_id
                                 AND u.id = api_keys.user_id), '') AS email
FROM api_keys WHERE {WITHIN} AND ($3::text IS NULL OR tenant_id = $3) AND ($4::text IS NULL OR user_id = $4)
ORDER BY name COLLATE "C", id LIMIT $2
"""
MEMBERS = f"""
SELECT tenant_id, id AS user_id, email, created_at AS joined_at FROM users u
WHERE {WITHIN} AND ($3::text IS NULL OR tenant_id = $3) AND CASE WHEN $4::text[] IS NULL
      THEN EXISTS (SELECT 1 FROM api_keys k WHERE k.tenant_id = u.tenant_id AND k.user_id = u.id)
      ELSE id = ANY ($4) END
ORDER BY id COLLATE "C", tenant_id COLLATE "C" LIMIT $2
"""
LIMIT = f"SELECT {limits.COLUMNS} FROM limits WHERE tenant_id = $1 AND name = $2"


class PostgresTeams:
    """Implements tenancy.directory.teams.Teams."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._tenants, self._limits, self._policies = tenants.rows(pool), limits.rows(pool), policies.rows(pool)

    async def create(self, new: NewTenant, limit: TokenLimitChange, by: ChangeRequest) -> Team:
        async with self._tenants.transaction(by) as transaction:
            await self._make_policy(transaction.connection, new.policy, by)
            tenant = await tenants.create(transaction, new)
            return Team(tenant, await self._set_limit(transaction.connection, tenant.id, limit, by))

    async def update(self, team_id: str, change: TenantChange, limit: TokenLimitChange, by: ChangeRequest) -> Team:
        async with self._tenants.transaction(by) as transaction:
            await self._make_policy(transaction.connection, change.get("policy"), by)
            tenant = await tenants.update(transaction, team_id, change)
            return Team(tenant, await self._set_limit(transaction.connection, team_id, limit, by))

    async def page(self, limit: int, after: str = "", organization: str | None = None) -> tuple[Headcount, ...]:
        return await self._headcounts(PAGE, organization, limit, after)

    async def count(self, organization: str | None = None) -> int:
        async with reading(self._pool) as connection:
            count: int = await connection.fetchval(COUNT, organization)
        return count

    async def by_ids(self, team_ids: Sequence[str], organization: str | None = None) -> tuple[Headcount, ...]:
        return await self._headcounts(BY_IDS, organization, list(team_ids))

    async def keys(
        self, limit: int, team_id: str | None = None, user_id: str | None = None, organization: str | None = None
    ) -> tuple[HeldKey, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(KEYS, organization, limit, team_id, user_id)
        return tuple(map(_held, rows))

    async def members(
        self,
        limit: int,
        team_id: str | None = None,
        user_ids: Sequence[str] | None = None,
        organization: str | None = None,
    ) -> tuple[Member, ...]:
        ids = None if user_ids is None else list(user_ids)
        async with reading(self._pool) as connection:
            rows = await connection.fetch(MEMBERS, organization, limit, team_id, ids)
        return tuple(Member(**row) for row in rows)

    async def _headcounts(self, statement: str, *values: object) -> tuple[Headcount, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(statement, *values)
        return tuple(map(_headcount, rows))

    async def _make_policy(self, connection: Connection, name: str | None, by: ChangeRequest) -> None:
        if name is not None:
            await policies.make(Transaction(self._policies, connection, by), name)

    async def _set_limit(
        self, connection: Connection, team_id: str, change: TokenLimitChange, by: ChangeRequest
    ) -> StoredLimit | None:
        """The limit as it is then.  To be called with the tenant's row locked, or new."""
        transaction = Transaction(self._limits, connection, by)
        before = await transaction.find(LIMIT, team_id, TOKEN_LIMIT)
        if not change:
            return before
        if before is not None and (before.scope, before.unit) != (Scope.TENANT, Unit.TOKENS):
            raise LimitNameTaken(TOKEN_LIMIT)
        if "amount" in change and change["amount"] is None:
            if before is not None:
                await limits.delete(transaction, before.id)
            return None
        if before is not None:
            return await limits.update(transaction, before.id, _changed(change))
        amount, seconds = change.get("amount"), change.get("window_seconds")
        if amount is None or seconds is None:
            raise NoTokenLimit(team_id)
        new = NewLimit(Scope.TENANT, Unit.TOKENS, amount, seconds, tenant_id=team_id, name=TOKEN_LIMIT, kind=Kind.FIXED)
        return await limits.create(transaction, new)


def _changed(change: TokenLimitChange) -> LimitChange:
    fields: LimitChange = {}
    if (amount := change.get("amount")) is not None:
        fields["amount"] = amount
    if "window_seconds" in change:
        fields |= {"window_seconds": change["window_seconds"], "kind": Kind.FIXED, "time_zone": UTC}
    return fields


def _headcount(row: Row) -> Headcount:
    fields = dict(row)
    counts = {name: fields.pop(name) for name in ("keys", "users")}
    return Headcount(tenants.tenant_of(fields), **counts)


def _held(row: Row) -> HeldKey:
    fields = dict(row)
    email = fields.pop("email")
    return HeldKey(keys.key_of(fields), email)

"""Users in Postgres.  A change locks the tenant's row first, as do those of keys."""

from store.postgres import PostgresPool
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.users import NewUser, NoSuchUser, User, UserHasKeys
from tenancy.postgres.change import count_up, lock_tenant
from tenancy.postgres.rows import Rows

COLUMNS = "tenant_id, id, email, tokens_per_minute, requests_per_minute, created_at"
PUT = f"""
INSERT INTO users (tenant_id, id, email, tokens_per_minute, requests_per_minute) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id, id) DO UPDATE SET email = $3, tokens_per_minute = $4, requests_per_minute = $5
RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM users WHERE tenant_id = $1 AND id = $2"
PAGE = f"""
SELECT {COLUMNS} FROM users WHERE tenant_id = $3 AND id > $2 COLLATE "C" ORDER BY id COLLATE "C" LIMIT $1
"""
DELETE = "DELETE FROM users WHERE tenant_id = $1 AND id = $2"
DELETE_KEYS = "DELETE FROM api_keys WHERE id = ANY ($1::text[])"
KEYS = "SELECT id FROM api_keys WHERE tenant_id = $1 AND user_id = $2 ORDER BY id"
LIMITS = "SELECT id FROM limits WHERE tenant_id = $1 AND (user_id = $2 OR key_id = ANY ($3::text[])) ORDER BY id"
# A row for every secret of the user's keys: to be written before they are deleted.
ANNOUNCE = """
INSERT INTO redis_outbox (key_hash, version)
SELECT key_hash, $3 FROM key_secrets WHERE tenant_id = $1 AND user_id = $2
"""


class PostgresUsers:
    """Implements tenancy.directory.users.Users."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, lambda row: User(**row), NoSuchUser, target_of=lambda user: user.target)

    async def put(self, tenant_id: str, new: NewUser, by: ChangeRequest) -> User:
        async with self._rows.transaction(by) as transaction:
            await lock_tenant(transaction.connection, tenant_id)
            before = await transaction.find(GET, tenant_id, new.id)
            require(by, before)
            values = (new.email, new.tokens_per_minute, new.requests_per_minute)
            if before and (before.email, before.tokens_per_minute, before.requests_per_minute) == values:
                return before
            after = await transaction.write(PUT, tenant_id, new.id, *values)
            version = await count_up(transaction.connection, tenant_id)
            await transaction.execute(ANNOUNCE, tenant_id, new.id, version)
            if before is None:
                return await transaction.created("create_user", after)
            return await transaction.updated("update_user", before, after)

    async def page(self, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
        return await self._rows.many(PAGE, limit, after, tenant_id)

    async def get(self, tenant_id: str, user_id: str) -> User | None:
        return await self._rows.one(GET, tenant_id, user_id)

    async def delete(self, tenant_id: str, user_id: str, by: ChangeRequest, *, cascade: bool = False) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            await lock_tenant(transaction.connection, tenant_id)
            user = await transaction.existing(GET, tenant_id, user_id)
            keys = await transaction.ids(KEYS, tenant_id, user_id)
            if keys and not cascade:
                raise UserHasKeys(user_id)
            limits = await transaction.ids(LIMITS, tenant_id, user_id, keys)
            version = await count_up(transaction.connection, tenant_id)
            await transaction.execute(ANNOUNCE, tenant_id, user_id, version)
            await transaction.execute(DELETE_KEYS, keys)
            await transaction.execute(DELETE, tenant_id, user_id)
            return await transaction.deleted("delete_user", "users", user, api_keys=keys, limits=limits)

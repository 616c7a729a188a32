"""Users in Postgres.  A change takes the lock of the tenant's row, like those of keys."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from store.postgres import Connection, PostgresPool, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.terms import Deleted, require
from tenancy.directory.users import NewUser, NoSuchUser, User, UserHasKeys
from tenancy.postgres.change import audit, changing, count_up, written
from tenancy.postgres.tenants import lock_tenant

COLUMNS = "tenant_id, id, email, tokens_per_minute, requests_per_minute, created_at"
PUT = (
    "INSERT INTO users (tenant_id, id, email, tokens_per_minute, requests_per_minute) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (tenant_id, id) DO UPDATE SET email = $3, tokens_per_minute = $4, requests_per_minute = $5"
    f" RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM users WHERE tenant_id = $1 AND id = $2"
# By the bytes, so that the order is the same whatever the database's collation is.
PAGE = f"""
SELECT {COLUMNS} FROM users WHERE tenant_id = $3 AND id > $2 COLLATE "C" ORDER BY id COLLATE "C" LIMIT $1
"""
KEYS = "SELECT id FROM api_keys WHERE tenant_id = $1 AND user_id = $2 ORDER BY id"
LIMITS = "SELECT id FROM limits WHERE tenant_id = $1 AND (user_id = $2 OR key_id = ANY ($3::text[])) ORDER BY id"
ANNOUNCE = (
    "INSERT INTO redis_outbox (key_hash, version)"
    " SELECT key_hash, $3 FROM key_secrets WHERE tenant_id = $1 AND user_id = $2"
)


class PostgresUsers:
    """Implements tenancy.directory.users.Users."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def put(self, tenant_id: str, new: NewUser, by: ChangeRequest) -> User:
        async with changing(self._pool, by) as connection:
            await lock_tenant(connection, tenant_id)
            before = await _get(connection, tenant_id, new.id)
            require(by, before)
            values = (new.email, new.tokens_per_minute, new.requests_per_minute)
            if before and (before.email, before.tokens_per_minute, before.requests_per_minute) == values:
                return before
            after = User(**await written(connection, PUT, tenant_id, new.id, *values))
            await connection.execute(ANNOUNCE, tenant_id, new.id, await count_up(connection, tenant_id))
            action = "update_user" if before else "create_user"
            await audit(connection, by, action, after.target, snapshot(before) if before else None, snapshot(after))
        return after

    async def page(self, tenant_id: str, limit: int, after: str = "") -> tuple[User, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, after, tenant_id)
        return tuple(User(**row) for row in rows)

    async def get(self, tenant_id: str, user_id: str) -> User | None:
        async with reading(self._pool) as connection:
            return await _get(connection, tenant_id, user_id)

    async def delete(self, tenant_id: str, user_id: str, by: ChangeRequest, *, cascade: bool = False) -> Deleted:
        async with changing(self._pool, by) as connection:
            await lock_tenant(connection, tenant_id)
            user = await _get(connection, tenant_id, user_id)
            if user is None:
                raise NoSuchUser(user_id)
            require(by, user)
            keys = [row["id"] for row in await connection.fetch(KEYS, tenant_id, user_id)]
            if keys and not cascade:
                raise UserHasKeys(user_id)
            limits = [row["id"] for row in await connection.fetch(LIMITS, tenant_id, user_id, keys)]
            await connection.execute(ANNOUNCE, tenant_id, user_id, await count_up(connection, tenant_id))
            await connection.execute("DELETE FROM api_keys WHERE id = ANY ($1::text[])", keys)
            await connection.execute("DELETE FROM users WHERE tenant_id = $1 AND id = $2", tenant_id, user_id)
            gone = {**snapshot(user), "api_keys": keys, "limits": limits}
            await audit(connection, by, "delete_user", user.target, gone, None)
        return {"users": 1, "api_keys": len(keys), "limits": len(limits)}


async def _get(connection: Connection, tenant_id: str, user_id: str) -> User | None:
    row = await connection.fetchrow(GET, tenant_id, user_id)
    return None if row is None else User(**row)

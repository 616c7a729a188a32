"""Admin tokens in Postgres."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from dataclasses import replace

import asyncpg

from admin.access.permission import Role
from admin.access.tokens import (
    CONFIGURED,
    MAX_ADMIN_TOKENS,
    SHOWN_CHARACTERS,
    AdminToken,
    AdminTokenChange,
    AdminTokenNameTaken,
    Known,
    NewAdminToken,
    NoSuchAdminToken,
    TooManyAdminTokens,
    digest_of,
)
from store.postgres import PostgresPool, reading
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.postgres.rows import Rows, Transaction, refusing

COLUMNS = "id, name, role, token_prefix, expires_at, created_at, updated_at"
INSERT = (
    "INSERT INTO admin_tokens (name, role, token_hash, token_prefix, expires_at) VALUES ($1, $2, $3, $4, $5)"
    f" RETURNING {COLUMNS}"
)
UPDATE = (
    "UPDATE admin_tokens SET name = $1, role = $2, expires_at = $3, updated_at = now() WHERE id = $4"
    f" RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM admin_tokens WHERE id = $1"
LOCK = f"{GET} FOR UPDATE"
PAGE = f"""SELECT {COLUMNS} FROM admin_tokens WHERE name COLLATE "C" > $2 ORDER BY name COLLATE "C" LIMIT $1"""
DELETE = "DELETE FROM admin_tokens WHERE id = $1"
COUNT = "SELECT count(*) FROM admin_tokens"
KNOWN = f"SELECT token_hash, name, role, expires_at FROM admin_tokens LIMIT {2 * MAX_ADMIN_TOKENS}"


class PostgresAdminTokens:
    """Implements admin.access.tokens.AdminTokens."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool
        self._rows = Rows(
            pool, lambda row: AdminToken(**row), NoSuchAdminToken, target_of=lambda token: ("admin_token", token.id)
        )

    async def create(self, new: NewAdminToken, by: ChangeRequest) -> AdminToken:
        async with self._rows.transaction(by) as transaction:
            if await transaction.connection.fetchval(COUNT) >= MAX_ADMIN_TOKENS:
                raise TooManyAdminTokens(MAX_ADMIN_TOKENS)
            digest = digest_of(new.token).hex()
            values = (new.role, digest, new.token[:SHOWN_CHARACTERS], new.expires_at)
            return await transaction.created("create_admin_token", await _write(transaction, INSERT, new.name, *values))

    async def get(self, token_id: str) -> AdminToken | None:
        return await self._rows.one(GET, token_id)

    async def page(self, limit: int, after: str = "") -> tuple[AdminToken, ...]:
        return await self._rows.many(PAGE, limit, after)

    async def known(self) -> tuple[Known, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(KNOWN)
        return tuple(
            Known(bytes.fromhex(row["token_hash"]), row["name"], Role(row["role"]), row["expires_at"]) for row in rows
        )

    async def update(self, token_id: str, change: AdminTokenChange, by: ChangeRequest) -> AdminToken:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, token_id)
            changed = replace(before, **change)
            if changed == before:
                return before
            after = await _write(transaction, UPDATE, changed.name, changed.role, changed.expires_at, token_id)
            return await transaction.updated("update_admin_token", before, after)

    async def delete(self, token_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            token = await transaction.existing(LOCK, token_id)
            await transaction.execute(DELETE, token_id)
            return await transaction.deleted("delete_admin_token", "admin_tokens", token)


async def _write(transaction: Transaction[AdminToken], statement: str, name: str, *values: object) -> AdminToken:
    if name == CONFIGURED:
        raise AdminTokenNameTaken(name)
    with refusing(asyncpg.UniqueViolationError, AdminTokenNameTaken(name)):
        return await transaction.write(statement, name, *values)

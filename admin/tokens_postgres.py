"""Admin tokens in Postgres."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

from dataclasses import replace

import asyncpg

from admin.tokens import (
    CONFIGURED,
    MAX_TOKENS,
    SHOWN_CHARACTERS,
    AdminToken,
    AdminTokenChange,
    AdminTokenNameTaken,
    Known,
    NewAdminToken,
    NoSuchAdminToken,
    Role,
    TooManyAdminTokens,
    digest_of,
)
from store.postgres import Connection, PostgresPool, reading
from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.postgres.change import audit, changing, written

COLUMNS = "id, name, role, token_prefix, expires_at, created_at, updated_at"
INSERT = (
    "INSERT INTO admin_tokens (name, role, token_hash, token_prefix, expires_at) VALUES ($1, $2, $3, $4, $5)"
    f" RETURNING {COLUMNS}"
)
UPDATE = (
    "UPDATE admin_tokens SET name = $1, role = $2, expires_at = $3, updated_at = now() WHERE id = $4"
    f" RETURNING {COLUMNS}"
)
LOCK = f"SELECT {COLUMNS} FROM admin_tokens WHERE id = $1 FOR UPDATE"
ALL = f"""SELECT {COLUMNS} FROM admin_tokens ORDER BY name COLLATE "C" LIMIT {2 * MAX_TOKENS}"""
KNOWN = f"SELECT token_hash, name, role, expires_at FROM admin_tokens LIMIT {2 * MAX_TOKENS}"


class PostgresAdminTokens:
    """Implements admin.tokens.AdminTokens."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, new: NewAdminToken, by: ChangeRequest) -> AdminToken:
        async with changing(self._pool, by) as connection:
            if await connection.fetchval("SELECT count(*) FROM admin_tokens") >= MAX_TOKENS:
                raise TooManyAdminTokens(MAX_TOKENS)
            digest = digest_of(new.token).hex()
            values = (new.role, digest, new.token[:SHOWN_CHARACTERS], new.expires_at)
            token = await _write(connection, INSERT, new.name, *values)
            await audit(connection, by, "create_admin_token", ("admin_token", token.id), None, snapshot(token))
        return token

    async def list(self) -> tuple[AdminToken, ...]:
        async with reading(self._pool) as connection:
            return tuple(AdminToken(**row) for row in await connection.fetch(ALL))

    async def known(self) -> tuple[Known, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(KNOWN)
        return tuple(
            Known(bytes.fromhex(row["token_hash"]), row["name"], Role(row["role"]), row["expires_at"]) for row in rows
        )

    async def update(self, token_id: str, change: AdminTokenChange, by: ChangeRequest) -> AdminToken:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, token_id)
            require(by, before)
            changed = replace(before, **change)
            if changed == before:
                return before
            after = await _write(connection, UPDATE, changed.name, changed.role, changed.expires_at, token_id)
            target = ("admin_token", token_id)
            await audit(connection, by, "update_admin_token", target, snapshot(before), snapshot(after))
        return after

    async def delete(self, token_id: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            token = await _lock(connection, token_id)
            require(by, token)
            await connection.execute("DELETE FROM admin_tokens WHERE id = $1", token_id)
            await audit(connection, by, "delete_admin_token", ("admin_token", token_id), snapshot(token), None)
        return {"admin_tokens": 1}


async def _lock(connection: Connection, token_id: str) -> AdminToken:
    row = await connection.fetchrow(LOCK, token_id)
    if row is None:
        raise NoSuchAdminToken(token_id)
    return AdminToken(**row)


async def _write(connection: Connection, statement: str, name: str, *values: object) -> AdminToken:
    if name == CONFIGURED:
        raise AdminTokenNameTaken(name)
    try:
        return AdminToken(**await written(connection, statement, name, *values))
    except asyncpg.UniqueViolationError as error:
        raise AdminTokenNameTaken(name) from error

"""The registry of MCP servers in Postgres."""

# ruff: noqa: S608 - statements are put together from this file's own constants only

import json
from dataclasses import asdict, replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row, reading
from tenancy.directory.audit import ChangeRequest, snapshot
from tenancy.directory.mcp_servers import NewServer, NoSuchServer, Server, ServerNameTaken
from tenancy.directory.terms import Deleted, require
from tenancy.postgres.change import audit, changing, written

COLUMNS = "id, name, url, description, headers, enabled, created_at, updated_at"
INSERT = (
    "INSERT INTO mcp_servers (name, url, description, headers, enabled) VALUES ($1, $2, $3, $4::jsonb, $5)"
    f" RETURNING {COLUMNS}"
)
UPDATE = (
    "UPDATE mcp_servers SET name = $1, url = $2, description = $3, headers = $4::jsonb, enabled = $5,"
    f" updated_at = now() WHERE id = $6 RETURNING {COLUMNS}"
)
GET = f"SELECT {COLUMNS} FROM mcp_servers WHERE id = $1"
# By the bytes, so that the order is the same whatever the database's collation is.
PAGE = f"""SELECT {COLUMNS} FROM mcp_servers WHERE name > $2 COLLATE "C" ORDER BY name COLLATE "C" LIMIT $1"""


class PostgresMcpServers:
    """Implements tenancy.directory.mcp_servers.McpServers."""

    def __init__(self, pool: PostgresPool) -> None:
        self._pool = pool

    async def create(self, new: NewServer, by: ChangeRequest) -> Server:
        async with changing(self._pool, by) as connection:
            server = await _write(connection, INSERT, new)
            await audit(connection, by, "create_mcp_server", ("mcp_server", server.id), None, snapshot(server))
        return server

    async def get(self, server_id: str) -> Server | None:
        async with reading(self._pool) as connection:
            row = await connection.fetchrow(GET, server_id)
        return None if row is None else _server(row)

    async def page(self, limit: int, after: str = "") -> tuple[Server, ...]:
        async with reading(self._pool) as connection:
            rows = await connection.fetch(PAGE, limit, after)
        return tuple(_server(row) for row in rows)

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        async with changing(self._pool, by) as connection:
            before = await _lock(connection, server_id)
            require(by, before)
            changed = replace(before, **asdict(to))
            if changed == before:
                return before
            after = await _write(connection, UPDATE, changed, server_id)
            target = ("mcp_server", server_id)
            await audit(connection, by, "update_mcp_server", target, snapshot(before), snapshot(after))
        return after

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        async with changing(self._pool, by) as connection:
            server = await _lock(connection, server_id)
            require(by, server)
            await connection.execute("DELETE FROM mcp_servers WHERE id = $1", server_id)
            await audit(connection, by, "delete_mcp_server", ("mcp_server", server_id), snapshot(server), None)
        return {"mcp_servers": 1}


async def _lock(connection: Connection, server_id: str) -> Server:
    row = await connection.fetchrow(f"{GET} FOR UPDATE", server_id)
    if row is None:
        raise NoSuchServer(server_id)
    return _server(row)


async def _write(connection: Connection, statement: str, server: NewServer | Server, *values: object) -> Server:
    fields = (server.name, server.url, server.description, json.dumps(dict(server.headers)), server.enabled)
    try:
        return _server(await written(connection, statement, *fields, *values))
    except asyncpg.UniqueViolationError as error:
        raise ServerNameTaken(server.name) from error


def _server(row: Row) -> Server:
    return Server(**{**row, "headers": json.loads(row["headers"])})

"""The registry of MCP servers in Postgres."""

import json
from dataclasses import asdict, replace

import asyncpg

from store.postgres import PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.mcp_servers import NewServer, NoSuchServer, Server, ServerNameTaken
from tenancy.postgres.rows import Rows, Transaction, refusing

COLUMNS = "id, name, url, description, headers, enabled, created_at, updated_at"
INSERT = f"""
INSERT INTO mcp_servers (name, url, description, headers, enabled) VALUES ($1, $2, $3, $4::jsonb, $5)
RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM mcp_servers WHERE id = $1"
LOCK = f"{GET} FOR UPDATE"
PAGE = f"""SELECT {COLUMNS} FROM mcp_servers WHERE name > $2 COLLATE "C" ORDER BY name COLLATE "C" LIMIT $1"""
UPDATE = f"""
UPDATE mcp_servers SET name = $1, url = $2, description = $3, headers = $4::jsonb, enabled = $5, updated_at = now()
WHERE id = $6 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM mcp_servers WHERE id = $1"


class PostgresMcpServers:
    """Implements tenancy.directory.mcp_servers.McpServers."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, _server, NoSuchServer, target_of=lambda server: ("mcp_server", server.id))

    async def create(self, new: NewServer, by: ChangeRequest) -> Server:
        async with self._rows.transaction(by) as transaction:
            return await transaction.created("create_mcp_server", await _write(transaction, INSERT, new))

    async def get(self, server_id: str) -> Server | None:
        return await self._rows.one(GET, server_id)

    async def page(self, limit: int, after: str = "") -> tuple[Server, ...]:
        return await self._rows.many(PAGE, limit, after)

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        async with self._rows.transaction(by) as transaction:
            before = await transaction.existing(LOCK, server_id)
            if replace(before, **asdict(to)) == before:
                return before
            after = await _write(transaction, UPDATE, to, server_id)
            return await transaction.updated("update_mcp_server", before, after)

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            server = await transaction.existing(LOCK, server_id)
            await transaction.execute(DELETE, server_id)
            return await transaction.deleted("delete_mcp_server", "mcp_servers", server)


async def _write(transaction: Transaction[Server], statement: str, to: NewServer, *server_id: str) -> Server:
    with refusing(asyncpg.UniqueViolationError, ServerNameTaken(to.name)):
        return await transaction.write(
            statement, to.name, to.url, to.description, json.dumps(dict(to.headers)), to.enabled, *server_id
        )


def _server(row: Row) -> Server:
    return Server(**{**row, "headers": json.loads(row["headers"])})

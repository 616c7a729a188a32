"""MCP servers in Postgres: a part of the catalog, whose only row a change locks first, as changes of models do."""

import json
from dataclasses import asdict, fields, replace

import asyncpg

from store.postgres import Connection, PostgresPool, Row
from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.directory.mcp_servers import NewServer, NoSuchServer, Server, ServerNameTaken, UnknownGrantee
from tenancy.postgres.catalog import grant_of, known
from tenancy.postgres.models import announce, locked
from tenancy.postgres.rows import Rows, Statements, Transaction, refusing
from tenancy.values.upstream import Endpoint

FIELDS = tuple(field.name for field in fields(NewServer))
AS_JSON = ("headers", "endpoints", "grants", "tools_in_flight")
STATEMENTS = Statements.of("mcp_servers", FIELDS, as_json=AS_JSON)
TENANTS = "SELECT id FROM tenants WHERE id = ANY ($1::text[])"
KEYS = "SELECT id FROM api_keys WHERE id = ANY ($1::text[])"


class PostgresMcpServers:
    """Implements tenancy.directory.mcp_servers.McpServers."""

    def __init__(self, pool: PostgresPool) -> None:
        self._rows = Rows(pool, _server, NoSuchServer, target_of=lambda server: ("mcp_server", server.id))

    async def create(self, new: NewServer, by: ChangeRequest) -> Server:
        async with self._rows.transaction(by) as transaction:
            await announce(transaction.connection)
            await _require_grantees(transaction.connection, new)
            return await transaction.created("create_mcp_server", await _write(transaction, STATEMENTS.insert, new))

    async def get(self, server_id: str) -> Server | None:
        return await self._rows.one(STATEMENTS.get, server_id)

    async def page(self, limit: int, after: str = "") -> tuple[Server, ...]:
        return await self._rows.many(STATEMENTS.page, limit, after)

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        async with self._rows.transaction(by) as transaction:
            before = await locked(transaction, STATEMENTS.get, server_id)
            if replace(before, **asdict(to)) == before:
                return before
            await announce(transaction.connection)
            await _require_grantees(transaction.connection, to)
            after = await _write(transaction, STATEMENTS.update, to, server_id)
            return await transaction.updated("update_mcp_server", before, after)

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        async with self._rows.transaction(by) as transaction:
            server = await locked(transaction, STATEMENTS.get, server_id)
            await announce(transaction.connection)
            await transaction.execute(STATEMENTS.delete, server_id)
            return await transaction.deleted("delete_mcp_server", "mcp_servers", server)


async def _require_grantees(connection: Connection, server: NewServer) -> None:
    named = (
        (TENANTS, {grant.tenant for grant in server.grants if grant.tenant is not None}),
        (KEYS, {grant.key for grant in server.grants if grant.key is not None}),
    )
    for statement, ids in named:
        found = {row["id"] for row in await connection.fetch(statement, sorted(ids))} if ids else set()
        if missing := sorted(ids - found):
            raise UnknownGrantee(missing[0])


async def _write(transaction: Transaction[Server], statement: str, to: NewServer, *server_id: str) -> Server:
    with refusing(asyncpg.UniqueViolationError, ServerNameTaken(to.name)):
        return await transaction.write(statement, *(_column(to, name) for name in FIELDS), *server_id)


def _column(server: NewServer, name: str) -> object:
    value = getattr(server, name)
    if name in ("endpoints", "grants"):
        return json.dumps([each._asdict() for each in value])
    return json.dumps(dict(value)) if name in AS_JSON else value


def _server(row: Row) -> Server:
    columns = {name: json.loads(each) if name in AS_JSON else each for name, each in row.items()}
    columns["endpoints"] = tuple(Endpoint(**known(each, Endpoint)) for each in columns["endpoints"])
    columns["grants"] = tuple(map(grant_of, columns["grants"]))
    return Server(**columns)

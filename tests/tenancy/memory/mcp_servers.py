"""MCP servers in a dictionary: the same answers as the Postgres adapter."""

import uuid
from dataclasses import asdict, replace
from datetime import UTC, datetime

from tenancy.directory.audit import snapshot
from tenancy.directory.change_request import ChangeRequest, Deleted, require
from tenancy.directory.mcp_servers import NewServer, NoSuchServer, Server, ServerNameTaken, UnknownGrantee
from tests.tenancy.memory.audit import MemoryAuditLog
from tests.tenancy.memory.tenants import MemoryTenants


class MemoryMcpServers:
    """Implements tenancy.directory.mcp_servers.McpServers."""

    def __init__(self, log: MemoryAuditLog, tenants: MemoryTenants) -> None:
        self._log, self._tenants = log, tenants
        self._servers: dict[str, Server] = {}

    async def create(self, new: NewServer, by: ChangeRequest) -> Server:
        now = datetime.now(UTC)
        server = Server(id=str(uuid.uuid4()), **asdict(new), created_at=now, updated_at=now)
        self._check(server)
        self._servers[server.id] = server
        self._log.add(by, "create_mcp_server", ("mcp_server", server.id), None, snapshot(server))
        return server

    async def get(self, server_id: str) -> Server | None:
        return self._servers.get(server_id)

    async def page(self, limit: int, after: str = "") -> tuple[Server, ...]:
        ordered = sorted(self._servers.values(), key=lambda server: server.name)
        return tuple(server for server in ordered if server.name > after)[:limit]

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        before = self._existing(server_id)
        require(by, before)
        changed = replace(before, **asdict(to))
        if changed == before:
            return before
        self._check(changed)
        after = self._servers[server_id] = replace(changed, updated_at=datetime.now(UTC))
        self._log.add(by, "update_mcp_server", ("mcp_server", server_id), snapshot(before), snapshot(after))
        return after

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        server = self._existing(server_id)
        require(by, server)
        if not by.dry_run:
            del self._servers[server_id]
            self._log.add(by, "delete_mcp_server", ("mcp_server", server_id), snapshot(server), None)
        return {"mcp_servers": 1}

    def _existing(self, server_id: str) -> Server:
        if server_id not in self._servers:
            raise NoSuchServer(server_id)
        return self._servers[server_id]

    def _check(self, server: Server) -> None:
        if any(other.name == server.name and other.id != server.id for other in self._servers.values()):
            raise ServerNameTaken(server.name)
        for grant in server.grants:
            if grant.tenant is not None and grant.tenant not in self._tenants.tenants:
                raise UnknownGrantee(grant.tenant)
            if grant.key is not None and grant.key not in self._tenants.keys:
                raise UnknownGrantee(grant.key)

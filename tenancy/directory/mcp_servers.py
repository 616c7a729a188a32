"""MCP servers: the registry's value and port.  No SQL, no HTTP; nothing is sent to a server from here.

Secrets do not belong into it: what a server wants to be told by way of credentials is not kept by Tollkeeper.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from tenancy.directory.audit import ChangeRequest, MemoryAuditLog, snapshot
from tenancy.directory.terms import Deleted, require

SERVER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NoSuchServer(LookupError):
    """No MCP server has this id."""


class ServerNameTaken(ValueError):
    """Another MCP server has this name."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """A server as it shall be.  `headers` go with every request to it."""

    name: str
    url: str
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Server:
    """A registered MCP server."""

    id: str
    name: str
    url: str
    description: str
    headers: Mapping[str, str]
    enabled: bool
    created_at: datetime
    updated_at: datetime


class McpServers(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewServer, by: ChangeRequest) -> Server:
        """ServerNameTaken."""

    async def get(self, server_id: str) -> Server | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[Server, ...]:
        """At most `limit` servers by name, after the given one."""

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        """NoSuchServer, ServerNameTaken, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchServer, StateChanged."""


class MemoryMcpServers:
    """Keeps servers in a dictionary."""

    def __init__(self, log: MemoryAuditLog) -> None:
        self._log = log
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

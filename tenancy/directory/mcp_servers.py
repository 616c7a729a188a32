"""MCP servers: the registry's values and port.  No SQL, no HTTP; nothing is sent to a server from here.

No secrets belong here: Tollkeeper does not keep the credentials that a server asks for.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted

SERVER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class NoSuchServer(LookupError):
    """No MCP server has this id."""


class ServerNameTaken(ValueError):
    """Another MCP server has this name."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """The fields of a server that operators set.  `headers` go with every request to it."""

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
        """At most `limit` servers, ordered by name, after the given one."""

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        """NoSuchServer, ServerNameTaken, StateChanged.  A change that changes nothing leaves no trace."""

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchServer, StateChanged."""

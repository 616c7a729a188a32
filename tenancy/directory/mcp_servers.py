"""MCP servers, as operators register them: values and port.  No SQL, no HTTP.

Sidecars read them as a part of the catalog (resolving/catalog.py).

No secrets belong here: a credential is the name of one that sidecars have.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from tenancy.directory.change_request import ChangeRequest, Deleted
from tenancy.values.mcp import Grant, McpServer
from tenancy.values.upstream import AUTHORIZATION, Endpoint, Upstream


class NoSuchServer(LookupError):
    """No MCP server has this id."""


class ServerNameTaken(ValueError):
    """Another MCP server has this name."""


class UnknownGrantee(ValueError):
    """A grant is for a tenant or key that is not there."""


@dataclass(frozen=True, slots=True)
class NewServer:
    """The fields of a server that operators set.  `url` is that of its first endpoint; the others, and how all of them
    are called, are as in tenancy/values/upstream.py, the rest as in tenancy/values/mcp.py."""

    name: str
    url: str
    description: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    endpoints: tuple[Endpoint, ...] = ()
    grants: tuple[Grant, ...] = ()
    credential: str | None = None
    credential_header: str = AUTHORIZATION
    timeout_seconds: int | None = None
    ca_file: str | None = None
    max_in_flight: int | None = None
    tools_in_flight: Mapping[str, int] = field(default_factory=dict)


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
    endpoints: tuple[Endpoint, ...] = ()
    grants: tuple[Grant, ...] = ()
    credential: str | None = None
    credential_header: str = AUTHORIZATION
    timeout_seconds: int | None = None
    ca_file: str | None = None
    max_in_flight: int | None = None
    tools_in_flight: Mapping[str, int] = field(default_factory=dict)


def server_of(server: NewServer | Server) -> McpServer:
    """The server as sidecars know it."""
    return McpServer(
        Upstream(
            endpoints=(Endpoint(server.url), *server.endpoints),
            credential=server.credential,
            credential_header=server.credential_header,
            timeout_seconds=server.timeout_seconds,
            ca_file=server.ca_file,
        ),
        server.grants,
        server.max_in_flight,
        server.tools_in_flight,
        server.headers,
    )


class McpServers(Protocol):
    """Each change is atomic with its audit entry.  Raises what store.postgres.UNAVAILABLE lists."""

    async def create(self, new: NewServer, by: ChangeRequest) -> Server:
        """ServerNameTaken, UnknownGrantee."""

    async def get(self, server_id: str) -> Server | None:
        """None if there is none."""

    async def page(self, limit: int, after: str = "") -> tuple[Server, ...]:
        """At most `limit` servers, ordered by name, after the given one."""

    async def update(self, server_id: str, to: NewServer, by: ChangeRequest) -> Server:
        """NoSuchServer, ServerNameTaken, UnknownGrantee, StateChanged.  What changes nothing leaves no trace."""

    async def delete(self, server_id: str, by: ChangeRequest) -> Deleted:
        """NoSuchServer, StateChanged."""

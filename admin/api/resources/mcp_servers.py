"""/mcp-servers: MCP servers, where they are, and who may call which of their tools."""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field

from admin.api.derived import view_of
from admin.api.resources.routes import Routes
from admin.commands.directory import MCP_SERVERS
from admin.fields import Body, Flag, InFlight, Text
from admin.mcp_fields import GrantBody, Headers, ServerName, ToolName, grants_of
from admin.upstream_fields import AnswerSeconds, CaFile, Credential, CredentialHeader, EndpointBody, EndpointUrl
from tenancy.directory.mcp_servers import NewServer, Server
from tenancy.values.mcp import MAX_GRANTS, MAX_TOOLS, Grant
from tenancy.values.upstream import AUTHORIZATION, MAX_ENDPOINTS, Endpoint

router = APIRouter(prefix="/mcp-servers", tags=["mcp servers"])


class ServerBody(Body):
    """An MCP server, which clients reach at /mcp/{name}."""

    name: ServerName = Field(examples=["search"])
    url: EndpointUrl = Field(
        description="URL of its Streamable HTTP transport", examples=["https://mcp.example.com/mcp"]
    )
    description: Text = ""
    headers: Headers = Field(
        {},
        description="Headers sent with every request to it; credentials are refused",
        examples=[{"x-team": "research"}],
    )
    enabled: Flag = True
    endpoints: Annotated[list[EndpointBody], Field(max_length=MAX_ENDPOINTS - 1)] = Field(
        [], description="More endpoints beside `url`; a session stays at the one that began it", examples=[[]]
    )
    grants: Annotated[list[GrantBody], Field(max_length=MAX_GRANTS)] = Field(
        [], description="Who may call it; empty: nobody", examples=[[{"tools": ["search"]}]]
    )
    credential: Credential | None = Field(
        None, description="The credential for endpoints: the name of a secret that sidecars have"
    )
    credential_header: CredentialHeader = Field(
        AUTHORIZATION, description="The header that carries it; `authorization` has it after `Bearer `"
    )
    timeout_seconds: AnswerSeconds | None = Field(
        None, description="Seconds until an answer begins; null: idle timeout"
    )
    ca_file: CaFile | None = Field(None, description="Where Envoy has the certificates that it trusts; null: its own")
    max_in_flight: InFlight | None = Field(None, description="Maximum calls at once, in all sidecars; others wait")
    tools_in_flight: Annotated[dict[ToolName, InFlight], Field(max_length=MAX_TOOLS)] = Field(
        {}, description="Maximum calls of single tools at once, instead of it", examples=[{"search": 4}]
    )


OWN: dict[str, Any] = {
    "endpoints": list[view_of(Endpoint, "McpEndpointView", "An endpoint beside the first.")],  # type: ignore[misc]
    "grants": list[view_of(Grant, "GrantView", "Who may call a server, and which of its tools.")],  # type: ignore[misc]
}


def values_of(fields: dict[str, Any]) -> NewServer:
    """What the fields of a body mean."""
    endpoints = tuple(Endpoint(**each) for each in fields.pop("endpoints"))
    grants = grants_of(GrantBody(**each) for each in fields.pop("grants"))
    return NewServer(**fields, endpoints=endpoints, grants=grants)


def _new_server(**fields: Any) -> NewServer:
    return values_of(fields)


routes = Routes(router, MCP_SERVERS, "mcp_server", view_of(Server, "ServerView", "A registered MCP server.", **OWN))
routes.create(ServerBody, _new_server, "Registers an MCP server; its name must be unique.")
routes.list("mcp_servers", "A page of MCP servers, by name.", "Lists the registered MCP servers by name.")
routes.show("Shows an MCP server.")
routes.update("PUT", ServerBody, "Replaces an MCP server's fields.", _new_server)
routes.delete("Takes an MCP server out of the registry.")

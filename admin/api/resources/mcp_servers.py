"""/mcp-servers: the registry of MCP servers.  Nothing is sent to them from here."""

import re
from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, Field

from admin.api.derived import view_of
from admin.api.resources.routes import Routes
from admin.commands.directory import MCP_SERVERS
from admin.fields import CREDENTIAL, Body, Flag, HttpUrl, Name, Printable, Text
from tenancy.directory.mcp_servers import NewServer, Server

router = APIRouter(prefix="/mcp-servers", tags=["mcp servers"])

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
MAX_HEADERS = 32


def _no_credentials(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not the name of a header")
        if CREDENTIAL.search(name):
            raise ValueError(f"{name[:64]!r} looks like a credential; secrets are not kept here")
    return headers


HeaderValue = Annotated[Printable, Field(max_length=1024)]
Headers = Annotated[dict[str, HeaderValue], Field(max_length=MAX_HEADERS), AfterValidator(_no_credentials)]


class ServerBody(Body):
    """An MCP server."""

    name: Name = Field(examples=["search"])
    url: HttpUrl = Field(examples=["https://mcp.example.com/mcp"])
    description: Text = ""
    headers: Headers = Field(
        {}, description="Go with every request to it; credentials are refused", examples=[{"x-team": "research"}]
    )
    enabled: Flag = True


routes = Routes(router, MCP_SERVERS, "mcp_server", view_of(Server, "ServerView", "A registered MCP server."))
routes.create(ServerBody, NewServer, "Registers an MCP server; its name must be unique.")
routes.list("mcp_servers", "A page of MCP servers, by name.", "Lists the registered MCP servers by name.")
routes.show("Shows an MCP server.")
routes.update("PUT", ServerBody, "Replaces an MCP server's fields.", NewServer)
routes.delete("Takes an MCP server out of the registry.")

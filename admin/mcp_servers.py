"""/mcp-servers: the registry of MCP servers.  Nothing is sent to them from here."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, Field

from admin.fields import CREDENTIAL, Body, Flag, HttpUrl, Name, Printable, Text, Time, View
from admin.paging import Page, cut
from admin.services import Use
from admin.terms import DELETES, By, ByCreating, ByDeleting, tagged
from tenancy.directory.mcp_servers import SERVER_ID, NewServer, NoSuchServer, Server

router = APIRouter(prefix="/mcp-servers", tags=["mcp servers"])

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
MAX_HEADERS = 32


def _check_server_id(text: str) -> str:
    if not SERVER_ID.fullmatch(text):
        raise NoSuchServer(text)
    return text


def _no_credentials(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not the name of a header")
        if CREDENTIAL.search(name):
            raise ValueError(f"{name[:64]!r} looks like a credential; secrets are not kept here")
    return headers


ServerId = Annotated[str, Path(alias="id", description="The server's id"), AfterValidator(_check_server_id)]
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


class ServerView(View):
    """A registered MCP server."""

    id: str
    name: str
    url: str
    description: str
    headers: dict[str, str]
    enabled: bool
    created_at: Time
    updated_at: Time


class ServerPage(View):
    """A page of MCP servers, by name."""

    mcp_servers: list[ServerView]
    next_cursor: str | None


@router.post("", status_code=201, response_model=ServerView)
async def create_mcp_server(body: ServerBody, use: Use, by: ByCreating, response: Response) -> Server:
    """Registers an MCP server; its name must be unique."""
    server = await use.mcp_servers.create(NewServer(**body.model_dump()), by)
    response.headers["location"] = f"/api/v1/mcp-servers/{server.id}"
    return tagged(response, server)


@router.get("", response_model=ServerPage)
async def list_mcp_servers(page: Annotated[Page, Query()], use: Use) -> dict[str, object]:
    """Lists the registered MCP servers by name."""
    found = await use.mcp_servers.page(page.limit + 1, page.after_name())
    servers, next_cursor = cut(found, page.limit, lambda server: (server.name,))
    return {"mcp_servers": servers, "next_cursor": next_cursor}


@router.get("/{id}", response_model=ServerView)
async def get_mcp_server(server_id: ServerId, use: Use, response: Response) -> Server:
    """Shows an MCP server."""
    server = await use.mcp_servers.get(server_id)
    if server is None:
        raise NoSuchServer(server_id)
    return tagged(response, server)


@router.put("/{id}", response_model=ServerView)
async def update_mcp_server(server_id: ServerId, body: ServerBody, use: Use, by: By, response: Response) -> Server:
    """Replaces an MCP server's fields."""
    return tagged(response, await use.mcp_servers.update(server_id, NewServer(**body.model_dump()), by))


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_mcp_server(server_id: ServerId, use: Use, by: ByDeleting) -> Response:
    """Takes an MCP server out of the registry."""
    return await use.deleted(await use.mcp_servers.delete(server_id, by), by)

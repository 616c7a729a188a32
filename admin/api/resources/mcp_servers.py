"""/mcp-servers: the registry of MCP servers.  Nothing is sent to them from here."""

import re
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AfterValidator, Field

from admin.api.call import DELETES, Changing, Creating, Deleting, Reading
from admin.api.fields import CREDENTIAL, Body, Flag, HttpUrl, Name, Printable, Text, Time, View
from admin.api.paging import Page
from admin.commands.directory import MCP_SERVERS
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


ServerId = Annotated[str, Path(alias="id", description="The server's id")]
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
async def create_mcp_server(body: ServerBody, call: Creating) -> Server:
    """Registers an MCP server; its name must be unique."""
    done = await MCP_SERVERS.create(call.at, NewServer(**body.model_dump()))
    return call.created(done, f"mcp-servers/{done.value.id}")


@router.get("", response_model=ServerPage)
async def list_mcp_servers(page: Annotated[Page, Query()], call: Reading) -> dict[str, object]:
    """Lists the registered MCP servers by name."""
    return page.answer("mcp_servers", await MCP_SERVERS.page(call.at, page.limit + 1, page.after_name()), "name")


@router.get("/{id}", response_model=ServerView)
async def get_mcp_server(server_id: ServerId, call: Reading) -> Server:
    """Shows an MCP server."""
    return call.shown(await MCP_SERVERS.get(call.at, server_id))


@router.put("/{id}", response_model=ServerView)
async def update_mcp_server(server_id: ServerId, body: ServerBody, call: Changing) -> Server:
    """Replaces an MCP server's fields."""
    return call.changed(await MCP_SERVERS.update(call.at, server_id, NewServer(**body.model_dump())))


@router.delete("/{id}", status_code=204, response_model=None, responses=DELETES)
async def delete_mcp_server(server_id: ServerId, call: Deleting) -> Response:
    """Takes an MCP server out of the registry."""
    return call.deleted(await MCP_SERVERS.delete(call.at, server_id))

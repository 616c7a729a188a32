"""/console/mcp-servers: the registry of MCP servers, where they are, and who may call which of their tools."""

from typing import Annotated
from urllib.parse import quote

from pydantic import BeforeValidator, Field
from starlette.responses import Response

from admin.commands.directory import MCP_SERVERS
from admin.console.cookies import PREFIX
from admin.console.endpoints import TypedEndpoints, lines_of_endpoints
from admin.console.forms import Form, submitted
from admin.console.mcp_lines import (
    TypedBounds,
    TypedGrants,
    TypedHeaders,
    lines_of_bounds,
    lines_of_grants,
    lines_of_headers,
)
from admin.console.numbers import whole_number
from admin.console.visit import Routes, Visit
from admin.console.words import text_of
from admin.fields import Body, InFlight, Text
from admin.mcp_fields import ServerName, grants_of
from admin.upstream_fields import AnswerSeconds, CaFile, Credential, CredentialHeader, EndpointUrl
from tenancy.directory.change_request import tag_of
from tenancy.directory.mcp_servers import NewServer, Server
from tenancy.values.upstream import AUTHORIZATION

MANY = 100
HERE = f"{PREFIX}/mcp-servers"

routes = Routes()


class ServerForm(Body):
    """As `POST /mcp-servers`."""

    name: ServerName
    url: EndpointUrl
    description: Text = ""
    headers: TypedHeaders = Field({})
    enabled: bool = True
    endpoints: TypedEndpoints = ()
    grants: TypedGrants = Field([])
    credential: Credential | None = None
    credential_header: CredentialHeader = AUTHORIZATION
    timeout_seconds: Annotated[AnswerSeconds, BeforeValidator(whole_number)] | None = None
    ca_file: CaFile | None = None
    max_in_flight: Annotated[InFlight, BeforeValidator(whole_number)] | None = None
    tools_in_flight: TypedBounds = Field({})

    def server(self) -> NewServer:
        return NewServer(**{**self.model_dump(), "endpoints": self.endpoints, "grants": grants_of(self.grants)})


NEW = Form({"enabled": "true", "credential_header": AUTHORIZATION})


@routes.get(HERE)
async def mcp_servers(visit: Visit) -> Response:
    after = visit.query("after")
    found = await MCP_SERVERS.page(visit.session, MANY + 1, after if after.isprintable() else "")
    more = f"{HERE}?after={quote(found[MANY - 1].name)}" if len(found) > MANY else ""
    shown = [(each, lines_of_grants(each.grants).splitlines()) for each in found[:MANY]]
    return visit.page("mcp_servers/list.html", title="MCP servers", section="mcp-servers", servers=shown, more=more)


@routes.get(f"{HERE}/new", changes="mcp_server")
async def new_mcp_server(visit: Visit) -> Response:
    return await _form(visit, NEW, 200, None)


@routes.post(f"{HERE}/new")
async def create_mcp_server(visit: Visit) -> Response:
    async def make(form: ServerForm) -> Response:
        done = await MCP_SERVERS.create(visit.on_terms(), form.server())
        return visit.to(HERE, "server-saved", done)

    return await submitted(visit, ServerForm, lambda form, status: _form(visit, form, status, None), make)


@routes.get(f"{HERE}/{{id}}")
async def mcp_server(visit: Visit) -> Response:
    found = await MCP_SERVERS.get(visit.session, visit.path("id"))
    return await _form(visit, _as_form(found), 200, found)


@routes.post(f"{HERE}/{{id}}")
async def save_mcp_server(visit: Visit) -> Response:
    found = await MCP_SERVERS.get(visit.session, visit.path("id"))

    async def make(form: ServerForm) -> Response:
        done = await MCP_SERVERS.update(visit.on_terms(), found.id, form.server())
        return visit.to(HERE, "server-saved", done)

    return await submitted(visit, ServerForm, lambda form, status: _form(visit, form, status, found), make)


@routes.post(f"{HERE}/{{id}}/delete")
async def delete_mcp_server(visit: Visit) -> Response:
    done = await MCP_SERVERS.delete(visit.on_terms(), visit.path("id"))
    return visit.to(HERE, "server-deleted", done)


async def _form(visit: Visit, form: Form, status: int, of: Server | None) -> Response:
    shown = {"server": of, "form": form, "seen": visit.field("_seen") or (tag_of(of) if of else "")}
    title = of.name if of else "New MCP server"
    return visit.page("mcp_servers/server.html", status, title=title, section="mcp-servers", **shown)


def _as_form(of: Server) -> Form:
    fields = {name: getattr(of, name) for name in ServerForm.model_fields}
    lines = {
        "endpoints": lines_of_endpoints(of.endpoints),
        "grants": lines_of_grants(of.grants),
        "headers": lines_of_headers(of.headers),
        "tools_in_flight": lines_of_bounds(of.tools_in_flight),
    }
    return Form({name: text_of(each) for name, each in {**fields, **lines}.items() if each is not None})

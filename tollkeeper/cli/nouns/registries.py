"""`tollkeeper mcp-server …` and `tollkeeper admin-token …`: no option but a name; a file and `--set` say the rest."""

import typer

from tollkeeper.cli.command import noun
from tollkeeper.cli.field import Field
from tollkeeper.cli.resource import Resource, scanned
from tollkeeper.cli.verbs import add_create, add_delete, add_get, add_list, add_update

ITEM = Field("ID|NAME", help="Its id or name.", name="id")
NAME = Field("NAME", help="Must be unique.", only="create")

MCP_SERVERS = Resource(
    noun="MCP server",
    path="/mcp-servers",
    item=ITEM,
    named=scanned,
    columns=("id", "name", "url", "enabled", "description"),
    fields=(NAME,),
)
ADMIN_TOKENS = Resource(
    noun="admin token",
    path="/admin-tokens",
    item=ITEM,
    named=scanned,
    columns=("id", "name", "role", "token_prefix", "expires_at", "created_at"),
    fields=(NAME,),
    shown_once="token",
)


def _with_every_verb(help: str, resource: Resource) -> typer.Typer:
    app = noun(help)
    add_list(app, resource, "List them all.")
    add_get(app, resource, "Show one.")
    add_create(app, resource, "Create one.")
    add_update(app, resource, "Change what is given.")
    add_delete(app, resource, "Delete one.", f"the {resource.noun} {{name!r}} ({{id}})")
    return app


mcp_servers = _with_every_verb("MCP servers: a registry.", MCP_SERVERS)
admin_tokens = _with_every_verb("Admin tokens: who may use the management API.", ADMIN_TOKENS)

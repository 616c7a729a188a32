"""`tollkeeper mcp-server …`."""

from typing import Any

from tollkeeper.cli.exits import CommandFailed, Exit
from tollkeeper.cli.field import NEW_NAME, Field
from tollkeeper.cli.kinds import AMOUNT, NONE, SWITCH, TEXT, TEXTS, amount, or_none
from tollkeeper.cli.nouns.keys import KEYS
from tollkeeper.cli.nouns.models import endpoints_of
from tollkeeper.cli.nouns.tenants import TENANTS
from tollkeeper.cli.resource import Resource, scanned
from tollkeeper.cli.session import Session
from tollkeeper.cli.verbs import Noun

EVERYBODY = "everybody"
GRANT_HELP = (
    "Who may call it: everybody, tenant=ID|NAME or key=KEY, and tool=NAME for each tool if not all, as in"
    " tenant=acme,tool=search,tool=fetch.  May be repeated; replaces all grants; none: nobody."
)
ENDPOINT_HELP = (
    "One more endpoint beside the first: URL,weight=3,priority=1,credential=env:VARIABLE, all but the URL as needed.  "
    "May be repeated; replaces all further endpoints; none: removes them."
)
TOOL_HELP = "Calls of one tool at once, as NAME=4.  May be repeated; replaces all such bounds; none: removes them."


def _grants(session: Session, texts: list[str]) -> list[dict[str, Any]]:
    return [] if texts == [NONE] else [_grant(session, text) for text in texts]


def _grant(session: Session, text: str) -> dict[str, Any]:
    """`everybody`, `tenant=acme,tool=search`, `key=…`."""
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if part == EVERYBODY:
            continue
        if not equals or name not in ("tenant", "key", "tool") or name in found:
            raise CommandFailed(Exit.USAGE, f"--grant {text}: must be like tenant=acme,tool=search, or everybody")
        if name == "tool":
            found.setdefault("tools", []).append(value)
        else:
            found[name] = TENANTS.id_of(session, value) if name == "tenant" else KEYS.id_of(session, value)
    return found


def _bounds(_: Session, texts: list[str]) -> dict[str, Any]:
    return {} if texts == [NONE] else dict(map(_bound, texts))


def _bound(text: str) -> tuple[str, Any]:
    """`NAME=4`."""
    tool, equals, most = text.rpartition("=")
    if not equals:
        raise CommandFailed(Exit.USAGE, f"--tool-in-flight {text}: must be like search=4")
    return tool, amount(most)


MCP_SERVERS = Resource(
    noun="MCP server",
    path="/mcp-servers",
    item=Field("ID|NAME", help="Its id or name.", name="id"),
    named=scanned,
    columns=("id", "name", "url", "enabled", "grants", "max_in_flight", "description"),
    fields=(
        Field("NAME", help="Its name in its path, /mcp/NAME.", only="create"),
        NEW_NAME,
        Field("--url", TEXT, "URL of its Streamable HTTP transport."),
        Field("--endpoint-of", TEXTS, ENDPOINT_HELP, name="endpoints", convert=endpoints_of),
        Field("--grant", TEXTS, GRANT_HELP, name="grants", convert=_grants),
        Field("--enabled/--disabled", SWITCH, "Whether clients may call it."),
        Field("--description", TEXT, "For people."),
        Field(
            "--credential", or_none("env:VARIABLE|file:NAME"), "The secret that endpoints ask for, as sidecars have it."
        ),
        Field("--credential-header", TEXT, "Header that carries the credential.", default="authorization"),
        Field("--timeout-seconds", AMOUNT, "Seconds until an answer must begin.", default="the idle timeout"),
        Field("--ca-file", or_none("PATH"), "Certificates that Envoy trusts.", default="its own"),
        Field("--max-in-flight", AMOUNT, "Maximum calls at once, in all sidecars; further ones wait."),
        Field("--tool-in-flight", TEXTS, TOOL_HELP, name="tools_in_flight", convert=_bounds),
    ),
)

app = Noun(MCP_SERVERS)
app.add_list("List all MCP servers.")
app.add_get("Show an MCP server.")
app.add_create("Register an MCP server, which clients then reach at /mcp/NAME.")
app.add_update("Change the given fields.")
app.add_delete("Take an MCP server out of the registry.", what="the MCP server {name!r} ({id})")

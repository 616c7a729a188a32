"""The fields of an MCP server, for any surface, with their bounds.  No route and no query here."""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from admin.fields import CREDENTIAL, AnyId, Body, Printable
from tenancy.values.mcp import MAX_TOOL, MAX_TOOLS, NAME, Grant
from tenancy.values.upstream import HEADER

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
MAX_HEADERS = 32
OF_THE_PROTOCOL = "mcp-"


def _sendable(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if not HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not the name of a header")
        if CREDENTIAL.search(name):
            raise ValueError(f"{name[:64]!r} looks like a credential; secrets are not kept here")
        if not HEADER.fullmatch(name.lower()) or name.lower().startswith(OF_THE_PROTOCOL):
            raise ValueError(f"{name[:64]!r} is not a header that can be set for a server")
    return headers


ServerName = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
ToolName = Annotated[Printable, Field(min_length=1, max_length=MAX_TOOL)]
HeaderValue = Annotated[Printable, Field(max_length=1024)]
Headers = Annotated[dict[str, HeaderValue], Field(max_length=MAX_HEADERS), AfterValidator(_sendable)]


class GrantBody(Body):
    """Who may call a server, and which of its tools.  Without a tenant and a key it is for every key."""

    tenant: AnyId | None = Field(None, description="Id of a tenant: all of its keys", examples=["acme"])
    key: AnyId | None = Field(None, description="Id of one key")
    tools: Annotated[list[ToolName], Field(max_length=MAX_TOOLS)] | None = Field(
        None, description="Tools by name; null: all of them", examples=[["search", "fetch"]]
    )


def grants_of(bodies: Iterable[GrantBody]) -> tuple[Grant, ...]:
    return tuple(Grant(each.tenant, each.key, None if each.tools is None else tuple(each.tools)) for each in bodies)

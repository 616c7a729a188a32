"""MCP servers as sidecars know them: where a server is, and who may call which of its tools.  Pure.

Sidecars of two versions read this from each other: fields are added at the end (values/trailing.py).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tenancy.values.trailing import filled
from tenancy.values.upstream import Upstream

# A name that stands unescaped in a path, so that it can be spelled in one way only.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MAX_TOOL = 128  # characters
MAX_GRANTS = 100
MAX_TOOLS = 100
PREFIX = "mcp/"
CLUSTER = "tollkeeper_mcp_"


class Grant(NamedTuple):
    """Who may call a server: one key, every key of a tenant, or, with neither, every key there is.  `tools`: which of
    its tools; None: all of them."""

    tenant: str | None = None
    key: str | None = None
    tools: tuple[str, ...] | None = None

    def holds_for(self, tenant_id: str, key_id: str) -> bool:
        return self.key in (None, key_id) and self.tenant in (None, tenant_id)


class Access(NamedTuple):
    """What a key may call of a server.  `tools`: by name; None: all."""

    may_call: bool
    tools: frozenset[str] | None

    def may_use(self, tool: str) -> bool:
        return self.may_call and (self.tools is None or tool in self.tools)


NO_ACCESS = Access(may_call=False, tools=frozenset())


class McpServer(NamedTuple):
    """`headers` go with every request to it.  `max_in_flight`: calls at once, in all sidecars; `tools_in_flight`: of
    tools that have a bound of their own, which then holds in the server's place."""

    upstream: Upstream
    grants: tuple[Grant, ...] = ()
    max_in_flight: int | None = None
    tools_in_flight: Mapping[str, int] = {}
    headers: Mapping[str, str] = {}

    def access(self, tenant_id: str, key_id: str) -> Access:
        """All that its grants together allow; without grants nobody may call it."""
        granted = [grant.tools for grant in self.grants if grant.holds_for(tenant_id, key_id)]
        if not granted:
            return NO_ACCESS
        every = [tools for tools in granted if tools is not None]
        return Access(True, frozenset().union(*every) if len(every) == len(granted) else None)

    def rooms(self, name: str) -> dict[str, int]:
        """The bounds on requests in flight, by server or tool (subject_of)."""
        own = {} if self.max_in_flight is None else {subject_of(name): self.max_in_flight}
        return own | {subject_of(name, tool): most for tool, most in self.tools_in_flight.items()}

    def row(self) -> list[Any]:
        """As JSON has it; read by `of_row`."""
        return [self.upstream.row(), [list(each) for each in self.grants], *self[2:]]

    @staticmethod
    def of_row(row: Sequence[Any]) -> "McpServer":
        upstream, grants, *rest = filled(row, McpServer(Upstream()))
        return McpServer(Upstream.of_row(upstream), tuple(map(_grant, grants)), *rest)


def _grant(row: Sequence[Any]) -> Grant:
    tenant, key, tools = filled(row, Grant())
    return Grant(tenant, key, None if tools is None else tuple(map(str, tools)))


def subject_of(server: str, tool: str = "") -> str:
    """What limits, prices and the ledger call a server, or one of its tools, in place of a model."""
    return f"{PREFIX}{server}/{tool}" if tool else PREFIX + server


def cluster_of_server(name: str) -> str:
    """The name of the cluster of its endpoints in Envoy."""
    return CLUSTER + hashlib.sha256(name.encode()).hexdigest()[:16]


def wrong_with_tool(name: str) -> str:
    """Why a tool cannot have this name, "" if it can."""
    if not 1 <= len(name) <= MAX_TOOL:
        return f"the name of a tool has 1 to {MAX_TOOL} characters"
    return "" if name.isprintable() else "the name of a tool has characters that cannot be printed"


def wrong_with_grants(grants: Iterable[Grant]) -> str:
    """What is wrong with grants, "" if nothing is."""
    for each in grants:
        if each.tools is not None and len(set(each.tools)) < len(each.tools):
            return "a tool is there twice"
        if wrong := next(filter(None, map(wrong_with_tool, each.tools or ())), ""):
            return wrong
    return ""

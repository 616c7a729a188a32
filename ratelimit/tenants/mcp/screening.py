"""The decision before any budget is asked: may this key call this server, and this tool of it.  Pure; no I/O."""

import re
from typing import NamedTuple, Protocol

from ratelimit.tenants.estimates.estimate import NOTHING, Estimate
from ratelimit.tenants.mcp.message import CALL, LIST, WRONG, Message
from ratelimit.tenants.routes.path import spelled
from ratelimit.tenants.screening import CATALOG_AWAY, Catalog, Rejected
from tenancy.resolving.catalog import ModelState
from tenancy.values.mcp import NAME, Access, McpServer, cluster_of_server, subject_of
from tenancy.values.policy import Policy

ROOT = "/mcp/"
PATH = re.compile(f"{ROOT}(?P<name>{NAME.pattern})")
METHODS = ("POST", "GET", "DELETE")
KIND = "mcp"  # a request's kind, where a model request has its route's
Fields = tuple[tuple[str, str | int | bool], ...]


class Servers(Catalog, Protocol):
    """Which MCP servers there are, beside the models."""

    def server(self, name: str) -> McpServer | None:
        """From memory; None if there is none that is enabled."""


class Call(NamedTuple):
    """A call that may be made if the budgets hold `estimate`.  `lasts`: it is a request that has an answer, and so
    takes a place in flight; the others are only counted when they begin.  `room`: what a bound on requests in flight
    would be named after, "" if there is none."""

    server: str
    message: Message
    estimate: Estimate
    priced: bool
    lasts: bool
    room: str
    forward: Fields

    @property
    def subjects(self) -> tuple[str, str]:
        """What limits may name: the tool (the server, if no tool is called), and the server."""
        return subject_of(self.server, self.message.tool), subject_of(self.server)


NO_ROUTE = Rejected(404, "unknown_url", "MCP servers are at /mcp/ and their name.")


def screen_call(
    method: str, path: str, message: Message, policy: Policy, catalog: Servers, assumed_tokens: int
) -> Call | Rejected:
    """`assumed_tokens`: of an answer that is priced.  Refusals in this order: no such path (404), undecidable (503), no
    such server, or not for this key (404), unreadable (400), a tool that is not for this key (403)."""
    found = PATH.fullmatch(spelled(path) or "")
    if found is None:
        return NO_ROUTE
    if catalog.check("") is ModelState.UNAVAILABLE:
        return CATALOG_AWAY
    name = found["name"]
    subject, server = subject_of(name), catalog.server(name)
    access = None if server is None else server.access(policy.tenant_id, policy.key_id)
    if server is None or access is None or not access.may_call:
        text = f"The MCP server '{name}' does not exist, or this API key may not call it."
        return Rejected(404, "server_not_found", text, model=subject)
    if method not in METHODS:
        return Rejected(400, "invalid_method", "An MCP server takes POST, GET and DELETE.", model=subject)
    if method != "POST":
        message = Message()
    elif message.wrong:
        code = "invalid_params" if message.wrong == "invalid_name" else "invalid_message"
        return Rejected(400, code, WRONG[message.wrong], message.wrong, subject)
    if message.method == CALL and not access.may_use(message.tool):
        text = f"This API key may not call the tool '{message.tool}'."
        return Rejected(403, "tool_not_allowed", text, "name", subject)
    priced = catalog.prices(subject) is not None
    rooms, own = server.rooms(name), subject_of(name, message.tool)
    return Call(
        name,
        message,
        Estimate(assumed_tokens, assumed_output=assumed_tokens) if priced else NOTHING,
        priced,
        message.waits or priced,
        next((each for each in (own, subject) if each in rooms), "") if message.waits else "",
        _told_of(name, server, access, message, is_listening=method == "GET"),
    )


def _told_of(name: str, server: McpServer, access: Access, message: Message, *, is_listening: bool) -> Fields:
    """For Envoy.  `tools`: those that a list may show, if a list may be the answer."""
    told: Fields = (
        ("mcp", True),
        ("upstream", cluster_of_server(name)),
        ("retries", server.upstream.retries),
        ("timeout_ms", (server.upstream.timeout_seconds or 0) * 1000),
    )
    if access.tools is None or not (is_listening or message.method == LIST):
        return told
    return (*told, ("tools", "\n" + "\n".join(sorted(access.tools))))

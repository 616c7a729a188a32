"""What must be true of an MCP server before it is kept."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from admin.commands.refusals import Field, Reason, Refusal, Refused, invalid
from store.redis import UNAVAILABLE
from tenancy.directory.mcp_servers import NewServer, server_of
from tenancy.values.mcp import McpServer, subject_of, wrong_with_grants, wrong_with_tool
from tenancy.values.upstream import Endpoint, wrong_with_endpoints

if TYPE_CHECKING:
    from admin.commands.session import Session


async def check_mcp_server(session: "Session", new: NewServer) -> None:
    """Refused: INVALID; REFUSED_THERE if a sidecar could not send requests to its endpoints."""
    if wrong := tuple(_wrong(new, link_local=session.ports.configured.link_local_endpoints)):
        raise invalid(*wrong)
    if new.enabled and (why := await _refused(session, new.name, server_of(new))):
        raise Refused(Refusal(Reason.REFUSED_THERE, f"the endpoints cannot be used: {why}"))


async def _refused(session: "Session", name: str, server: McpServer) -> str:
    """Without Redis no sidecar can be asked, and each says in its log what it cannot do."""
    try:
        return await session.ports.trials.refused(subject_of(name), server.upstream)
    except UNAVAILABLE:
        return ""


def _wrong(new: NewServer, *, link_local: bool) -> Iterator[Field]:
    if wrong := wrong_with_endpoints([Endpoint(new.url)], link_local=link_local):
        yield "url", wrong
    elif wrong := wrong_with_endpoints(server_of(new).upstream.endpoints, link_local=link_local):
        yield "endpoints", wrong
    if wrong := wrong_with_grants(new.grants):
        yield "grants", wrong
    if wrong := next(filter(None, map(wrong_with_tool, new.tools_in_flight)), ""):
        yield "tools_in_flight", wrong

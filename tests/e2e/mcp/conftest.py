"""Two MCP servers behind the stack that tests share."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.e2e.deployment import Credential, Deployment, wait_for
from tests.e2e.mcp.servers import Server, running

NUMBERS = itertools.count(1)
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPTS = {"accept": "application/json, text/event-stream"}


class Mcp:
    """What tests do with MCP servers of a stack."""

    def __init__(self, stack: Deployment) -> None:
        self.stack = stack

    def register(self, server: Server | str, **fields: Any) -> str:
        """Its name, of its own; once it can be reached."""
        url = server if isinstance(server, str) else server.url
        name = f"server-{next(NUMBERS)}"
        answer = self.stack.admin.post("/mcp-servers", json={"name": name, "url": url, "grants": [{}], **fields})
        assert answer.status_code == 201, answer.text
        return name

    def url(self, name: str) -> str:
        return f"http://{self.stack.envoy_address}/mcp/{name}"

    def post(self, who: Credential, name: str, message: object = PING, **headers: str | bytes) -> httpx.Response:
        sent: dict[str, Any] = {**who.headers, **ACCEPTS}
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        return self.stack.envoy.post(f"/mcp/{name}", json=message, headers=sent)

    def until_served(self, who: Credential, name: str) -> None:
        """Envoy has its cluster."""
        wait_for(lambda: self.post(who, name).status_code not in (404, 503) or None, f"{name} is served")

    def rows(self, who: Credential, count: int) -> list[dict[str, Any]]:
        return self.stack.usage_when(who, count)


@pytest.fixture
def mcp(stack: Deployment) -> Mcp:
    return Mcp(stack)


@pytest.fixture(scope="package")
def pair() -> Iterator[list[Server]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running(name)) for name in ("one", "two")]


@pytest.fixture
def servers(pair: list[Server]) -> list[Server]:
    for each in pair:
        each.took()
    return pair
